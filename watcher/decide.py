"""What a watcher does next, as a pure function of the chain and of its verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.shelf import CannotRun
from contracts.snapshot import ClaimStatus, ClaimView, DisputeStatus, DisputeView, Snapshot
from prover.game.moves import RefuteProgram, Step
from prover.game.players import NothingDiffers
from prover.game.position import Phase, Position, Side
from prover.game.simulator import Opens, Picks
from prover.merkle import MAX_DEPTH
from watcher.actions import (
    Action,
    Challenge,
    Check,
    Collect,
    Defend,
    Deposit,
    Doubt,
    Expire,
    PassOver,
    Postpone,
    ProveOutput,
    Reply,
    Settle,
    Stuck,
)
from watcher.policy import Policy
from watcher.verdict import Agrees, Refuted, Unknown, Verdict

EXPIRE_PAGE = 50
"""Disputes in one transaction."""

DISPUTE_GAS = 10_000_000
"""Gas to have the money for before a dispute is begun: the longest walk and its step."""


MOST_TENSOR_MOVES, MOST_TERMS_MOVES = 4, 3
"""Of one side, in the longest game (protocol, section 5)."""


@dataclass(frozen=True)
class Held:
    """What the watcher has off the chain."""

    verdicts: Mapping[bytes, Verdict] = field(default_factory=dict)
    """By claim."""
    challengers: Mapping[bytes, Picks] = field(default_factory=dict)
    """By claim, for each refuted one."""
    defenders: Mapping[bytes, Opens] = field(default_factory=dict)
    """By claim, for those that this watcher defends."""
    retry: frozenset[bytes] = frozenset()
    """Unknown claims that can be looked at again: the model has come since, or the machine has rested."""
    staked: bool = False
    """Whether the stake has been brought up to the policy's."""
    left: frozenset[bytes] = frozenset()
    """Claims that are for other workers of this operator to check."""


