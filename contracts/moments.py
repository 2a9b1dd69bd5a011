"""Moments of the chain's time as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(at: int, now: int) -> str:
    """A time and how far off it is; both in seconds since 1970."""
    return f"{datetime.fromtimestamp(at, UTC).isoformat(timespec='seconds')}, in {max(at - now, 0):,} s"
