"""Long work tells how far it has come: on a terminal as bars on standard error, elsewhere to nobody."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from prover import model_folder
from prover.compiler import compile
from prover.progress import counted, told
from prover.trace import Trace
from tests.agents.stage import small_model
from tests.prover.small_modules import seeded

Heard = list[tuple[str, int, int]]


def test_each_item_is_told_when_it_is_done() -> None:
    heard: Heard = []
    with told(lambda *said: heard.append(said)):
        assert list(counted("hashing", [7, 8])) == [7, 8]
        assert list(counted("reading", iter("a"))) == ["a"]
        assert list(counted("looking", (n for n in (1,)))) == [1]
    assert heard == [
        ("hashing", 0, 2), ("hashing", 1, 2), ("hashing", 2, 2),
        ("reading", 0, 1), ("reading", 1, 1),
        ("looking", 0, 0), ("looking", 1, 0),
    ]  # fmt: skip
    assert list(counted("hashing", [1])) == [1]
    assert len(heard) == 7  # nobody listens any more


def test_compiling_tells_of_calibration_operators_and_checks() -> None:
    module = seeded(lambda: torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)))
    heard: Heard = []
    with told(lambda *said: heard.append(said)):
        compiled = compile(module, (torch.ones(1, 4),), [(torch.ones(1, 4),)] * 3)
    last = {what: (done, total) for what, done, total in heard}
    assert last["calibrating"] == (3, 3)
    assert last["compiling operators"] == (len(compiled.graph.nodes),) * 2
    assert last["hashing weights"] == (len(compiled.program.weight_roots()),) * 2
    assert last["checking layers"] == (len(compiled.program.layers),) * 2


def test_committing_tells_of_each_layer() -> None:
    heard: Heard = []
    with told(lambda *said: heard.append(said)):
        Trace.commit([[np.zeros(3, np.int8)]] * 5)
    assert heard == [("hashing layers", n, 5) for n in range(6)]


def command(folder: Path, tmp_path: Path) -> list[str]:
    given = tmp_path / "0.npy"
    np.save(given, np.zeros(300, np.int8))
    return [sys.executable, "-c", "from prover.cli import main; main()", "run", str(folder), "--input", str(given)]


def test_a_command_draws_on_a_terminal_and_is_silent_elsewhere(tmp_path: Path) -> None:
    """Whatever is drawn, standard output is the same."""
    folder = model_folder.publish(small_model(), tmp_path / "models")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    run = command(folder, tmp_path)
    drawn = subprocess.run(run, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=60, check=True)
    os.close(theirs)
    picture = b""
    try:
        while part := os.read(ours, 65_536):
            picture += part
    except OSError:  # the other end is closed, and all of it is read
        os.close(ours)
    silent = subprocess.run(run, capture_output=True, timeout=60, check=True)
    assert b"hashing layers" in picture
    assert b"3/3" in picture
    assert silent.stderr == b""
    assert drawn.stdout == silent.stdout
    assert silent.stdout.startswith(b"output 0: ")
