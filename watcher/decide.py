"""What a watcher does next, as a pure function of the chain and of its verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.snapshot import ClaimStatus, ClaimView, DisputeStatus, DisputeView, Snapshot
from prover.game.moves import Move
from prover.game.players import NothingDiffers
from prover.game.position import Position, Side
from prover.game.simulator import Picks
from watcher.verdict import Refuted, Seam, Unknown, Verdict

EXPIRE_PAGE = 50
"""Disputes in one transaction."""

DISPUTE_GAS = 10_000_000
"""Gas to have the money for before a dispute is begun: the longest walk and its step."""


@dataclass(frozen=True)
class Deposit:
    amount: int


@dataclass(frozen=True)
class Check:
    """Re-run the model on the request's inputs and compare."""

    claim: bytes


@dataclass(frozen=True)
class Challenge:
    claim: bytes


@dataclass(frozen=True)
class ProveOutput:
    """Show that the posted output is not the committed checkpoint; begins the dispute and ends it."""

    claim: bytes
    seam: Seam


@dataclass(frozen=True)
class Postpone:
    """A claim is to be challenged, and there is not the money to see it through."""

    claim: bytes
    lacking_stake: int
    lacking_balance: int


@dataclass(frozen=True)
class Reply:
    """A move in a dispute."""

    dispute: bytes
    position: Position
    move: Move


@dataclass(frozen=True)
class Doubt:
    """In a dispute of ours nothing differs from our own run: the mistake is ours, and the step is not tried."""

    dispute: bytes
    position: Position
    reason: str


@dataclass(frozen=True)
class Expire:
    """Record that executors ran out of time."""

    disputes: tuple[bytes, ...]


@dataclass(frozen=True)
class Settle:
    dispute: bytes


@dataclass(frozen=True)
class Collect:
    amount: int


Action = Deposit | Check | Challenge | ProveOutput | Postpone | Reply | Doubt | Expire | Settle | Collect


@dataclass(frozen=True)
class Policy:
    """What the operator wants."""

    stake: int
    """Wei to have at stake in all; lost stake is not replaced."""


@dataclass(frozen=True)
class Held:
    """What the watcher has off the chain."""

    verdicts: Mapping[bytes, Verdict] = field(default_factory=dict)
    """By claim."""
    challengers: Mapping[bytes, Picks] = field(default_factory=dict)
    """By claim, for each refuted one."""
    retry: frozenset[bytes] = frozenset()
    """Unknown claims whose model has come since."""
    staked: bool = False
    """Whether the stake has been brought up to the policy's."""


def decide(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> list[Action]:
    """The actions that are due, moves first. `now` is a block timestamp in seconds."""
    mine = [d for d in snapshot.disputes.values() if d.challenger == me and d.status is DisputeStatus.ACTIVE]
    running = [d for d in mine if snapshot.claims[d.claim].status is ClaimStatus.PENDING]
    return [
        *_reply(running, held, now),
        *_close(mine, snapshot, now),
        *_manage_stake(running, snapshot, held, policy),
        *_challenge(snapshot, held, me, now, policy),
        *_check(running, snapshot, held, me, now),
    ]


def _reply(running: list[DisputeView], held: Held, now: int) -> Iterator[Action]:
    for dispute in sorted(running, key=lambda d: d.deadline):
        # INVARIANT: [inv 6] from the deadline on a move no longer counts.
        if dispute.side is not Side.CHALLENGER or now >= dispute.deadline:
            continue
        challenger = held.challengers.get(dispute.claim)
        if challenger is None:
            continue
        try:
            move = challenger.reply(dispute.position, dispute.history)
        except NothingDiffers as error:
            yield Doubt(dispute.id, dispute.position, str(error))
            continue
        if move is not None:
            yield Reply(dispute.id, dispute.position, move)


def _close(mine: list[DisputeView], snapshot: Snapshot, now: int) -> Iterator[Action]:
    fallen = [d for d in mine if snapshot.claims[d.claim].status is ClaimStatus.FALLEN]
    dead = [d.id for d in mine if d not in fallen and d.side is Side.EXECUTOR and now >= d.deadline]
    for start in range(0, len(dead), EXPIRE_PAGE):
        yield Expire(tuple(dead[start : start + EXPIRE_PAGE]))
    for dispute in fallen:
        yield Settle(dispute.id)


def _manage_stake(running: list[DisputeView], snapshot: Snapshot, held: Held, policy: Policy) -> Iterator[Action]:
    lacking = _lacking(snapshot, held, policy)
    # A deposit that cannot be paid ends the agent with a word to its operator, but not in the middle of a dispute.
    if lacking > 0 and (lacking <= snapshot.account.balance or not running):
        yield Deposit(lacking)
    if snapshot.account.credits > 0:
        yield Collect(snapshot.account.credits)


def _lacking(snapshot: Snapshot, held: Held, policy: Policy) -> int:
    """What is to be deposited."""
    return 0 if held.staked else max(policy.stake - snapshot.account.stake, 0)


def _challenge(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> Iterator[Action]:
    """Challenges, as far as the money reaches, of the claims that end first."""
    disputed = {d.claim for d in snapshot.disputes.values() if d.challenger == me}
    refuted = [(c, v) for c in _open_claims(snapshot, now) if isinstance(v := held.verdicts.get(c.id), Refuted)]
    bond = snapshot.parameters.challenger_bond
    gas = DISPUTE_GAS * max(snapshot.base_fee, 1)
    free, balance = snapshot.account.free, snapshot.account.balance
    for claim, verdict in sorted(refuted, key=lambda pair: pair[0].window_end):
        if claim.id in disputed:
            continue
        if free < bond or balance < gas:
            if _lacking(snapshot, held, policy) == 0:
                yield Postpone(claim.id, max(bond - free, 0), max(gas - balance, 0))
            continue
        free, balance = free - bond, balance - gas
        yield Challenge(claim.id) if verdict.seam is None else ProveOutput(claim.id, verdict.seam)


def _check(running: list[DisputeView], snapshot: Snapshot, held: Held, me: str, now: int) -> Iterator[Action]:
    """Claims to judge: others' that may still be challenged, and those in dispute (a restart forgets them)."""
    wanted = {c.id for c in _open_claims(snapshot, now) if c.executor != me} | {d.claim for d in running}
    for claim in sorted(wanted, key=lambda id: snapshot.claims[id].window_end):
        verdict = held.verdicts.get(claim)
        if verdict is None or (isinstance(verdict, Unknown) and claim in held.retry):
            yield Check(claim)


def _open_claims(snapshot: Snapshot, now: int) -> list[ClaimView]:
    return [c for c in snapshot.claims.values() if c.status is ClaimStatus.PENDING and now < c.window_end]
