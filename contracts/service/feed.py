"""What an agent shows of itself after each round: one report, for metrics, page and terminal to read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from contracts.snapshot import DisputeView, Snapshot


@dataclass(frozen=True)
class Report:
    """One round.

    Attributes:
        agent: executor, watcher or explorer.
        verdicts: agrees, refuted or unknown, by claim.
        seconds: what a run took, hashing included, by model.
        computing: runs and judgements that are queued or under way.
        pending: transactions on their way.
        replaced: of these, those that were sent again for a higher fee.
        passed_over: claims that the watcher's policy leaves to others.
        own: this agent's own value of the number that a dispute is about; None if it has none.
        at: when the round ended, in monotonic seconds.
    """

    agent: str
    snapshot: Snapshot
    verdicts: Mapping[bytes, str] = field(default_factory=dict)
    seconds: Mapping[bytes, float] = field(default_factory=dict)
    computing: int = 0
    pending: int = 0
    replaced: int = 0
    own: Callable[[DisputeView], int | None] = lambda dispute: None
    passed_over: frozenset[bytes] = frozenset()
    at: float = field(default_factory=time.monotonic)


class Feed:
    """The latest report of one agent; from any thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._latest: Report | None = None
        self.rounds = 0

    def publish(self, report: Report) -> None:
        with self._turn:
            self._latest = report
            self.rounds += 1

    @property
    def latest(self) -> Report | None:
        with self._turn:
            return self._latest
