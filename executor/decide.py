"""What an executor does next, as a pure function of the chain and of what it has computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.calls import NOBODY
from contracts.fees import highest_price
from contracts.service import disk
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
    Short,
    Stuck,
)
from executor.policy import Policy
from prover import encoding
from prover.game.position import MOST_MOVES, Side
from prover.game.simulator import Opens
from prover.trace import Execution, tensor_bytes

AT_WORK = (RequestStatus.ACCEPTED, RequestStatus.CLAIMED)
"""A request's executor has something at stake in it."""

EXPIRE_PAGE = 50
"""Disputes in one transaction."""


DEFENCE_GAS = 6_000_000
"""Gas of a claim and of its longest defence (protocol, section 5), to have the money for before one is owed."""


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
    running: frozenset[bytes] = frozenset()
    """Requests that are being computed."""
    disk: int = disk.LEAST
    """Free bytes where the executor keeps its files."""


def decide(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> list[Action]:
    """The actions that are due, defences first. `now` is a block timestamp in seconds."""
    return list(due(snapshot, held, me, now, policy))


def due(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> Iterator[Action]:
    """The same one by one, so that a move can be sent before the next one is computed."""
    mine = {c.id: c for c in snapshot.claims.values() if c.executor == me and c.status is ClaimStatus.PENDING}
    disputes = [d for d in snapshot.running_disputes() if d.claim in mine]
    yield from _defend(mine, disputes, snapshot, held, now)
    yield from _post_claims(snapshot, held, me, now, policy)
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
            yield Run((request.id,), urgent)
    elif request.model in held.folders and request.model not in held.resting:
        yield Load(request.model, urgent)


def _post_claims(snapshot: Snapshot, held: Held, me: str, now: int, policy: Policy) -> Iterator[Action]:
    owed = [r for r in snapshot.requests.values() if r.status is RequestStatus.ACCEPTED and r.executor == me]
    missing: dict[bytes, list[bytes]] = {}
    for request in sorted(owed, key=lambda r: r.deadline):
        if now >= request.deadline:
            continue
        execution = held.executions.get(request.id)
        if execution is not None:
            outputs = tuple(tensor_bytes(output) for output in execution.outputs)
            head, interface = encoding.encode_head(execution.program), encoding.encode_interface(execution.program)
            yield PostClaim(request.id, head, interface, execution.trace.nodes, outputs, policy.delegate)
        elif request.model not in held.models:
            yield from _compute(request, held, urgent=False)
        elif request.id not in held.resting:
            missing.setdefault(request.model, []).append(request.id)
    for waiting in missing.values():
        yield from _batch(waiting, held, policy)


def _batch(waiting: list[bytes], held: Held, policy: Policy) -> Iterator[Action]:
    """The next requests for a model, in one pass; while one runs, those of the next gather.

    A power of two of them: a runtime is made ready once for each size.
    """
    if not held.running.isdisjoint(waiting):
        return
    size = min(len(waiting), policy.batch)
    yield Run(tuple(waiting[: 1 << (size.bit_length() - 1)]))


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
    may = snapshot.doubt is None and (lacking <= snapshot.account.balance or not at_work)
    if lacking > 0 and not held.staked and may:
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
    at_work = sum(r.executor == me and r.status in AT_WORK for r in snapshot.requests.values())
    short = _short(at_work, snapshot, held)
    fallen = {c.request for c in snapshot.claims.values() if c.executor == me and c.status is ClaimStatus.FALLEN}
    for request in snapshot.requests.values():
        if request.status is not RequestStatus.OPEN or not _acceptable(request, me, policy) or request.id in fallen:
            continue
        if request.model in held.refused or not snapshot.may_risk(request.id):
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
            yield Short("stake", stake - free)
            continue
        reason = _too_late(request, queue, snapshot, held, policy)
        if reason is not None:
            yield Leave(request.id, reason)
            continue
        if len(queue) >= policy.max_queue:
            yield Leave(request.id, f"{len(queue)} answers are owed already, as many as --max-queue allows")
            continue
        if short is not None:
            yield short
            return
        free -= stake
        queue.append(request.model)
        at_work += 1
        short = _short(at_work, snapshot, held)
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


def _short(at_work: int, snapshot: Snapshot, held: Held) -> Short | None:
    """What one more claim could not be defended for to the end; None if there is enough."""
    if held.disk < disk.LEAST:
        return Short("disk", disk.LEAST - held.disk)
    needed = (at_work + 1) * DEFENCE_GAS * highest_price(snapshot.base_fee)
    lacking = needed - snapshot.account.balance
    return Short("balance", lacking) if lacking > 0 else None


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
