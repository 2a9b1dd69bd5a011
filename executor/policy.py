"""What an executor's operator wants: the stake, which requests are taken, and how they are worked off."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.calls import NOBODY


@dataclass(frozen=True)
class Policy:
    """What the operator wants."""

    stake: int
    """Wei to have at stake in all; lost stake is not replaced."""
    least_fee: int = 0
    least_answer_period: int = 30
    margin: float = 2.0
    """Times its measured time that a run is given when it is decided whether an answer can be in time."""
    batch: int = 8
    """Most requests for one model that are computed in one pass."""
    max_queue: int = 64
    """Answers owed at once; further requests are left to others."""
    delegate: str = NOBODY
    """Who may defend the claims beside the executor itself."""
