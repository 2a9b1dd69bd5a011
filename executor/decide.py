"""What an executor does next, as a pure function of the chain and of what it has computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.calls import NOBODY
from contracts.shelf import CannotRun
from contracts.snapshot import ClaimStatus, ClaimView, DisputeView, RequestStatus, RequestView, Snapshot
from executor.actions import (
    Accept,
    Action,
    Answer,
    Collect,
    Deposit,
    Expire,
    Finalise,
    Lapse,
    Leave,
    Load,
    Measure,
    PostClaim,
    Run,
    Stuck,
)
from prover import encoding
from prover.game.position import Side
from prover.game.simulator import Opens
from prover.trace import Execution, tensor_bytes

AT_WORK = (RequestStatus.ACCEPTED, RequestStatus.CLAIMED)
"""A request's executor has something at stake in it."""

MOST_MOVES = 12
"""Most moves of one side in the longest dispute (protocol, section 5)."""

EXPIRE_PAGE = 50
"""Disputes in one transaction."""


@dataclass(frozen=True)
class Policy:
    """What the operator wants."""

    stake: int
    """Wei to have at stake in all; lost stake is not replaced."""
    least_fee: int = 0
    least_answer_period: int = 30
    margin: float = 2.0
    """Times its measured time that a run is given when it is decided whether an answer can be in time."""


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
    seconds: Mapping[bytes, float] = field(default_factory=dict)
    """What a run took, by model."""
    refused: frozenset[bytes] = frozenset()
    """Models that this machine cannot run, or whose answers cannot be posted."""
    resting: frozenset[bytes] = frozenset()
    """Requests and models whose computation failed a moment ago."""


def decide(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> list[Action]:
    """The actions that are due, defences first. `now` is a block timestamp in seconds."""
    return list(due(snapshot, held, me, now, policy))


def due(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> Iterator[Action]:
    """The same one by one, so that a move can be sent before the next one is computed."""
    mine = {c.id: c for c in snapshot.claims.values() if c.executor == me and c.status is ClaimStatus.PENDING}
    disputes = [d for d in snapshot.running_disputes() if d.claim in mine]
    yield from _defend(mine, disputes, snapshot, held, now)
    yield from _post_claims(snapshot, held, me, now)
    yield from _close(mine, disputes, now)
    yield from _manage_stake(snapshot, held, me, policy)
    yield from _lapse(snapshot, held, me, now)
    yield from _take_requests(snapshot, held, me, policy)


def _defend(
    mine: Mapping[bytes, ClaimView], disputes: list[DisputeView], snapshot: Snapshot, held: Held, now: int
) -> Iterator[Action]:
    for dispute in sorted(disputes, key=lambda d: d.deadline):
        # INVARIANT: [inv 6] from the deadline on a move no longer counts.
        if dispute.side is not Side.EXECUTOR or now >= dispute.deadline:
            continue
        request = mine[dispute.claim].request
        if request not in held.defenders:
            yield from _compute(snapshot.requests[request], held, urgent=True)
            continue
        try:
            move = held.defenders[request].answer(dispute.position)
        except CannotRun as error:
            yield Stuck(dispute.id, str(error))
            continue
        if move is not None:
            yield Answer(dispute.id, dispute.position, move)


def _compute(request: RequestView, held: Held, *, urgent: bool) -> Iterator[Action]:
    """What is missing for an execution of a request."""
    if request.model in held.models:
        if request.id not in held.resting:
            yield Run(request.id, urgent)
    elif request.model in held.folders and request.model not in held.resting:
        yield Load(request.model, urgent)


def _post_claims(snapshot: Snapshot, held: Held, me: str, now: int) -> Iterator[Action]:
    for request in snapshot.requests.values():
        if request.status is not RequestStatus.ACCEPTED or request.executor != me or now >= request.deadline:
            continue
        execution = held.executions.get(request.id)
        if execution is None:
            yield from _compute(request, held, urgent=False)
        else:
            outputs = tuple(tensor_bytes(output) for output in execution.outputs)
            head, interface = encoding.encode_head(execution.program), encoding.encode_interface(execution.program)
            yield PostClaim(request.id, head, interface, execution.trace.nodes, outputs)


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
            served = request.model in held.folders and request.model not in held.refused
            takes = served and not request.cancelled and request.only in (NOBODY, me)
            if request.executor == me or takes:
                yield Lapse(request.id)


def _take_requests(snapshot: Snapshot, held: Held, me: str, policy: Policy) -> Iterator[Action]:
    free = snapshot.account.free
    queue = _queue(snapshot, held, me)
    fallen = {c.request for c in snapshot.claims.values() if c.executor == me and c.status is ClaimStatus.FALLEN}
    for request in snapshot.requests.values():
        if request.status is not RequestStatus.OPEN or not _acceptable(request, me, policy) or request.id in fallen:
            continue
        if request.model in held.refused:
            continue
        if request.model not in held.models:
            if request.model in held.folders:
                yield Load(request.model)
            continue
        if request.model not in held.seconds:
            yield Measure(request.model)
            continue
        stake = max(snapshot.parameters.executor_stake, request.min_stake)
        if stake > free:
            continue
        reason = _too_late(request, queue, snapshot, held, policy)
        if reason is not None:
            yield Leave(request.id, reason)
            continue
        free -= stake
        queue.append(request.model)
        yield Accept(request.id)


def _queue(snapshot: Snapshot, held: Held, me: str) -> list[bytes]:
    """Models of the runs that come before that of a new request: answers that are owed, and disputed ones."""
    disputed = {snapshot.claims[d.claim].request for d in snapshot.running_disputes()}
    return [
        request.model
        for request in snapshot.requests.values()
        if request.executor == me
        and request.id not in held.executions
        and (request.status is RequestStatus.ACCEPTED or request.id in disputed)
    ]


def _too_late(request: RequestView, queue: list[bytes], snapshot: Snapshot, held: Held, policy: Policy) -> str | None:
    """Why a request cannot be answered in time, or the answer not be defended after a restart; None if it can."""
    one = held.seconds[request.model] * policy.margin
    # What is not measured yet is taken to be as long as what is.
    longest = max(held.seconds.values())
    before = sum(held.seconds.get(model, longest) for model in queue) * policy.margin
    if before + one >= request.answer_period:
        return f"about {before + one:.0f} s until it is answered, of {request.answer_period:.0f} s"
    # A restarted executor runs the model again while its clock runs (docs/decisions/0005).
    spare = snapshot.parameters.clock - MOST_MOVES * snapshot.parameters.move_time
    if one >= spare:
        return f"a run is given {one:.0f} s; the clock of a dispute leaves {spare} s for it"
    return None


def _acceptable(request: RequestView, me: str, policy: Policy) -> bool:
    return (
        request.only in (NOBODY, me)
        and me not in request.barred
        and request.fee >= policy.least_fee
        and request.answer_period >= policy.least_answer_period
    )
