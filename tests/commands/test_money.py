"""Money comes out again: credits at once, stake in two steps with the delay between them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.devnet_files import DevnetFiles
from contracts.provider import DEVNET_KEYS
from prover import model_folder
from prover.errors import CorruptModel
from tests.agents.stage import ETHER, small_model
from tests.commands.conftest import Commands

ROLES = ("executor", "watcher")


class Wallet:
    """An account of its own, whose key is in a file."""

    def __init__(self, commands: Commands, folder: Path, number: int) -> None:
        self.commands = commands
        held = commands.devnet
        self.client = Client(Chain.connect(held.server.url), held.deployment, Account.from_key(DEVNET_KEYS[number]))
        self.key = folder / "key"
        self.key.write_text(DEVNET_KEYS[number])

    @property
    def options(self) -> list[str]:
        return self.commands.options(models=None, key=self.key)

    def stake(self) -> tuple[int, int]:
        free, _locked, leaving, _due = self.client.view("accountOf", self.client.address)
        return free // ETHER, leaving // ETHER


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def wallet(commands: Commands, tmp_path: Path, role: str) -> Wallet:
    return Wallet(commands, tmp_path, 7 + ROLES.index(role))


def test_stake_leaves_after_the_delay(commands: Commands, wallet: Wallet, role: str) -> None:
    delay = wallet.client.deployment.parameters.withdrawal_delay
    assert "no stake is leaving; 0 eth are free" in commands.refused(role, "withdraw", *wallet.options)
    wallet.client.transact(calls.deposit(10 * ETHER))
    assert "11 eth cannot leave: 10 eth are free" in commands.refused(role, "withdraw", "11eth", *wallet.options)
    assert "AMOUNT: 'much' is not an amount" in commands.refused(role, "withdraw", "much", *wallet.options)
    started = commands.done(role, "withdraw", "4eth", *wallet.options)
    assert re.fullmatch(rf"4 eth leave at \S+\+00:00, in {delay:,} s; run `withdraw` again from then on\n", started)
    assert wallet.stake() == (6, 4)
    assert "4 eth leave at" in commands.done(role, "withdraw", *wallet.options)
    more = commands.done(role, "withdraw", "1eth", *wallet.options)
    assert more.splitlines()[0] == "4 eth that were leaving already wait again, with these"
    wallet.client.chain.travel(delay)
    out = commands.done(role, "withdraw", "2eth", *wallet.options).splitlines()
    assert out[0] == f"5 eth paid to {wallet.client.address}"
    assert out[1].startswith("2 eth leave at")
    wallet.client.chain.travel(delay)
    assert commands.done(role, "withdraw", *wallet.options) == f"2 eth paid to {wallet.client.address}\n"
    assert wallet.stake() == (3, 0)


def test_credits_are_paid_at_once(commands: Commands, wallet: Wallet, role: str) -> None:
    assert "has no credits to collect" in commands.done(role, "collect", *wallet.options)
    model = small_model()
    asked = calls.request_run(model.program, [np.zeros(300, "<i1")], ETHER, 600)
    request = wallet.client.transact(asked).event("Requested").arguments["request"]
    wallet.client.transact(calls.cancel(request))
    assert commands.done(role, "collect", *wallet.options) == f"1 eth collected by {wallet.client.address}\n"


def test_a_watcher_without_a_stake_says_which_option_it_needs(commands: Commands) -> None:
    assert "there is no --stake; give one" in commands.refused("watcher", *commands.options())


def test_an_error_of_several_lines_is_one_line(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(folder: Path) -> None:
        raise CorruptModel("the weights\n  are torn;\n fetch them again")

    monkeypatch.setattr(model_folder, "load", torn)
    line = commands.refused("prover", "inspect", DevnetFiles().models)
    assert line == "prover: the weights are torn; fetch them again"
