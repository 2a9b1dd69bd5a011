"""The chain is reorganised in the middle of a dispute: the honest side wins as if it had not been."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.snapshot import ClaimStatus, DisputeStatus, RequestStatus
from deploy.testkit.books import Books
from deploy.testkit.chains import Anvil
from deploy.testkit.challengers import mistaken
from deploy.testkit.executors import LONG_SUM
from deploy.testkit.models import interpret, liar
from deploy.testkit.stage import PARAMETERS, Stage
from prover.game.adversaries import LyingDefender, MistakenChallenger
from tests.tools import require_anvil

pytestmark = pytest.mark.usefixtures("_anvil")


@pytest.fixture
def _anvil() -> None:
    require_anvil()


@pytest.mark.parametrize("moves", [1, 4, 8])
@pytest.mark.parametrize("blocks", [1, 3])
def test_a_liar_is_caught_after_blocks_are_replaced(moves: int, blocks: int, tmp_path: Path) -> None:
    """The last moves of both sides are gone; whoever is to move makes its move again."""
    with Anvil() as chain:
        stage = Stage(chain, tmp_path / "models")
        books, request = Books(stage), stage.ask()
        cheat = stage.executor(LONG_SUM, LyingDefender, client=stage.other, stake=PARAMETERS.executor_stake)
        watcher, executor = stage.watcher(), stage.executor()
        stage.settle_down(cheat, watcher, until=lambda: made(stage, request) >= moves)
        chain.reorganise(blocks)
        stage.play(cheat, watcher, executor)
        first, *_ = stage.claims_of(request)
        assert first.status is ClaimStatus.FALLEN
        assert stage.request(request).status is RequestStatus.FINAL
        honest = [stage.requester, stage.watcher_client, stage.executor_client]
        books.require_just(adversaries=[stage.other], honest=honest)


@pytest.mark.parametrize("moves", [1, 5])
def test_an_honest_executor_defends_itself_after_blocks_are_replaced(moves: int, tmp_path: Path) -> None:
    with Anvil() as chain:
        stage = Stage(chain, tmp_path / "models")
        books, request = Books(stage), stage.ask()
        executor = stage.executor(interpret)
        wrong = stage.watcher(mistaken(liar(0)), MistakenChallenger, client=stage.other)
        stage.settle_down(executor, wrong, until=lambda: made(stage, request) >= moves)
        chain.reorganise(3)
        stage.play(executor, wrong)
        (dispute,) = stage.disputes_of(request)
        assert dispute.status is DisputeStatus.LOST
        assert stage.request(request).status is RequestStatus.FINAL
        books.require_just(adversaries=[stage.other], honest=[stage.requester, stage.executor_client])


def made(stage: Stage, request: bytes) -> int:
    """Openings of the first dispute over a request."""
    return max((len(dispute.history) for dispute in stage.disputes_of(request)), default=0)
