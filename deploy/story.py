"""Telling the demo: named stages with their times, waiting with a deadline, and the figures at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from prover.errors import RefuteError

Found = TypeVar("Found")

PATIENCE = 60.0
"""Seconds to wait for an agent before the demo gives up."""
_LOOK = 0.02


class Story:
    """Prints stages as they happen and keeps the figures."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.figures: dict[str, Any] = {"stages": {}, "disputes": [], "all_ok": False}
        self._begun = time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """One part of the story; its time is a figure."""
        self.console.rule(f"[bold]{name}", align="left")
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        self.figures["stages"][name] = round(seconds, 2)

    def say(self, text: object) -> None:
        self.console.print(text)

    def check(self, what: str, holds: bool) -> None:
        """Say that something holds; RefuteError, which ends the demo, if it does not."""
        if not holds:
            raise RefuteError(f"the demo went wrong: not so: {what}")
        self.console.print(f"  [green]ok[/] {what}")

    def wait(self, what: str, look: Callable[[], Found | None], alive: Callable[[], None]) -> Found:
        """What `look` finds, waiting for it; RefuteError if it takes too long or an agent has ended."""
        end = time.monotonic() + PATIENCE
        while True:
            found = look()
            if found is not None:
                return found
            alive()
            if time.monotonic() > end:
                raise RefuteError(f"waited {PATIENCE:.0f} s in vain for {what}; see the agents' logs")
            time.sleep(_LOOK)

    def finish(self, path: Path, ok: bool) -> None:
        """Write the figures."""
        self.figures["all_ok"] = ok
        self.figures["seconds"] = round(time.monotonic() - self._begun, 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.figures, indent=2) + "\n")
