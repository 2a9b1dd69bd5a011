"""The digits model, trained once here with one thread and once by the command in a process with two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
import torch

from prover import cli
from prover.examples.digits_model import CompiledDigits, compile_digits


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other over tensors this small cost most of the time on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line on stderr of a command that fails and prints nothing else."""
        assert self.status == 1
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("prover: ")
        return line


Prover = Callable[..., Said]
"""Calls the command's entry point with arguments."""


@pytest.fixture
def prover(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Prover]:
    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["prover", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as left:
            status = int(left.code or 0)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    yield call
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def digits() -> CompiledDigits:
    return compile_digits()


@pytest.fixture(scope="session")
def compile_command(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    """What `prover compile digits` says in a process with two threads, and the folder it writes to."""
    models = tmp_path_factory.mktemp("published") / "models"
    done = subprocess.run(
        [sys.executable, "-c", "from prover.cli import main; main()", "compile", "digits", "--models", str(models)],
        env={**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr), models


@pytest.fixture(scope="session")
def folder(compile_command: tuple[Said, Path]) -> Path:
    """The digits model, published."""
    (published,) = compile_command[1].iterdir()
    return published
