"""Money waits for blocks that are deep enough and for nodes that agree; moves in a running dispute wait for neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.snapshot import Reason, RequestStatus
from prover.game.adversaries import LyingDefender
from tests.agents.stage import PARAMETERS, Stage, liar

DEPTH = 4


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def mine(stage: Stage, blocks: int) -> None:
    for _ in range(blocks):
        stage.pass_time(1)


def test_a_request_is_accepted_when_it_is_deep_enough(stage: Stage) -> None:
    executor = stage.executor(confirmations=DEPTH)
    stage.settle_down(executor)
    request = stage.ask()
    posted = stage.look().block
    while stage.look().block < posted + DEPTH:
        stage.settle_down(executor)
        assert stage.request(request).status is RequestStatus.OPEN
        mine(stage, 1)
    stage.settle_down(executor)
    assert stage.request(request).status is RequestStatus.CLAIMED


def test_a_claim_is_challenged_when_it_is_deep_enough_and_the_moves_follow_at_once(stage: Stage) -> None:
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher(confirmations=DEPTH)
    stage.settle_down(watcher)
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert not stage.disputes_of(request)
    mine(stage, DEPTH)
    begun = stage.look().block
    stage.settle_down(executor, watcher, until=lambda: bool(stage.disputes_of(request)))
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP
    assert stage.look().block - begun < 4 * DEPTH, "a move that waited would take DEPTH blocks, and nobody mines them"


def test_no_confirmation_is_waited_for_beyond_the_window(stage: Stage) -> None:
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher(confirmations=1_000)
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert not stage.disputes_of(request)
    stage.pass_time(PARAMETERS.window - 2 * PARAMETERS.move_time)
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP


def test_nothing_new_is_risked_while_the_nodes_disagree(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    doubt: list[str | None] = ["at height 7 one has 0x1, the other 0x2"]
    monkeypatch.setattr(stage.chain, "compare_nodes", lambda: doubt[0])
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, watcher)
    assert stage.request(request).status is RequestStatus.OPEN
    assert stage.account(stage.watcher_client).stake == 0
    doubt[0] = None
    stage.settle_down(executor, watcher, until=lambda: bool(stage.disputes_of(request)))
    doubt[0] = "again"
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP, "what has begun is played to its end"
