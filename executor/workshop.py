"""What an executor holds off the chain: models, loaded and measured, and executions with their defenders.

All of it is computed in the background. What fails because of the model or the machine rests and is tried again; the
model is not accepted for any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from structlog.typing import FilteringBoundLogger

from contracts.agent import Jobs, hexed
from contracts.fees import unpostable
from contracts.messages.bus import Bus
from contracts.shelf import CannotRun, Run, Shelf, Sturdy, input_arrays, run_all, running
from contracts.snapshot import RequestView, Snapshot
from executor import actions, decide
from executor.actions import Computation
from executor.decide import Held
from prover.errors import CorruptModel, InvalidInput
from prover.game.moves import Move
from prover.game.position import Position
from prover.game.simulator import Opens
from prover.model_folder import Model
from prover.trace import NUMPY_DTYPES, Array, Execution

Defend = Callable[[Execution], Opens]
"""Makes the defender of an execution. Adversaries are this service with another one of these."""

REST = 30
"""Seconds of chain time before a computation that failed is tried again; doubled each time, up to `LONGEST_REST`."""
LONGEST_REST = 600


@dataclass(frozen=True)
class _Ran:
    """A job that succeeded; `execution` if it was the run of a request."""

    seconds: float
    execution: Execution | None = None


@dataclass(frozen=True)
class _Failed:
    """`corrupt`: the shelf knows, and looks again when the folder has changed."""

    reason: str
    corrupt: bool = False


_Results = Mapping[bytes, _Ran | _Failed]
"""What became of each request of a run, or of a model."""


class SturdyDefender:
    """A defender that may find this machine short of something in the middle of a dispute."""

    def __init__(self, defender: Opens, model: bytes) -> None:
        self._defender = defender
        self._sturdy = Sturdy(model)

    def answer(self, position: Position) -> Move | None:
        """The opening; CannotRun if it cannot be made now."""
        return self._sturdy.ask(lambda: self._defender.answer(position))


class Workshop:
    """The executor's models and executions; the arguments are those of `ExecutorService`."""

    def __init__(
        self, shelf: Shelf, run: Run, defend: Defend, log: FilteringBoundLogger, inline: bool, bus: Bus
    ) -> None:
        self.jobs: Jobs[Computation, _Results] = Jobs(inline=inline)
        self._running: dict[bytes, actions.Run] = {}
        self._shelf = shelf
        self._run = run
        self._defend = defend
        self._log = log
        self._bus = bus
        self._models: set[bytes] = set()
        self._seconds: dict[bytes, float] = {}
        self._refused: set[bytes] = set()
        self._failures: dict[bytes, int] = {}
        self._rests: dict[bytes, int] = {}
        self._executions: dict[bytes, Execution] = {}
        self._defenders: dict[bytes, Opens] = {}

    def held(self, snapshot: Snapshot, staked: bool) -> Held:
        """What a decision is made from."""
        folders = frozenset(id for id in {r.model for r in snapshot.requests.values()} if self._shelf.holds(id))
        resting = frozenset(key for key, until in self._rests.items() if snapshot.timestamp < until)
        models, refused = frozenset(self._models), frozenset(self._refused)
        return Held(
            folders,
            models,
            self._executions,
            self._defenders,
            staked,
            dict(self._seconds),
            refused,
            resting,
            frozenset(self._running),
        )

    def start(self, action: Computation, snapshot: Snapshot) -> bool:
        """Begin a computation; whether it was not under way."""
        match action:
            case actions.Load(model):
                return self.jobs.start(action, lambda: {model: self._load(model)}, urgent=action.urgent)
            case actions.Measure(model):
                return self.jobs.start(action, lambda: {model: self._measure(model)})
            case actions.Run(requests):
                # What runs already is not run again, but may become urgent by this.
                known = next((self._running[r] for r in requests if r in self._running), action)
                self._running.update((r, known) for r in known.requests)
                return self.jobs.start(known, lambda: self._execute(requests, snapshot), urgent=action.urgent)

    def collect(self, snapshot: Snapshot) -> bool:
        """Take over what was finished; whether there was any."""
        finished = self.jobs.collect()
        for action, results in finished:
            for key, result in results.items():
                self._running.pop(key, None)
                self._take(action, key, result, snapshot)
        return bool(finished)

    def _take(self, action: Computation, key: bytes, result: _Ran | _Failed, snapshot: Snapshot) -> None:
        model = self._model_of(action, key, snapshot)
        if isinstance(result, _Failed):
            self._failed(key, model, result, snapshot.timestamp)
            return
        self._failures.pop(key, None)
        if isinstance(action, actions.Load):
            self._models.add(action.model)
            return
        if model is not None:
            if isinstance(action, actions.Measure) or len(action.requests) == 1:
                self._seconds[model] = result.seconds  # of a batch each has a part that it would not take alone
            self._refused.discard(model)
        if isinstance(action, actions.Run) and result.execution is not None:
            self._executions[key] = result.execution
            self._bus.offer(result.execution.trace)
            self._defenders[key] = SturdyDefender(self._defend(result.execution), model or bytes(32))

    def keep(self, snapshot: Snapshot, me: str) -> None:
        """Let go of executions that nobody needs any more."""
        for request in [id for id in self._executions if not _is_mine(snapshot.requests.get(id), me)]:
            self._bus.withdraw(self._executions[request].trace)
            del self._executions[request], self._defenders[request]

    def _model_of(self, action: Computation, key: bytes, snapshot: Snapshot) -> bytes | None:
        if not isinstance(action, actions.Run):
            return action.model
        view = snapshot.requests.get(key)
        return view.model if view is not None else None

    def _failed(self, key: bytes, model: bytes | None, failed: _Failed, now: int) -> None:
        if not failed.corrupt:
            times = self._failures[key] = self._failures.get(key, 0) + 1
            self._rests[key] = now + min(REST * 2 ** (times - 1), LONGEST_REST)
        if model is None or model in self._refused:
            return
        if not failed.corrupt:
            self._refused.add(model)
        self._log.error("model_refused", model=hexed(model), reason=failed.reason)

    # In the background

    def _load(self, model: bytes) -> _Ran | _Failed:
        try:
            held = self._shelf.get(model)
        except CorruptModel as error:
            return _Failed(str(error), corrupt=True)
        except CannotRun as error:
            return _Failed(str(error))
        reason = unpostable(held.program)
        return _Ran(0) if reason is None else _Failed(reason)

    def _measure(self, model: bytes) -> _Ran | _Failed:
        held = self._shelf.get(model)
        zeros = [np.zeros(spec.shape, NUMPY_DTYPES[spec.dtype]) for spec in held.program.inputs]
        (result,) = self._timed(held, [zeros])
        if isinstance(result, _Ran):
            self._log.info("model_measured", model=hexed(model), seconds=round(result.seconds, 3))
            return _Ran(result.seconds)
        return result

    def _execute(self, requests: Sequence[bytes], snapshot: Snapshot) -> _Results:
        """The runs of requests for one model, in one pass; one by one if the machine is too small for that."""
        results: dict[bytes, _Ran | _Failed] = {}
        inputs: dict[bytes, list[Array]] = {}
        model = self._shelf.get(snapshot.requests[requests[0]].model)
        for request in requests:
            try:
                inputs[request] = input_arrays(model.program, snapshot.requests[request].inputs)
            except InvalidInput as error:  # the contract has checked their lengths: the node's log is not what it was
                results[request] = _Failed(str(error))
        ran = self._timed(model, list(inputs.values())) if inputs else []
        if len(ran) > 1 and any(isinstance(result, _Failed) for result in ran):
            ran = [self._timed(model, [given])[0] for given in inputs.values()]
        for request, result in zip(inputs, ran, strict=True):
            results[request] = result
            if isinstance(result, _Ran) and result.execution is not None:
                self._note_run(request, result.execution, result.seconds, len(ran), snapshot)
        return results

    def _note_run(self, request: bytes, execution: Execution, seconds: float, batch: int, snapshot: Snapshot) -> None:
        view, root = snapshot.requests[request], execution.trace.root
        log = self._log.bind(request=hexed(request), model=hexed(view.model), batch=batch)
        log.info("model_run", trace_root=hexed(root), seconds=round(seconds, 3))
        claim = snapshot.claims[view.claim] if view.claim is not None else None
        if claim is not None and claim.trace_root != root:
            self._log.error("own_claim_not_reproduced", claim=hexed(claim.id), claimed_root=hexed(claim.trace_root))

    def _timed(self, model: Model, queries: Sequence[Sequence[Array]]) -> list[_Ran | _Failed]:
        """Runs with their share of the time, traces and outputs included: both are computed when first asked for."""
        begun = time.monotonic()
        try:
            with running(bytes(model.id)):
                executions = run_all(self._run, model, queries)
                for execution in executions:
                    _ = execution.trace.root, execution.outputs
        except CannotRun as error:
            return [_Failed(str(error))] * len(queries)
        share = (time.monotonic() - begun) / len(queries)
        return [_Ran(share, execution) for execution in executions]


def _is_mine(request: RequestView | None, me: str) -> bool:
    if request is None:
        return False  # the chain went back behind it
    return request.status in decide.AT_WORK and request.executor == me
