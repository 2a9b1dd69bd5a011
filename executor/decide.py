"""What an executor does next, as a pure function of the chain and of what it has computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.calls import NOBODY
from contracts.snapshot import ClaimStatus, ClaimView, DisputeView, RequestStatus, RequestView, Snapshot
from prover.game.moves import Move
from prover.game.position import Position, Side
from prover.game.simulator import Opens
from prover.trace import Execution, tensor_bytes

AT_WORK = (RequestStatus.ACCEPTED, RequestStatus.CLAIMED)
"""A request's executor has something at stake in it."""

EXPIRE_PAGE = 50
"""Disputes in one transaction."""


@dataclass(frozen=True)
class Deposit:
    amount: int


@dataclass(frozen=True)
class Load:
    """Read a model's folder and check it: before a stake is risked on it."""

    model: bytes


@dataclass(frozen=True)
class Run:
    """Compute the execution of a request."""

    request: bytes


@dataclass(frozen=True)
class Accept:
    request: bytes


@dataclass(frozen=True)
class PostClaim:
    request: bytes
    trace_root: bytes
    outputs: tuple[bytes, ...]


@dataclass(frozen=True)
class Answer:
    """A move in a dispute."""

    dispute: bytes
    position: Position
    move: Move


@dataclass(frozen=True)
class Finalise:
    claim: bytes


@dataclass(frozen=True)
class Expire:
    """Record that challengers ran out of time."""

    disputes: tuple[bytes, ...]


@dataclass(frozen=True)
class Lapse:
    """Record that an answer is overdue, so that the request opens again and the rest of the stake is free."""

    request: bytes


@dataclass(frozen=True)
class Collect:
    amount: int


Action = Deposit | Load | Run | Accept | PostClaim | Answer | Finalise | Expire | Lapse | Collect


@dataclass(frozen=True)
class Policy:
    """What the operator wants."""

    stake: int
    """Wei to have at stake in all; lost stake is not replaced."""
    least_fee: int = 0
    least_answer_period: int = 30


@dataclass(frozen=True)
class Held:
    """What the executor has off the chain."""

    folders: frozenset[bytes] = frozenset()
    """Models whose folder is there, loaded or not."""
    models: frozenset[bytes] = frozenset()
    """Models that are loaded and valid."""
    executions: Mapping[bytes, Execution] = field(default_factory=dict)
    """By request."""
    defenders: Mapping[bytes, Opens] = field(default_factory=dict)
    """By request, for each execution."""
    staked: bool = False
    """Whether the stake has been brought up to the policy's."""


def decide(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> list[Action]:
    """The actions that are due, defences first. `now` is a block timestamp in seconds."""
    mine = {c.id: c for c in snapshot.claims.values() if c.executor == me and c.status is ClaimStatus.PENDING}
    disputes = [d for d in snapshot.running_disputes() if d.claim in mine]
    return [
        *_defend(mine, disputes, snapshot, held, now),
        *_post_claims(snapshot, held, me, now),
        *_close(mine, disputes, now),
        *_manage_stake(snapshot, held, me, policy),
        *_lapse(snapshot, held, me, now),
        *_take_requests(snapshot, held, me, policy),
    ]


def _defend(
    mine: Mapping[bytes, ClaimView], disputes: list[DisputeView], snapshot: Snapshot, held: Held, now: int
) -> Iterator[Action]:
    for dispute in sorted(disputes, key=lambda d: d.deadline):
        # INVARIANT: [inv 6] from the deadline on a move no longer counts.
        if dispute.side is not Side.EXECUTOR or now >= dispute.deadline:
            continue
        request = mine[dispute.claim].request
        if request not in held.defenders:
            yield from _compute(snapshot.requests[request], held)
            continue
        move = held.defenders[request].answer(dispute.position)
        if move is not None:
            yield Answer(dispute.id, dispute.position, move)


def _compute(request: RequestView, held: Held) -> Iterator[Action]:
    """What is missing for an execution of a request."""
    if request.model in held.models:
        yield Run(request.id)
    elif request.model in held.folders:
        yield Load(request.model)


def _post_claims(snapshot: Snapshot, held: Held, me: str, now: int) -> Iterator[Action]:
    for request in snapshot.requests.values():
        if request.status is not RequestStatus.ACCEPTED or request.executor != me or now >= request.deadline:
            continue
        execution = held.executions.get(request.id)
        if execution is None:
            yield from _compute(request, held)
        else:
            outputs = tuple(tensor_bytes(output) for output in execution.outputs)
            yield PostClaim(request.id, bytes(execution.trace.root), outputs)


def _close(mine: Mapping[bytes, ClaimView], disputes: list[DisputeView], now: int) -> Iterator[Action]:
    dead = [d.id for d in disputes if d.side is Side.CHALLENGER and now >= d.deadline]
    for start in range(0, len(dead), EXPIRE_PAGE):
        yield Expire(tuple(dead[start : start + EXPIRE_PAGE]))
    disputed = {d.claim for d in disputes}
    for claim in mine.values():
        if now >= claim.window_end and claim.id not in disputed:
            yield Finalise(claim.id)


def _manage_stake(snapshot: Snapshot, held: Held, me: str, policy: Policy) -> Iterator[Action]:
    lacking = policy.stake - snapshot.account.stake
    at_work = any(r.executor == me for r in snapshot.requests.values() if r.status in AT_WORK)
    # A deposit that cannot be paid ends the agent with a word to its operator, but not while it has work to defend.
    if lacking > 0 and not held.staked and (lacking <= snapshot.account.balance or not at_work):
        yield Deposit(lacking)
    if snapshot.account.credits > 0:
        yield Collect(snapshot.account.credits)


def _lapse(snapshot: Snapshot, held: Held, me: str, now: int) -> Iterator[Action]:
    for request in snapshot.requests.values():
        if request.status is RequestStatus.ACCEPTED and now >= request.deadline:
            takes = request.model in held.folders and not request.cancelled and request.only in (NOBODY, me)
            if request.executor == me or takes:
                yield Lapse(request.id)


def _take_requests(snapshot: Snapshot, held: Held, me: str, policy: Policy) -> Iterator[Action]:
    free = snapshot.account.free
    fallen = {c.request for c in snapshot.claims.values() if c.executor == me and c.status is ClaimStatus.FALLEN}
    for request in snapshot.requests.values():
        if request.status is not RequestStatus.OPEN or not _acceptable(request, me, policy) or request.id in fallen:
            continue
        if request.model not in held.models:
            if request.model in held.folders:
                yield Load(request.model)
            continue
        stake = max(snapshot.parameters.executor_stake, request.min_stake)
        if stake <= free:
            free -= stake
            yield Accept(request.id)


def _acceptable(request: RequestView, me: str, policy: Policy) -> bool:
    return (
        request.only in (NOBODY, me)
        and me not in request.barred
        and request.fee >= policy.least_fee
        and request.answer_period >= policy.least_answer_period
    )
