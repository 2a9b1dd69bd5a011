"""Runs that fail, and runs that take long: neither ends an agent, or costs it a claim in dispute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts import calls, shelf
from contracts.agent import Jobs
from contracts.command_line import log_start
from contracts.snapshot import ClaimStatus, Reason, RequestStatus
from prover.game.adversaries import LyingDefender
from prover.game.players import Challenger
from prover.model_folder import Model
from prover.trace import Array, Execution
from tests.agents.stage import ETHER, PARAMETERS, Stage, interpret, liar
from watcher.verdict import TwoBackends

FAILURES = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    RecursionError("maximum recursion depth exceeded"),
    OverflowError("Python int too large to convert to C long"),
    ValueError("array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size"),
]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


class Failing:
    """A machine that fails the runs whose numbers, from 0 on, are `when`."""

    def __init__(self, error: Exception, when: Callable[[int], bool]) -> None:
        self.error, self.when = error, when
        self.runs = 0

    def __call__(self, model: Model, inputs: Sequence[Array]) -> Execution:
        self.runs += 1
        if self.when(self.runs - 1):
            raise self.error
        return interpret(model, inputs)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_watcher_that_cannot_run_a_model_does_not_know_and_tries_again(stage: Stage, error: Exception) -> None:
    request = stage.ask()
    executor = stage.executor(liar(1), LyingDefender)
    machine = Failing(error, lambda run: run < 2)
    watcher = stage.watcher(TwoBackends(machine, machine))
    with capture_logs() as logs:
        stage.settle_down(executor, watcher)
        assert machine.runs == 1, "not again at once"
        for _ in range(4):
            stage.pass_time(60)
            stage.settle_down(executor, watcher)
    (said,) = [e for e in logs if e["event"] == "claim_unknown"]
    assert type(error).__name__ in said["reason"]
    assert [d.reason for d in stage.disputes_of(request)] == [Reason.STEP]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_an_executor_that_cannot_run_a_model_accepts_nothing_of_it(stage: Stage, error: Exception) -> None:
    request = stage.ask()
    executor = stage.executor(Failing(error, lambda run: True))
    with capture_logs() as logs:
        stage.settle_down(executor)
        stage.pass_time(60)
        stage.settle_down(executor)
    (said,) = [e for e in logs if e["event"] == "model_refused"]
    assert type(error).__name__ in said["reason"]
    assert stage.request(request).status is RequestStatus.OPEN
    assert stage.account(stage.executor_client).locked == 0


def test_what_was_accepted_is_tried_again_while_there_is_time(stage: Stage) -> None:
    """It could run the model when it was measured, and for a while it cannot."""
    first, second = stage.ask(1), stage.ask(2)
    executor = stage.executor(Failing(FAILURES[0], lambda run: 1 <= run < 4))
    stage.settle_down(executor)
    assert not stage.look().claims
    for _ in range(4):
        stage.pass_time(60)
        stage.settle_down(executor)
    assert len(stage.claims_of(first)) == len(stage.claims_of(second)) == 1


def test_a_restarted_executor_that_is_short_of_memory_for_a_while_defends_all_the_same(stage: Stage) -> None:
    request = stage.ask()
    stage.settle_down(stage.executor())
    (claim,) = stage.claims_of(request)
    stage.other.transact(calls.deposit(10 * ETHER))
    stage.other.transact(calls.challenge(claim.id, stage.model.program, claim.trace_root))
    again = stage.executor(Failing(FAILURES[1], lambda run: run < 2))
    for _ in range(4):
        stage.settle_down(again)
        stage.pass_time(60)
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(again)
    assert [c.status for c in stage.claims_of(request)] == [ClaimStatus.FINAL]


class Layers:
    """An execution whose layers cannot be run again, the first time."""

    def __init__(self, execution: Execution) -> None:
        self.execution, self.failed = execution, False

    def results(self, layer: int) -> Sequence[Array]:
        if not self.failed:
            self.failed = True
            raise MemoryError
        return self.execution.results(layer)

    def __getattr__(self, name: str) -> object:
        return getattr(self.execution, name)


def test_a_move_that_the_machine_cannot_make_now_is_made_later(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(shelf, "monotonic", lambda: clock[0])
    request = stage.ask()
    executor = stage.executor(liar(1), lambda execution: LyingDefender(Layers(execution)))  # type: ignore[arg-type]
    watcher = stage.watcher(challenge=lambda execution: Challenger(Layers(execution)))  # type: ignore[arg-type]
    with capture_logs() as logs:
        for now in (0.0, 10.0, 20.0):
            clock[0] = now
            stage.settle_down(executor, watcher)
    assert [(e["agent"], "MemoryError" in e["reason"]) for e in logs if e["event"] == "move_not_made"] == [
        ("executor", True),
        ("watcher", True),
    ]
    assert [d.reason for d in stage.disputes_of(request)] == [Reason.STEP]


def test_the_runs_of_a_model_are_timed(stage: Stage) -> None:
    stage.ask()
    executor, watcher = stage.executor(), stage.watcher()
    with capture_logs() as logs:
        stage.settle_down(executor, watcher)
    timed = {e["event"]: e["seconds"] for e in logs if "seconds" in e}
    assert set(timed) == {"model_measured", "model_run", "claim_agrees"}
    assert all(0 < seconds < 10 for seconds in timed.values())


# What waits, and for what


def finished(jobs: Jobs[str, str], count: int, woken: threading.Semaphore) -> list[str]:
    for _ in range(count):
        assert woken.acquire(timeout=10)
    return [key for key, _ in jobs.collect()]


def test_what_a_dispute_waits_for_goes_before_what_was_there_first() -> None:
    jobs: Jobs[str, str] = Jobs()
    woken, go, running = threading.Semaphore(0), threading.Event(), threading.Event()
    jobs.wake = woken.release

    def long() -> str:
        running.set()
        assert go.wait(10)
        return ""

    assert jobs.start("long", long)
    assert running.wait(10)
    for name in ("first", "second", "third"):
        assert jobs.start(name, str)
    assert jobs.start("disputed", str, urgent=True)
    assert not jobs.start("third", str, urgent=True), "it waits already, and becomes urgent"
    go.set()
    assert finished(jobs, 5, woken) == ["long", "third", "disputed", "first", "second"]


def test_an_agent_without_a_model_says_so_when_it_begins(stage: Stage, tmp_path: Path) -> None:
    """A mistyped --models would let every claim pass, and its operator sleep well."""
    for folder, said in ((tmp_path / "models", []), (tmp_path / "mistyped", ["no_models"])):
        with capture_logs() as logs:
            log_start(stage.watcher(), stage.other, shelf.Shelf(folder))
        assert [log["event"] for log in logs if log["log_level"] == "warning"] == said
