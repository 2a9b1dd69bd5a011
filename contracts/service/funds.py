"""Says that an account runs low long before that matters."""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from contracts.amounts import format_amount
from contracts.fees import highest_price
from contracts.snapshot import Snapshot

RESERVE = 3
"""Disputes, beyond those that are running, for whose gas there should be money."""
REPEAT = 3600
"""Seconds of chain time before it is said again."""


class Funds:
    """Watches one account's balance; `dispute_gas` is what the longest dispute may need."""

    def __init__(self, dispute_gas: int, log: FilteringBoundLogger) -> None:
        self._gas = dispute_gas
        self._log = log
        self._said: int | None = None

    def note(self, snapshot: Snapshot, running: int) -> None:
        """Warn, now and then, while the balance is below the gas of the `running` disputes and a reserve."""
        wanted = (running + RESERVE) * self._gas * highest_price(snapshot.base_fee)
        if snapshot.account.balance >= wanted:
            self._said = None
            return
        if self._said is None or snapshot.timestamp - self._said >= REPEAT:
            self._said = snapshot.timestamp
            self._log.warning(
                "balance_low",
                balance=format_amount(snapshot.account.balance),
                wanted=format_amount(wanted),
                disputes=running,
            )
