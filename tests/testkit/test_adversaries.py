"""Every adversary loses, or gains nothing, and no honest account loses: on eth-tester, and once more on anvil."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.testkit import adversaries
from deploy.testkit.adversary import Played
from deploy.testkit.books import Books
from deploy.testkit.chains import CHAINS, EthTester
from deploy.testkit.models import interpret
from deploy.testkit.stage import Stage
from tests.tools import require_anvil

ALL = adversaries()


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("name", ALL)
def test_the_adversary_gains_nothing(name: str, chain: str, tmp_path: Path) -> None:
    if chain == "anvil":
        require_anvil()
    with CHAINS[chain]() as commanded:
        ALL[name].check(Stage(commanded, tmp_path / "models"))


def test_the_books_tell_a_thief_from_an_honest_executor(tmp_path: Path) -> None:
    """The check of the test above fails where an account is paid that should not be, or an honest one loses."""
    with EthTester() as chain:
        stage = Stage(chain, tmp_path / "models")
        books = Books(stage)
        stage.ask()
        stage.play(stage.executor(interpret), stage.watcher())
        paid, paying = stage.executor_client, stage.requester
        books.require_just(adversaries=[], honest=[paid, paying, stage.watcher_client])
        with pytest.raises(AssertionError, match="the adversary gained"):
            books.require_just(adversaries=[paid], honest=[])
        paying.chain.transact(paying.signer, stage.clients[9].address, b"", value=5, gas=21_000)
        with pytest.raises(AssertionError, match="is honest and lost 5 wei"):
            books.require_just(adversaries=[], honest=[paying])


def test_an_adversary_that_loses_nothing_is_seen(tmp_path: Path) -> None:
    harmless = next(iter(ALL.values()))
    with EthTester() as chain, pytest.raises(AssertionError, match="has lost nothing"):
        type(harmless)("harmless", "does nothing", lambda stage: Played((stage.other,), ())).check(
            Stage(chain, tmp_path / "models")
        )
