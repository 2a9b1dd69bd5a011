"""Executors and watchers on a chain: honest ones are paid, every kind of liar is caught."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from contracts.shelf import Run
from contracts.snapshot import ClaimStatus, DisputeStatus, DisputeView, Reason, RequestStatus
from deploy.economics import payouts
from deploy.lies import Substituted
from prover.game.adversaries import LyingDefender, ReplacedOutput, SilentDefender
from prover.game.players import Defender
from prover.game.position import Phase
from prover.model_folder import Model
from prover.trace import Array, Execution
from tests.agents.stage import ETHER, FEE, PARAMETERS, Stage, interpret, liar, small_model


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def dispute_over(stage: Stage, request: bytes) -> DisputeView:
    """The one dispute there was about a request."""
    (dispute,) = stage.disputes_of(request)
    return dispute


def test_an_honest_answer_becomes_final_and_is_paid(stage: Stage) -> None:
    executor, watcher = stage.executor(), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert stage.request(request).status is RequestStatus.CLAIMED
    assert not stage.look().disputes
    before = stage.chain.balance(stage.executor_client.address)
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(executor, watcher)
    assert stage.request(request).status is RequestStatus.FINAL
    assert before + FEE - ETHER // 100 < stage.chain.balance(stage.executor_client.address) < before + FEE


@pytest.mark.parametrize(("layer", "operator"), [(0, 0), (1, 0), (1, 1), (2, 0)])
def test_a_liar_is_caught_by_the_step(stage: Stage, layer: int, operator: int) -> None:
    executor, watcher = stage.executor(liar(layer, operator), LyingDefender), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    dispute = dispute_over(stage, request)
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.STEP)
    assert stage.look().claims[dispute.claim].status is ClaimStatus.FALLEN
    assert stage.request(request).status is RequestStatus.OPEN


def test_a_liar_loses_its_stake_and_the_watcher_is_paid_from_it(stage: Stage) -> None:
    stage.ask()
    stage.settle_down(stage.executor(liar(1), LyingDefender), stage.watcher())
    assert stage.account(stage.executor_client).stake == 50 * ETHER - PARAMETERS.executor_stake
    watcher = stage.account(stage.watcher_client)
    assert (watcher.free, watcher.locked, watcher.credits) == (10 * ETHER, 0, 0)
    unburned = payouts.pot(PARAMETERS.executor_stake, PARAMETERS.burn_share)
    assert 1_000_000 * ETHER - 10 * ETHER + unburned > watcher.balance > 1_000_000 * ETHER - 10 * ETHER


@pytest.mark.parametrize("phase", [Phase.LAYER_OPEN, Phase.CHUNK_OPEN, Phase.TERMS_OPEN])
def test_a_silent_executor_loses_by_the_clock(stage: Stage, phase: Phase) -> None:
    class Silent(SilentDefender):
        silent_from = phase

    executor, watcher = stage.executor(liar(0), Silent), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert dispute_over(stage, request).position.phase is phase
    stage.pass_time(PARAMETERS.clock)
    stage.settle_down(executor, watcher)
    dispute = dispute_over(stage, request)
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.TIMEOUT)


def replaced_output(model: Model, inputs: Sequence[Array]) -> Execution:
    honest = interpret(model, inputs)
    return ReplacedOutput(honest, (honest.outputs[0], honest.outputs[1] + 1))


def test_an_output_that_is_not_the_last_checkpoint_is_proven_in_one_transaction(stage: Stage) -> None:
    executor, watcher = stage.executor(replaced_output), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, until=lambda: bool(stage.claims_of(request)))
    blocks = stage.chain.block().number
    stage.settle_down(watcher, until=lambda: bool(stage.disputes_of(request)))
    dispute = dispute_over(stage, request)
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.OUTPUT)
    assert not dispute.history
    assert stage.chain.block().number == blocks + 2, "the deposit and the proof"


def test_partial_sums_that_add_up_but_lie_are_followed_to_the_lie(stage: Stage) -> None:
    """They combine to the wrong element, so the contract takes them; the range that lies is stepped."""
    request = stage.ask()
    stage.settle_down(stage.executor(liar(0, 0, element=2, delta=5), LyingDefender), stage.watcher())
    dispute = dispute_over(stage, request)
    assert Phase.TERMS_OPEN in [opened.position.phase for opened in dispute.history]
    assert 0 < dispute.position.count < 300, "a part of the sum"
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.STEP)


def test_partial_sums_that_do_not_add_up_are_not_taken(stage: Stage) -> None:
    """A liar that opens the honest sums of a wrong element is refused, and loses by the clock."""
    executor, watcher = stage.executor(liar(0), Defender), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert dispute_over(stage, request).position.phase is Phase.TERMS_OPEN
    stage.pass_time(PARAMETERS.clock)
    stage.settle_down(executor, watcher)
    assert dispute_over(stage, request).reason is Reason.TIMEOUT


def on_other_input(model: Model, inputs: Sequence[Array]) -> Execution:
    return interpret(model, [np.roll(array, 1) for array in inputs])


def by_other_program(model: Model, inputs: Sequence[Array]) -> Execution:
    """Another matrix, passed off as the model's."""
    return Substituted(model, interpret(small_model(seed=8), inputs))


@pytest.mark.parametrize("run", [on_other_input, by_other_program])
def test_a_trace_of_another_input_or_program_is_caught_by_the_step(stage: Stage, run: Run) -> None:
    request = stage.ask()
    stage.settle_down(stage.executor(run, LyingDefender), stage.watcher())
    dispute = dispute_over(stage, request)
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.STEP)
    assert dispute.position.layer == 0


def test_records_of_another_program_are_refused(stage: Stage) -> None:
    """An executor that does not even pretend: its layer record is not the model's, so it runs out of time."""

    class Shameless(Defender):
        def __init__(self, execution: Execution) -> None:
            super().__init__(interpret(small_model(seed=8), execution.inputs))

    executor, watcher = stage.executor(by_other_program, Shameless), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert dispute_over(stage, request).position.phase is Phase.LAYER_OPEN
    stage.pass_time(PARAMETERS.clock)
    stage.settle_down(executor, watcher)
    assert dispute_over(stage, request).reason is Reason.TIMEOUT
