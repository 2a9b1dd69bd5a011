"""What it costs to wear an honest side down: by disputes, by floods of claims, and by full blocks."""

from __future__ import annotations

from math import ceil

from contracts.client import FEE_FACTOR
from deploy.economics.deterrence import believed
from deploy.economics.payouts import pot
from deploy.economics.scenario import Scenario
from prover.game.position import MOST_MOVES

SLOT = 12
"""Seconds between blocks."""
FLOOD = 200
"""Disputes at once on one claim, as the tests of floods open them."""


def defence(s: Scenario, disputes: int) -> int:
    """Wei of gas that an honest executor spends on disputes that are each played to their last move."""
    return s.gas.defence(disputes) * s.price


def bonds(s: Scenario, disputes: int) -> int:
    """Wei of lost bonds that it is paid for them when its claim is final (section 9)."""
    return disputes * s.parameters.challenger_bond


def price_that_bonds_cover(s: Scenario) -> int:
    """Wei per gas above which a dispute costs an honest executor more than its bond brings."""
    return s.parameters.challenger_bond // s.gas.defence(1)


def watchers_capital(s: Scenario) -> int:
    """Wei that a watcher needs free if all claims in their window are lies: bonds, and gas until it is paid."""
    return s.claims * (s.parameters.challenger_bond + s.gas.challenge * s.price)


# Time


def time_to_verify(s: Scenario) -> int:
    """Seconds until a watcher has verified its sample of claims that were all made at once."""
    return ceil(s.claims * s.sample * s.check_time)


def full_price(s: Scenario) -> int:
    """Wei per gas that agents offer at most."""
    return int(FEE_FACTOR * s.parameters.peak_gas_price)


def slot_price(s: Scenario) -> int:
    """Wei that it costs, at least, to keep the base fee above what agents offer for one block.

    EIP-1559: the base fee stays where it is while blocks use half of their limit, so somebody has to pay for that
    gas at that price. Raising it there costs more; where others pay such prices anyhow, it costs less. A block
    producer that leaves transactions out by itself pays nothing of this.
    """
    return s.block_gas // 2 * full_price(s)


def time_to_censor(s: Scenario) -> int:
    """The shortest time for which an honest transaction has to be kept out, in seconds.

    The challenge: from when the claim is verified to the end of the window. A last move: as long as the clock lasts
    after all others have taken their whole time.
    """
    return max(min(s.parameters.window - time_to_verify(s), s.parameters.clock - _moves_before_the_last(s)), 0)


def censoring(s: Scenario) -> int:
    """Wei that this costs, at least."""
    return time_to_censor(s) // SLOT * slot_price(s)


def prize_of_censoring(s: Scenario) -> int:
    """Wei that it wins: every claim in its window as a believed lie, or every honest stake's pot as a challenger."""
    p = s.parameters
    return s.claims * max(believed(s), pot(p.executor_stake, p.burn_share))


def window_against_censoring(s: Scenario) -> int:
    """The least window, in seconds, that leaves time to verify and makes keeping a challenge out a loss."""
    p = s.parameters
    return max(time_to_verify(s) + max(_too_dear(s), p.move_time), p.move_time + p.layer_time)


def clock_against_censoring(s: Scenario) -> int:
    """The least clock, in seconds, that makes keeping a move out a loss."""
    return _moves_before_the_last(s) + max(_too_dear(s), s.parameters.move_time)


def _moves_before_the_last(s: Scenario) -> int:
    return (MOST_MOVES - 1) * s.parameters.move_time + s.parameters.layer_time


def _too_dear(s: Scenario) -> int:
    """Seconds of full blocks that cost more than they win."""
    return SLOT * (prize_of_censoring(s) // slot_price(s) + 1)