def decide(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> list[Action]:
    """The actions that are due, moves first. `now` is a block timestamp in seconds."""
    return list(due(snapshot, held, me, now, policy))


def due(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> Iterator[Action]:
    """The same one by one, so that a move can be sent before the next one is computed."""
    mine = [d for d in snapshot.disputes.values() if d.challenger == me and d.status is DisputeStatus.ACTIVE]
    running = [d for d in mine if snapshot.claims[d.claim].status is ClaimStatus.PENDING]
    delegated = [d for d in snapshot.running_disputes() if _is_delegate(d, snapshot, me)] if policy.defend else []
    yield from _reply(running, snapshot, held, now)
    yield from _defend(delegated, snapshot, held, now)
    yield from _close(mine, snapshot, now)
    yield from _manage_stake(running, snapshot, held, policy)
    yield from _challenge(snapshot, held, me, now, policy)
    yield from _check(running, delegated, snapshot, held, me, now, policy)


def _reply(running: list[DisputeView], snapshot: Snapshot, held: Held, now: int) -> Iterator[Action]:
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
        except CannotRun as error:
            yield Stuck(dispute.id, str(error))
            continue
        if move is None:
            continue
        if isinstance(move, Step | RefuteProgram) and dispute.deadline - now > snapshot.parameters.move_time:
            yield from _bury(dispute.claim, snapshot, now)
        yield Reply(dispute.id, dispute.position, move)


def _bury(claim: bytes, snapshot: Snapshot, now: int) -> Iterator[Action]:
    """Before the last move: expire other challengers' dead disputes, or their tariffs thin the winner's pay.

    One page at most: its gas is less than the tariff of a challenge for each of them.
    """
    dead = _dead_challengers(claim, snapshot, now)
    if dead:
        yield Expire(tuple(dead[:EXPIRE_PAGE]))


def _dead_challengers(claim: bytes, snapshot: Snapshot, now: int) -> list[bytes]:
    """Disputes on a claim whose challengers ran out of time, and that no transaction has resolved."""
    running = (d for d in snapshot.running_disputes() if d.claim == claim)
    return [d.id for d in running if d.side is Side.CHALLENGER and now >= d.deadline]


def _close(mine: list[DisputeView], snapshot: Snapshot, now: int) -> Iterator[Action]:
    fallen = [d for d in mine if snapshot.claims[d.claim].status is ClaimStatus.FALLEN]
    won = [d for d in mine if d not in fallen and d.side is Side.EXECUTOR and now >= d.deadline]
    # Dead disputes go first: the contract takes them in this order, and the first that is won ends the claim.
    dead = [id for claim in dict.fromkeys(d.claim for d in won) for id in _dead_challengers(claim, snapshot, now)]
    over = [*dead[: EXPIRE_PAGE // 2], *(d.id for d in won)]
    for start in range(0, len(over), EXPIRE_PAGE):
        yield Expire(tuple(over[start : start + EXPIRE_PAGE]))
    for dispute in fallen:
        yield Settle(dispute.id)


def _manage_stake(running: list[DisputeView], snapshot: Snapshot, held: Held, policy: Policy) -> Iterator[Action]:
    lacking = _lacking(snapshot, held, policy)
    # A deposit that cannot be paid ends the agent with a word to its operator, but not in the middle of a dispute.
    if lacking > 0 and snapshot.doubt is None and (lacking <= snapshot.account.balance or not running):
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
        # A claim that is shallow or in doubt waits, but not until it cannot be challenged any more.
        waits = not snapshot.may_risk(claim.id) and claim.window_end - now > 2 * snapshot.parameters.move_time
        if claim.id in disputed or waits:
            continue
        if free < bond or balance < gas:
            if _lacking(snapshot, held, policy) == 0:
                yield Postpone(claim.id, max(bond - free, 0), max(gas - balance, 0))
            continue
        free, balance = free - bond, balance - gas
        if verdict.seam is None:
            yield Challenge(claim.id)
        else:
            yield from _bury(claim.id, snapshot, now)
            yield ProveOutput(claim.id, verdict.seam)


def _check(
    running: list[DisputeView],
    delegated: list[DisputeView],
    snapshot: Snapshot,
    held: Held,
    me: str,
    now: int,
    policy: Policy,
) -> Iterator[Action]:
    """Claims to judge: others' that may still be challenged, and those in dispute (a restart forgets them)."""
    defended = {d.claim for d in delegated if d.side is Side.EXECUTOR and now < d.deadline} - set(held.defenders)
    urgent = {d.claim for d in running} | defended
    wanted = set(urgent)
    for claim in _open_claims(snapshot, now):
        judged = claim.id in held.verdicts and claim.id not in held.retry
        if claim.executor == me or claim.id in urgent or judged or claim.id in held.left:
            continue
        reason = policy.passes_over(claim, snapshot.requests[claim.request])
        if reason is None:
            wanted.add(claim.id)
        else:
            yield PassOver(claim.id, reason)
    for id in sorted(wanted, key=lambda id: (id not in urgent, snapshot.claims[id].window_end)):
        verdict = held.verdicts.get(id)
        again = isinstance(verdict, Agrees) and id in defended
        if verdict is None or again or (isinstance(verdict, Unknown) and id in held.retry):
            yield Check(id, id in urgent, id in defended)


def _is_delegate(dispute: DisputeView, snapshot: Snapshot, me: str) -> bool:
    return snapshot.claims[dispute.claim].delegate == me


def _defend(delegated: list[DisputeView], snapshot: Snapshot, held: Held, now: int) -> Iterator[Action]:
    """Moves for executors that are late: as soon as no more time is left than the rest of the game may take."""
    for dispute in sorted(delegated, key=lambda d: d.deadline):
        defender = held.defenders.get(dispute.claim)
        # INVARIANT: [inv 6] from the deadline on a move no longer counts.
        if dispute.side is not Side.EXECUTOR or now >= dispute.deadline or defender is None:
            continue
        needed = moves_left(dispute.position) * snapshot.parameters.move_time + snapshot.parameters.layer_time
        if dispute.deadline - now > needed:
            continue
        try:
            move = defender.answer(dispute.position)
        except CannotRun as error:
            yield Stuck(dispute.id, str(error))
            continue
        if move is not None:
            yield Defend(dispute.id, dispute.position, move)


def moves_left(position: Position) -> int:
    """The most moves that an executor who is to move may still have to make (protocol, section 5)."""
    levels = -(-max(position.count - 1, 1).bit_length() // MAX_DEPTH)
    match position.phase:
        case Phase.TRACE_OPEN:
            return levels + 1 + MOST_TENSOR_MOVES + 1 + MOST_TERMS_MOVES
        case Phase.LAYER_OPEN:
            return 1 + MOST_TENSOR_MOVES + 1 + MOST_TERMS_MOVES
        case Phase.TENSOR_OPEN:
            return levels + 1 + MOST_TERMS_MOVES
        case Phase.CHUNK_OPEN:
            return 1 + MOST_TERMS_MOVES
    return MOST_TERMS_MOVES


def _open_claims(snapshot: Snapshot, now: int) -> list[ClaimView]:
    return [c for c in snapshot.claims.values() if c.status is ClaimStatus.PENDING and now < c.window_end]
