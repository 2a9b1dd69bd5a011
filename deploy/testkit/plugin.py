"""Fixtures for tests of the protocol: a pytest plugin that `pip install` brings (entry point `refute`).

Nothing is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from deploy.testkit.adversary import Adversary
    from deploy.testkit.books import Books
    from deploy.testkit.chains import CommandedChain
    from deploy.testkit.stage import Stage

_CHAINS = ("eth-tester", "anvil")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("refute", "disputes over machine-learning inference")
    group.addoption(
        "--refute-chain",
        choices=_CHAINS,
        default=_CHAINS[0],
        help="what the fixture refute_chain is: py-evm in this process, or a process of Foundry's anvil",
    )


@pytest.fixture
def refute_chain(request: pytest.FixtureRequest) -> Iterator[CommandedChain]:
    """A fresh chain whose time and history the test commands, with ten rich accounts."""
    from deploy.testkit.chains import CHAINS

    with CHAINS[request.config.getoption("--refute-chain")]() as chain:
        yield chain


@pytest.fixture
def refute_stage(refute_chain: CommandedChain, tmp_path: Path) -> Stage:
    """The protocol deployed on `refute_chain`, a little model published, and agents to be made for its accounts."""
    from deploy.testkit.stage import Stage

    return Stage(refute_chain, tmp_path / "models")


@pytest.fixture
def refute_books(refute_stage: Stage) -> Books:
    """The books of `refute_stage`, opened before the test begins: who gains and loses."""
    from deploy.testkit.books import Books

    return Books(refute_stage)


@pytest.fixture(scope="session")
def refute_adversaries() -> dict[str, Adversary]:
    """Every adversary of the kit, by its name."""
    from deploy.testkit import adversaries

    return adversaries()
