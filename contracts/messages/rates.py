"""How much of something may happen: buckets that fill with time and are emptied by use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

Ticks = Callable[[], float]
"""Seconds of a clock that never goes back."""


@dataclass(frozen=True)
class Rate:
    """`burst` at once, then `a_second`."""

    a_second: float
    burst: float


class Bucket:
    """One allowance."""

    def __init__(self, rate: Rate, ticks: Ticks) -> None:
        self._rate = rate
        self._ticks = ticks
        self._held = rate.burst
        self._filled = ticks()

    def take(self, amount: float = 1) -> bool:
        """Use some of it; False, with nothing used, if there is not enough."""
        now = self._ticks()
        self._held = min(self._held + (now - self._filled) * self._rate.a_second, self._rate.burst)
        self._filled = now
        if self._held < amount:
            return False
        self._held -= amount
        return True


class Buckets:
    """An allowance for each key; of those that were not used for longest only `most` are remembered."""

    def __init__(self, rate: Rate, ticks: Ticks, most: int) -> None:
        self._rate = rate
        self._ticks = ticks
        self._most = most
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, key: Hashable, amount: float = 1) -> bool:
        bucket = self._buckets.setdefault(key, Bucket(self._rate, self._ticks))
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket.take(amount)
