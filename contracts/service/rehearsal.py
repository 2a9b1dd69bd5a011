"""Stands where an agent's sender stands in a dry run: says what would be sent, once each, and sends nothing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields
from typing import Any, Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from contracts.agent import hexed
from contracts.batch import Outcome
from contracts.calls import Call

Action = TypeVar("Action", bound=Hashable)


class Rehearsal(Generic[Action]):
    """A `Sender` without an account."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._said: set[Action] = set()

    def send(self, wanted: Iterable[tuple[Action, Call]], now: int) -> list[tuple[Action, Outcome]]:
        """Nothing is sent, so nothing comes of it."""
        seen: set[Action] = set()
        for action, call in wanted:
            seen.add(action)
            if action not in self._said:
                self._log.info("would_send", function=call.function, **_ids(action))
        self._said = seen
        return []

    def start_over(self) -> None:
        """The chain went back: what is wanted now is said again."""
        self._said.clear()


def _ids(action: Any) -> dict[str, str]:
    """The ids that an action names."""
    named = ((field.name, getattr(action, field.name)) for field in fields(action))
    return {name: hexed(value) for name, value in named if isinstance(value, bytes)}
