"""How much work an executor takes on, and how it works it off: batches, the queue, money and room."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest
from structlog.testing import capture_logs

from contracts.agent import Jobs
from contracts.service import disk
from contracts.shelf import TorchRun
from contracts.snapshot import RequestStatus, RequestView
from executor import decide as executing
from executor.policy import Policy as ExecutorPolicy
from prover.game.position import Phase
from prover.model_folder import Model
from prover.trace import Array, Execution
from tests.agents.stage import ETHER, PARAMETERS, Stage, interpret
from tests.agents.states import (
    DEFENDED,
    ME,
    NOW,
    STAKE,
    claim,
    dispute,
    executors,
    key,
    request,
    snapshot,
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def owed(*numbers: int) -> list[RequestView]:
    return [request(n, status=RequestStatus.ACCEPTED, executor=ME, deadline=NOW + 100 - n) for n in numbers]


def test_a_request_that_no_stake_is_free_for_waits_and_that_is_said_once_an_hour(stage: Stage) -> None:
    actions = executors(snapshot(*map(request, range(3)), free=STAKE + 1))
    assert actions == [executing.Accept(key("request", 0)), *[executing.Short("stake", 0)] * 2]
    assert {a.lacking for a in actions if isinstance(a, executing.Short)} == {STAKE - 1}
    first, second = stage.ask(seed=1), stage.ask(seed=2)
    executor = stage.executor(stake=PARAMETERS.executor_stake)
    with capture_logs() as logs:
        stage.settle_down(executor)
        assert [stage.request(r).status for r in (first, second)] == [RequestStatus.CLAIMED, RequestStatus.OPEN]
    said = [(e["log_level"], e["lacking"]) for e in logs if e["event"] == "stake_short"]
    assert said == [("warning", "10 eth")]


@pytest.mark.parametrize(("waiting", "together"), [(1, 1), (2, 2), (3, 2), (7, 4), (8, 8), (30, 8)])
def test_a_batch_is_a_power_of_two_of_those_due_first(waiting: int, together: int) -> None:
    (run,) = executors(snapshot(*owed(*range(waiting))), replace(DEFENDED, executions={}))
    assert isinstance(run, executing.Run)
    assert run.requests == tuple(key("request", waiting - 1 - n) for n in range(together))


def test_while_a_batch_runs_the_next_one_gathers_but_a_dispute_does_not_wait() -> None:
    held = replace(DEFENDED, executions={}, defenders={}, running=frozenset({key("request", 1)}))
    assert executors(snapshot(*owed(1, 2)), held) == []
    disputed = request(0, status=RequestStatus.CLAIMED, executor=ME)
    (run,) = executors(snapshot(disputed, claim(), dispute(0, Phase.TRACE_OPEN, NOW + 9), *owed(1, 2)), held)
    assert (run, run.urgent) == (executing.Run((disputed.id,)), True)  # type: ignore[union-attr]


def test_more_than_the_queue_holds_is_left_to_others() -> None:
    seen = snapshot(*owed(7), *map(request, range(3)), free=9 * STAKE)
    actions = executing.decide(seen, DEFENDED, ME, NOW, ExecutorPolicy(0, max_queue=2))
    assert [type(a).__name__ for a in actions] == ["Run", "Accept", "Leave", "Leave"]
    assert actions[2] == executing.Leave(key("request", 1), "2 answers are owed already, as many as --max-queue allows")


def test_nothing_is_accepted_whose_defence_could_not_be_paid_for() -> None:
    """The price is what transactions offer: twice the base fee of 7 wei, and the tip."""
    defence = executing.DEFENCE_GAS * (2 * 7 + 10**9)
    several = [*map(request, range(3))]
    actions = executors(snapshot(*several, free=9 * STAKE, balance=2 * defence))
    assert [type(a).__name__ for a in actions] == ["Accept", "Accept", "Short"]
    (short,) = executors(snapshot(*several, free=9 * STAKE, balance=defence - 5))
    assert (short, short.lacking) == (executing.Short("balance", 0), 5)  # type: ignore[union-attr]


def test_nothing_is_accepted_without_room_on_the_disk() -> None:
    (short,) = executors(snapshot(request(), free=STAKE), replace(DEFENDED, disk=disk.LEAST - 1))
    assert (short, short.lacking) == (executing.Short("disk", 0), 1)  # type: ignore[union-attr]


class Together:
    """A machine that runs batches, as `TorchRun` does; `fails` is the size from which on memory is short."""

    def __init__(self, fails: int = 99) -> None:
        self.fails = fails
        self.sizes: list[int] = []

    def __call__(self, model: Model, inputs: Sequence[Array]) -> Execution:
        return self.batch(model, [inputs])[0]

    def batch(self, model: Model, queries: Sequence[Sequence[Array]]) -> list[Execution]:
        self.sizes.append(len(queries))
        if len(queries) >= self.fails:
            raise MemoryError
        return [interpret(model, inputs) for inputs in queries]


@pytest.mark.parametrize(("fails", "sizes"), [(99, [1, 4, 1]), (3, [1, 4, 1, 1, 1, 1, 1])], ids=["room", "no room"])
def test_requests_that_come_together_are_answered_together_each_with_its_own_trace(
    stage: Stage, fails: int, sizes: list[int]
) -> None:
    asked, machine = [stage.ask(seed) for seed in range(5)], Together(fails)
    executor, watcher = stage.executor(machine, stake=100 * ETHER), stage.watcher()
    stage.settle_down(executor, watcher)
    assert machine.sizes == sizes, "the measurement, then the batches"
    snapshot = stage.look()
    roots = {snapshot.claims[snapshot.requests[id].claim].trace_root for id in asked}  # type: ignore[index]
    assert len(roots) == 5
    assert not snapshot.disputes
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(executor, watcher)
    assert {stage.request(id).status for id in asked} == {RequestStatus.FINAL}
    assert not executor._workshop._executions, "kept until final, then let go of"


def test_one_runtime_serves_several_threads(stage: Stage) -> None:
    """Its memory is one run's at a time; batches of all sizes give what each query gives alone."""
    machine, inputs = TorchRun(), [np.full(300, n, "i1") for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda size: machine.batch(stage.model, [[i] for i in inputs[:size]]), (1, 2, 4, 8)))
    alone = [interpret(stage.model, [array]).trace.root for array in inputs]
    assert [[run.trace.root for run in batch] for batch in batches] == [alone[:size] for size in (1, 2, 4, 8)]


def test_jobs_are_done_side_by_side_and_no_more_than_are_wanted() -> None:
    jobs: Jobs[int, int] = Jobs(parallel=3)
    together, done, all_done = Barrier(3), [], Event()
    jobs.wake = lambda: done.append(1) or (len(done) == 6 and all_done.set())  # type: ignore[func-returns-value]
    for number in range(6):
        jobs.start(number, lambda: together.wait(10))  # ends only if three wait at once
    assert all_done.wait(20)
    assert sorted(key for key, _ in jobs.collect()) == list(range(6))
    assert len(jobs._threads) == 3
