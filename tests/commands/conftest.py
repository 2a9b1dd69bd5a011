"""A devnet behind a port for all tests of the commands; each command is called at its entry point, as a shell would."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import structlog

import deploy.cli
import executor.cli
import prover.cli
import watcher.cli
from contracts.devnet_files import DevnetFiles
from contracts.provider import DEVNET_KEYS
from deploy.devnet import Devnet
from tests.agents.stage import small_model

MAINS: dict[str, Callable[[], None]] = {
    "executor": executor.cli.main,
    "watcher": watcher.cli.main,
    "refute": deploy.cli.main,
    "prover": prover.cli.main,
}


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """The chain, the contracts, and the small model registered."""
    held = Devnet(DevnetFiles(tmp_path_factory.mktemp("devnet")), port=0)
    held.register(small_model())
    held.server.start()
    yield held
    held.server.close()


@dataclass
class Said:
    """What a command did."""

    status: int
    out: str
    err: str


@dataclass
class Commands:
    """Calls commands on the devnet; what is not about connecting can be left out."""

    devnet: Devnet
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def options(self, **changes: object) -> list[str]:
        """--chain and so on, with changes; None leaves one out."""
        files = self.devnet.files
        plain = {"chain": self.devnet.server.url, "deployment": files.deployment, "models": files.models}
        plain["key"] = files.keys
        return [part for k, v in {**plain, **changes}.items() if v is not None for part in (f"--{k}", str(v))]

    def call(self, command: str, *arguments: object) -> Said:
        self.patch.setattr(sys, "argv", [command, *map(str, arguments)])
        self.capture.readouterr()
        status = 0
        try:
            MAINS[command]()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        out, err = self.capture.readouterr()
        assert_shows_no_key(out + err)
        return Said(status, out, err)

    def done(self, command: str, *arguments: object) -> str:
        """What a command that succeeds prints."""
        said = self.call(command, *arguments)
        assert (said.status, said.err) == (0, "")
        return said.out

    def refused(self, command: str, *arguments: object) -> str:
        """The one line in which a command says what is wrong."""
        said = self.call(command, *arguments)
        assert said.status == 1
        (line,) = said.err.splitlines()
        assert line.startswith(f"{command}: ")
        assert "Traceback" not in said.out
        return line


def assert_shows_no_key(text: str) -> None:
    assert not [number for number, key in enumerate(DEVNET_KEYS) if key.removeprefix("0x") in text]


@pytest.fixture
def commands(devnet: Devnet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    yield Commands(devnet, capsys, monkeypatch)
    structlog.reset_defaults()  # logs went to the captured output, which is gone
