"""Clocks and payouts as formulas over integers, of z3 or of Python: each is one line of the contract's.

Tests change one at a time, by a subclass, and expect that z3 finds what goes wrong.
"""

from __future__ import annotations

import z3

BASIS = 10_000

Int = z3.ArithRef
Bool = z3.BoolRef


class Clocks:
    """Section 8 of the protocol; `Disputes._requireRunning`, `Disputes.expire`, `Turns._turnClock`."""

    def in_window(self, now: Int, due: Int) -> Bool:
        """Whether a claim may be challenged whose window ends at `due`."""
        return now < due

    def counts(self, now: Int, deadline: Int) -> Bool:
        """Whether the side to move may move."""
        return now < deadline

    def expired(self, now: Int, deadline: Int) -> Bool:
        """Whether the side to move has lost."""
        return now >= deadline

    def turned(self, now: Int, deadline: Int, idle: Int) -> tuple[Int, Int]:
        """Deadline and idle time after a move that gives the turn to the other side."""
        return now + idle, deadline - now

    def too_late(self, deadline: Int, fallen_at: Int) -> Bool:
        """Whether a challenger that was to move had lost before its claim fell (`Disputes.settle`)."""
        return deadline <= fallen_at


class Payouts:
    """Section 9; `Disputes._win`, `_share` and `settle`."""

    def burned(self, stake: Int, burn_share: Int) -> Int:
        """What is burned of a slashed stake."""
        return stake * burn_share / BASIS

    def share(self, tariff: Int, tariffs: Int, pot: Int) -> Int:
        """What a standing dispute is owed of the pot."""
        return z3.If(tariffs <= pot, tariff, pot * tariff / tariffs)

    def surplus(self, tariffs: Int, pot: Int) -> Int:
        """What the winner is owed beyond its share."""
        return z3.If(pot > tariffs, pot - tariffs, 0)

    def remainder(self, left: Int) -> Int:
        """What is burned of what is left when the last dispute is settled."""
        return left


class Abstract(Payouts):
    """Names for what `theorems.payouts` proves of burned and share, so that what follows from that is linear."""

    BURNED = z3.Function("burned", z3.IntSort(), z3.IntSort(), z3.IntSort())
    SHARE = z3.Function("share", z3.IntSort(), z3.IntSort(), z3.IntSort(), z3.IntSort())

    def burned(self, stake: Int, burn_share: Int) -> Int:
        return self.BURNED(stake, burn_share)

    def share(self, tariff: Int, tariffs: Int, pot: Int) -> Int:
        return self.SHARE(tariff, tariffs, pot)
