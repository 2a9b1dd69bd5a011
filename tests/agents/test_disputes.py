"""Executors and watchers on a chain: honest ones are paid, liars are caught, the silent and the mistaken lose."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.snapshot import ClaimStatus, DisputeStatus, Reason, RequestStatus
from prover.game.adversaries import LyingDefender
from tests.agents.stage import ETHER, FEE, PARAMETERS, Stage, liar


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def test_an_honest_answer_becomes_final_and_is_paid(stage: Stage) -> None:
    executor, watcher = stage.executor(), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert stage.look().requests[request].status is RequestStatus.CLAIMED
    assert not stage.look().disputes
    before = stage.chain.balance(stage.executor_client.address)
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(executor, watcher)
    assert stage.look().requests[request].status is RequestStatus.FINAL
    assert before + FEE - ETHER // 100 < stage.chain.balance(stage.executor_client.address) < before + FEE


@pytest.mark.parametrize(("layer", "operator"), [(0, 0), (1, 0), (1, 1), (2, 0)])
def test_a_liar_is_caught_by_the_step(stage: Stage, layer: int, operator: int) -> None:
    executor, watcher = stage.executor(liar(layer, operator), LyingDefender), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    snapshot = stage.look()
    (dispute,) = snapshot.disputes.values()
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.STEP)
    assert snapshot.claims[dispute.claim].status is ClaimStatus.FALLEN
    assert snapshot.requests[request].status is RequestStatus.OPEN
