"""The watcher on one screen of a terminal, and the one line where there is no terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fcntl import ioctl

import pytest
import structlog
from rich.console import Console

from contracts.devnet_files import DevnetFiles
from contracts.provider import DEVNET_KEYS
from contracts.service.feed import Report
from contracts.service.screen import LatestEvents, screen
from contracts.snapshot import DisputeStatus
from deploy.devnet import Devnet
from tests.agents.stage import small_model
from tests.explorer.conftest import Scene

SECONDS = 60


def events(*logged: dict[str, str]) -> LatestEvents:
    kept = LatestEvents()
    for event in logged:
        with pytest.raises(structlog.DropEvent):
            kept(None, "info", event)
    return kept


def shown(report: Report | None, kept: LatestEvents, height: int = 30, width: int = 120) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(screen(report, kept, height))
    return capture.get().splitlines()


def latest(scene: Scene) -> Report:
    assert scene.feed.latest is not None
    return scene.feed.latest


def test_claims_verdicts_stake_and_disputes_with_level_and_clock(scene: Scene) -> None:
    lines = shown(latest(scene), events({"event": "move_sent", "level": "info", "gas": "72143"}))
    text = "\n".join(lines)
    assert "stake 9 eth free, 1 eth at risk" in lines[0]
    assert "1 pending, 0 final, 1 fallen" in text
    assert "1 refuted" in text
    live, over = (next(line for line in lines if d.id.hex()[:6] in line) for d in (scene.live, scene.over))
    assert lines.index(live) < lines.index(over)
    assert "terms" in live
    assert "executor" in live
    assert live.rstrip().endswith("s")  # 19 min 57 s or so
    assert "won" in over
    assert "move_sent gas=72143" in lines[-1]


def test_a_clock_of_its_own_that_runs_out_is_said(scene: Scene) -> None:
    report = latest(scene)
    late = replace(report, snapshot=replace(report.snapshot, timestamp=scene.live.deadline - 61))
    assert any("1 min 01 s" in line for line in shown(late, events()))
    gone = replace(report, snapshot=replace(report.snapshot, timestamp=scene.live.deadline))
    assert any("run out" in line for line in shown(gone, events()))


def test_many_disputes_and_events_fit_the_screen(scene: Scene) -> None:
    report = latest(scene)
    many = {bytes([n]) * 32: replace(scene.live, id=bytes([n]) * 32) for n in range(100)}
    crowded = replace(report, snapshot=replace(report.snapshot, disputes=many))
    kept = events(*({"event": f"event_{n}", "level": "info", "reason": "x" * 500} for n in range(100)))
    for height in (12, 24, 50):
        lines = shown(crowded, kept, height, width=80)
        assert len(lines) <= height
        assert any("more" in line for line in lines)
    assert len(shown(replace(crowded, snapshot=report.snapshot), kept, 24, width=80)) <= 24
    assert many[bytes(32)].status is DisputeStatus.ACTIVE


def test_a_stranger_cannot_steer_the_terminal(scene: Scene) -> None:
    hostile = {"event": "claim_unknown", "level": "warning", "reason": "\x1b]0;owned\x07\x1b[2J[red]\r\n x"}
    text = "\n".join(shown(latest(scene), events(hostile)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]" in text


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    held = Devnet(DevnetFiles(tmp_path_factory.mktemp("devnet")), port=0)
    held.register(small_model())
    held.server.start()
    yield held
    held.server.close()


@contextmanager
def watcher(devnet: Devnet, terminal: int | None) -> Iterator[subprocess.Popen[bytes]]:
    """`watcher --live`, in a terminal if one is given."""
    files = devnet.files
    options = {"chain": devnet.server.url, "deployment": files.deployment, "models": files.models}
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    key = DEVNET_KEYS[5 if terminal is None else 6]  # one that has staked nothing yet
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "watcher.cli",
            "--stake",
            "10eth",
            "--live",
            *given,
            "--data",
            str(files.directory / "w"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if terminal is None else terminal,
        stderr=subprocess.PIPE if terminal is None else terminal,
        env={
            **os.environ,
            "REFUTE_KEY": key,
            "REFUTE_DATA": str(files.deployment.parent / key[-4:]),
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            "LINES": "30",
        },
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_until(source: int, wanted: bytes) -> bytes:
    found, end = b"", time.monotonic() + SECONDS
    while wanted not in found:
        assert select.select([source], [], [], max(0.0, end - time.monotonic()))[0], found
        found += os.read(source, 65_536)
    return found


def test_on_a_terminal_it_takes_the_screen_and_gives_it_back(devnet: Devnet) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    try:
        with watcher(devnet, theirs) as process:
            text = read_until(ours, b"10 eth free")
            assert b"\x1b[?1049h" in text
            process.send_signal(signal.SIGINT)
            rest = read_until(ours, b"agent_stopped")
            assert process.wait(SECONDS) == 0
        assert b"\x1b[?1049l" in rest  # the screen is given back, and the last events stay on it
        assert b"stake_deposited" in rest
    finally:
        os.close(ours)
        os.close(theirs)


def test_without_a_terminal_it_says_so_and_logs(devnet: Devnet) -> None:
    with watcher(devnet, None) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        out = read_until(process.stdout.fileno(), b"stake_deposited")
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
    assert said.decode() == "watcher: --live needs a terminal, and this output is none; events are logged instead\n"
    assert b"agent_stopped" in out + rest
    assert b"\x1b[?1049h" not in out + rest
