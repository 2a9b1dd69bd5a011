"""Where an agent's log lines go: a disk that is full, or a reader that has gone, costs lines and nothing else."""

from __future__ import annotations

import sys
import threading

import structlog


class LogOutput:
    """A logger that structlog writes lines with, on standard output; safe from any thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._failed = 0

    def msg(self, line: str) -> None:
        """Write a line, if that can be done; the first one that can be again is followed by how many could not."""
        with self._turn:
            try:
                print(line, file=sys.stdout, flush=True)
            except (OSError, ValueError):  # full, gone, or closed
                self._failed += 1
                return
            failed, self._failed = self._failed, 0
        if failed:
            structlog.get_logger().warning("log_written_again", lines=failed)

    log = debug = info = warn = warning = error = critical = exception = fatal = msg
