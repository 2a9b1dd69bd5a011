"""An agent's long work is spoken of now and then; what takes a moment is not."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import FilteringBoundLogger

import contracts.chain
from contracts.agent import Jobs
from contracts.chain import Chain
from contracts.command_line import run_until_told
from contracts.provider import DevnetChain, LocalProvider
from contracts.service import progress_log
from contracts.service.progress_log import EVERY, FIRST, ProgressLog
from prover.progress import tell, told

Said = list[tuple[str, int, int | None]]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def heard(*moments: tuple[float, str, int, int]) -> Said:
    """What is said of work that is told of so many seconds after what came before."""
    clock = Clock()
    with capture_logs() as logs:
        listener = ProgressLog(structlog.get_logger(), clock)
        for seconds, what, done, total in moments:
            clock.now += seconds
            listener(what, done, total)
    assert all(log["event"] == "work_under_way" for log in logs)
    return [(log["work"], log["done"], log["total"]) for log in logs]


def test_long_work_is_spoken_of_after_a_while_then_now_and_then_and_when_it_is_done() -> None:
    pages = [(1.0, "reading blocks", page, 40) for page in range(1, 41)]
    seen = [done for _, done, _ in heard(*pages)]
    assert seen == [1 + FIRST, 1 + FIRST + EVERY, 1 + FIRST + 2 * EVERY, 1 + FIRST + 3 * EVERY, 40]


def test_short_work_is_not_spoken_of_however_often_it_is_done() -> None:
    each_round = [(20.0, "reading blocks", n % 3 + 1, n % 3 + 1) for n in range(9)]
    assert heard(*each_round) == []
    assert heard((0, "hashing", 1, 2), (FIRST - 0.1, "hashing", 2, 2), (20, "checking", 0, 2)) == []


def test_work_of_unknown_length_is_spoken_of_without_one() -> None:
    assert heard((0, "looking", 1, 0), (FIRST, "looking", 2, 0)) == [("looking", 2, None)]


def test_work_that_takes_turns_with_other_work_is_spoken_of() -> None:
    """As two models do that are loaded side by side."""
    turns = [(1.0, what, done, 9) for done in range(1, 6) for what in ("hashing", "checking")]
    assert heard(*turns) == [("hashing", 3, 9), ("checking", 3, 9)]


def test_a_job_in_the_background_is_listened_to() -> None:
    done, said = threading.Event(), []
    with told(lambda *parts: said.append(parts)):
        jobs: Jobs[str, None] = Jobs()
        jobs.wake = done.set
        jobs.start("load", lambda: tell("hashing weights", 1, 2))
    assert done.wait(10)
    assert said == [("hashing weights", 1, 2)]


class Reader:
    """An agent that reads the chain from its first block on, once."""

    interval = 0.01

    def __init__(self, chain: Chain) -> None:
        self.log: FilteringBoundLogger = structlog.get_logger().bind(agent="reader")
        self._chain = chain
        self._read = False

    def round(self) -> bool:
        self._chain.logs("0x" + "11" * 20, 0, 9)
        self._read = True
        return True

    def finished(self) -> bool:
        return self._read

    def on_wake(self, wake: Callable[[], object]) -> None: ...


def test_an_agent_that_reads_many_blocks_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts.chain, "LOG_PAGE", 4)
    monkeypatch.setattr(progress_log, "FIRST", 0)
    monkeypatch.setattr(progress_log, "EVERY", 0)
    devnet = DevnetChain()
    for _ in range(9):
        devnet.handle("evm_mine", [])
    with capture_logs() as logs:
        run_until_told(Reader(Chain(LocalProvider(devnet))))
    seen = [(log["agent"], log["work"], log["done"], log["total"]) for log in logs if log["event"] == "work_under_way"]
    assert seen == [("reader", "reading blocks", done, 10) for done in (4, 8, 10)]
