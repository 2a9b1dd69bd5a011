"""How far an agent's long work has come, as log events: what takes a moment is not spoken of."""

from __future__ import annotations

import time
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

FIRST = 3.0
"""Seconds that work takes before anything is said of it."""
EVERY = 10.0
"""Seconds between two events about the same work."""


class ProgressLog:
    """A listener of `prover.progress`; `clock` gives monotonic seconds."""

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._work: tuple[str, int] | None = None
        self._done = 0
        self._due = 0.0
        self._spoken = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """So much of it is done; of more than before the same work goes on, otherwise another has begun."""
        now = self._clock()
        if self._work != (what, total) or done <= self._done:
            self._work, self._due, self._spoken = (what, total), now + FIRST, False
        self._done = done
        if now >= self._due or (self._spoken and done == total):
            self._due, self._spoken = now + EVERY, True
            self._log.info("work_under_way", work=what, done=done, total=total or None)
