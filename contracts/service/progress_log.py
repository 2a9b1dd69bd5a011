"""How far an agent's long work has come, as log events: what takes a moment is not spoken of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

FIRST = 3.0
"""Seconds that work takes before anything is said of it."""
EVERY = 10.0
"""Seconds between two events about the same work."""


@dataclass
class _Work:
    """One piece of work in one thread: of how much, how much is done, and when it is spoken of next."""

    total: int
    done: int
    due: float
    spoken: bool = False


class ProgressLog:
    """A listener of `prover.progress`, from any thread; `clock` gives monotonic seconds."""

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._works: dict[tuple[int, str], _Work] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """So much of it is done; of more than before the same work goes on, otherwise another has begun."""
        now, key = self._clock(), (threading.get_ident(), what)
        work = self._works.get(key)
        if work is None or work.total != total or done <= work.done:
            work = self._works[key] = _Work(total, done, now + FIRST)
        work.done = done
        if now >= work.due or (work.spoken and done == total):
            work.due, work.spoken = now + EVERY, True
            self._log.info("work_under_way", work=what, done=done, total=total or None)
