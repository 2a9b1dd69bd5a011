"""The commands as an operator starts them: processes of their own, ended by a signal, that show no key."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from eth_account import Account

from contracts.chain import Chain
from contracts.client import Client
from contracts.keys import load_account
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS
from deploy.devnet import Devnet
from tests.agents.stage import ETHER
from tests.commands.conftest import assert_shows_no_key
from tests.messages.party import eventually


def connected(devnet: Devnet) -> list[str]:
    files = devnet.files
    places = {"chain": devnet.server.url, "deployment": files.deployment, "models": files.models, "key": files.keys}
    return [part for name, value in places.items() for part in (f"--{name}", str(value))]


@contextmanager
def started(module: str, *arguments: str, output: IO[str] | int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], event: str) -> str:
    """What a process prints until it says a word."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if event in line:
            return seen
    raise AssertionError(f"it ended without {event}: {seen}")


@pytest.mark.parametrize(
    ("role", "stake", "number"), [("watcher", "10eth", signal.SIGTERM), ("executor", "20ether", signal.SIGINT)]
)
def test_an_agent_deposits_its_stake_and_ends_when_it_is_told_to(
    devnet: Devnet, role: str, stake: str, number: signal.Signals
) -> None:
    with started(f"{role}.cli", "--stake", stake, *connected(devnet)) as process:
        printed = until(process, "stake_deposited")
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert "agent_stopped" in rest
    assert_shows_no_key(printed + rest)
    client = Client(Chain.connect(devnet.server.url), devnet.deployment, load_account(None, role, devnet.files.keys))
    assert Observer(client, client.address).observe().account.free == int(stake[:2]) * ETHER


def test_an_agent_whose_log_finds_no_room_works_on(devnet: Devnet, tmp_path: Path) -> None:
    client = Client(Chain.connect(devnet.server.url), devnet.deployment, Account.from_key(DEVNET_KEYS[9]))
    (key := tmp_path / "key").write_text(DEVNET_KEYS[9])
    flags = ("--stake", "3eth", *connected(devnet), "--key", str(key))
    with Path("/dev/full").open("w") as full, started("watcher.cli", *flags, output=full) as process:
        eventually(lambda: Observer(client, client.address).observe().account.free == 3 * ETHER, seconds=60)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors


def test_a_refusal_is_one_line_on_standard_error_and_a_status(devnet: Devnet) -> None:
    with started("watcher.cli", "--stake", "0.1eth", *connected(devnet)) as process:
        printed, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert printed == ""
    assert errors.splitlines() == [
        "watcher: a stake of 0.1 eth is too little: the bond of one dispute is 1 eth; give --stake 1eth or more"
    ]
