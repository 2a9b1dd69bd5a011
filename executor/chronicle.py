"""What became of an executor's claims and disputes, as log events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from structlog.typing import FilteringBoundLogger

from contracts.agent import hexed
from contracts.amounts import format_amount
from contracts.snapshot import ClaimStatus, DisputeStatus, Snapshot
from executor.actions import Leave, Short, Spoken

_CLAIM_EVENTS = {ClaimStatus.FINAL: "claim_final", ClaimStatus.FALLEN: "claim_fallen"}
_DISPUTE_EVENTS = {
    DisputeStatus.ACTIVE: "dispute_opened",
    DisputeStatus.WON: "dispute_lost",
    DisputeStatus.LOST: "dispute_won",
    DisputeStatus.SETTLED: "dispute_settled",
}


REPEAT = 3600
"""Seconds of chain time before it is said again that something is short."""


class Chronicle:
    """Logs each change once. `ended` is how many of the executor's claims have become final or fallen meanwhile."""

    def __init__(self, me: str, log: FilteringBoundLogger) -> None:
        self._me = me
        self._log = log
        self._seen: dict[bytes, object] = {}
        self._said: set[object] = set()
        self._short: dict[Short, int] = {}
        self._last: Snapshot | None = None
        self.ended = 0

    def note(self, snapshot: Snapshot) -> bool:
        """Log what has changed; False if this snapshot was seen before."""
        if snapshot is self._last:
            return False
        first, self._last = self._last is None, snapshot
        for key, status, event, details in self._states(snapshot):
            if self._seen.get(key) == status:
                continue
            self._seen[key] = status
            if first and status is not DisputeStatus.ACTIVE:
                continue  # it ended before this process began
            level = self._log.error if event in ("claim_fallen", "dispute_lost") else self._log.info
            level(event, **details)
            if status in (ClaimStatus.FINAL, ClaimStatus.FALLEN):
                self.ended += 1
        return True

    def say(self, action: Spoken, now: int) -> None:
        """Log what cannot be done: once for each request that is left, and for each dispute and reason.

        What is short is said once an hour.
        """
        if isinstance(action, Short):
            if now >= self._short.get(action, 0):
                self._short[action] = now + REPEAT
                self._say_short(action)
            return
        key = action.request if isinstance(action, Leave) else (action.dispute, action.reason)
        if key in self._said:
            return
        self._said.add(key)
        if isinstance(action, Leave):
            self._log.warning("request_left", request=hexed(action.request), reason=action.reason)
        else:
            self._log.error("move_not_made", dispute=hexed(action.dispute), reason=action.reason)

    def _say_short(self, short: Short) -> None:
        if short.resource == "disk":
            self._log.error("disk_short", lacking=f"{short.lacking:,} bytes")
        elif short.resource == "balance":
            self._log.error("defence_not_funded", lacking=format_amount(short.lacking))
        else:
            self._log.warning("stake_short", lacking=format_amount(short.lacking))

    def _states(self, snapshot: Snapshot) -> Iterator[tuple[bytes, object, str, dict[str, Any]]]:
        mine = {c.id: c for c in snapshot.claims.values() if c.executor == self._me}
        for claim in mine.values():
            details = {"claim": hexed(claim.id), "request": hexed(claim.request)}
            if claim.status is not ClaimStatus.PENDING:
                yield claim.id, claim.status, _CLAIM_EVENTS[claim.status], details
        for dispute in snapshot.disputes.values():
            if dispute.claim in mine:
                ids = {"dispute": hexed(dispute.id), "claim": hexed(dispute.claim), "challenger": dispute.challenger}
                yield dispute.id, dispute.status, _DISPUTE_EVENTS[dispute.status], ids
