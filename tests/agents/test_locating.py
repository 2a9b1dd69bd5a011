"""Where a claim differs, from parts of its trace: found, not found, or found to be this machine's own fault."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from contracts.messages.contents import TENSOR, TREE, Contents, fits
from contracts.snapshot import ClaimView, RequestView
from prover.game.adversaries import LyingDefender
from prover.trace import Execution, Trace
from tests.agents.stage import Stage, interpret, liar
from watcher.locate import Difference, LocatingJudge, locate
from watcher.verdict import Refuted, TwoBackends, WatcherAtFault


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def offered(*executions: Execution) -> Contents:
    contents = Contents()
    for execution in executions:
        contents.offer(execution.trace)
    return contents


def numbers(seed: int = 0) -> Sequence[np.ndarray]:  # type: ignore[type-arg]
    return [np.random.default_rng(seed).integers(-128, 127, 300).astype("<i1")]


@pytest.mark.parametrize(("layer", "operator"), [(0, 0), (1, 1), (2, 0)])
def test_the_first_differing_element_is_found(stage: Stage, layer: int, operator: int) -> None:
    honest, wrong = interpret(stage.model, numbers()), liar(layer, operator, element=0)(stage.model, numbers())
    found = locate(honest, wrong.trace.root, offered(wrong).get)
    mine = int(honest.trace.checkpoints[layer][0].reshape(-1)[0])
    assert found == Difference(layer, 0, 0, mine + 1, mine)


def test_who_gives_only_some_of_it_is_believed_only_that(stage: Stage) -> None:
    honest, wrong = interpret(stage.model, numbers()), liar(1, 1)(stage.model, numbers())
    contents = offered(wrong)
    trees = locate(honest, wrong.trace.root, lambda form, root: contents.get(form, root) if form == TREE else None)
    assert trees == Difference(1, 0)
    top = wrong.trace.root
    assert locate(honest, top, lambda form, root: contents.get(form, root) if root == top else None) is None
    assert locate(honest, top, lambda form, root: None) is None
    assert locate(honest, top, lambda form, root: bytes(64)) is None, "of another program"


def test_a_watcher_whose_machine_is_wrong_finds_that_out_before_it_risks_a_bond(stage: Stage) -> None:
    """Both of its backends make the same mistake; the executor is honest and shows what it has."""
    claim, request = claimed(stage)
    contents, faulty = offered(interpret(stage.model, numbers())), liar(0, element=2)
    assert isinstance(TwoBackends(faulty, faulty)(claim, request, stage.model), Refuted), "it would challenge"
    judge = LocatingJudge(TwoBackends(faulty, faulty), lambda account, form, root: contents.get(form, root))
    with pytest.raises(WatcherAtFault, match=r"for element 2 of layer 0, this machine computed -?\d+, the executor"):
        judge(claim, request, stage.model)


def test_without_an_answer_the_verdict_is_what_it_was(stage: Stage) -> None:
    claim, request = claimed(stage, lie=True)
    asked: list[str] = []

    def silent(account: str, form: str, root: bytes) -> None:
        asked.append(account)

    with capture_logs() as logs:
        verdict = LocatingJudge(TwoBackends(interpret, interpret), silent)(claim, request, stage.model)
    assert isinstance(verdict, Refuted)
    assert asked == [stage.executor_client.address], "once: who does not say the first thing is not asked the next"
    assert logs == []


def claimed(stage: Stage, *, lie: bool = False) -> tuple[ClaimView, RequestView]:
    id = stage.ask()
    stage.settle_down(stage.executor(liar(0), LyingDefender) if lie else stage.executor())
    (claim,) = stage.claims_of(id)
    return claim, stage.request(id)


# What is given


def test_everything_given_hashes_to_what_was_asked_for(stage: Stage) -> None:
    execution = interpret(stage.model, numbers())
    trace, contents = execution.trace, offered(execution)
    wanted = [(TREE, bytes(trace.root)), *((TREE, root) for root in trace.slots_roots)]
    wanted += [(TENSOR, bytes(root)) for layer in trace.roots for root in layer]
    for form, root in wanted:
        data = contents.get(form, root)
        assert data is not None
        assert fits(form, root, data)
        assert not fits(form, root, data[:-1] + bytes([data[-1] ^ 1]))
        assert not fits(form, root, data[:-1])
        assert contents.get(TENSOR if form == TREE else TREE, root) is None
    assert not fits(TREE, bytes(32), b"")


def test_what_is_withdrawn_is_given_no_longer_unless_another_trace_has_it(stage: Stage) -> None:
    first, second, third = (interpret(stage.model, numbers(seed)) for seed in (0, 0, 1))
    contents = offered(first, third)
    shared = bytes(first.trace.roots[0][0])
    assert contents.get(TENSOR, shared) is not None
    contents.withdraw(second.trace)
    assert contents.get(TENSOR, shared) is None
    assert contents.get(TREE, third.trace.root) is not None
    contents.withdraw(second.trace)


def test_a_tensor_that_no_message_can_carry_is_not_given() -> None:
    contents = Contents()
    trace = Trace.commit([[np.zeros(300_000, "<i4")]])
    contents.offer(trace)
    assert contents.get(TENSOR, bytes(trace.roots[0][0])) is None
    assert contents.get(TREE, bytes(trace.root)) is not None
