"""What became of a watcher's disputes, and what it could not do, as log events."""

from __future__ import annotations

from typing import Any

from structlog.typing import FilteringBoundLogger

from contracts.agent import hexed
from contracts.amounts import format_amount
from contracts.snapshot import ClaimStatus, DisputeStatus, Snapshot
from watcher.actions import Doubt, PassOver, Spoken, Stuck

REPEAT = 3600
"""Seconds of chain time before it is said again that a challenge lacks money."""

_EVENTS = {
    DisputeStatus.ACTIVE: "dispute_opened",
    DisputeStatus.WON: "dispute_won",
    DisputeStatus.LOST: "dispute_lost",
    DisputeStatus.SETTLED: "dispute_settled",
}


class Chronicle:
    """Logs each change once. `over` is how many of the watcher's disputes have ended."""

    def __init__(self, me: str, log: FilteringBoundLogger) -> None:
        self._me = me
        self._log = log
        self._seen: dict[bytes, object] = {}
        self._last: Snapshot | None = None
        self._said: set[Doubt | Stuck] = set()
        self._postponed: dict[bytes, tuple[tuple[bool, bool], int]] = {}
        self._passed_over: set[bytes] = set()
        self.over = 0

    @property
    def passed_over(self) -> frozenset[bytes]:
        """Open claims that are left to others."""
        return frozenset(self._passed_over)

    def note(self, snapshot: Snapshot) -> bool:
        """Log what has changed; False if this snapshot was seen before."""
        if snapshot is self._last:
            return False
        first, self._last = self._last is None, snapshot
        self._passed_over &= {c.id for c in snapshot.claims.values() if c.status is ClaimStatus.PENDING}
        for dispute in snapshot.disputes.values():
            if dispute.challenger != self._me or self._seen.get(dispute.id) == dispute.status:
                continue
            self._seen[dispute.id] = dispute.status
            if first and dispute.status is not DisputeStatus.ACTIVE:
                continue  # it ended before this process began
            say = self._log.error if dispute.status is DisputeStatus.LOST else self._log.info
            details: dict[str, Any] = {"dispute": hexed(dispute.id), "claim": hexed(dispute.claim)}
            if dispute.reason is not None:
                details["reason"] = dispute.reason.name.lower()
                self.over += 1
            say(_EVENTS[dispute.status], walk_level=dispute.position.phase.level, **details)
        return True

    def say(self, action: Spoken, now: int) -> None:
        """Log what is not done, once; a lack of money again after an hour, or when it is another lack."""
        if isinstance(action, PassOver):
            if action.claim not in self._passed_over:
                self._passed_over.add(action.claim)
                self._log.info("claim_passed_over", claim=hexed(action.claim), reason=action.reason)
            return
        if isinstance(action, Doubt | Stuck):
            if action not in self._said:
                self._said.add(action)
                log = self._log.bind(dispute=hexed(action.dispute), reason=action.reason)
                if isinstance(action, Doubt):
                    log.error("dispute_doubted", walk_level=action.position.phase.level)
                else:
                    log.error("move_not_made")
            return
        before = self._postponed.get(action.claim)
        if before is not None and before[0] == action.kind and now < before[1] + REPEAT:
            return
        self._postponed[action.claim] = action.kind, now
        self._log.error(
            "challenge_not_funded",
            claim=hexed(action.claim),
            lacking_stake=format_amount(action.lacking_stake),
            lacking_balance=format_amount(action.lacking_balance),
        )
