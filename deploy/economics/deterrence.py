"""What a lie brings: the executor's side.

An executor that lies is believed if nobody verifies its claim in the window. If somebody does, it is caught (invariant
2) and loses what is burned of its stake; the rest may come back to it, through a friend that wins the dispute before
anyone else does. So only what is burned counts here, and a friend is assumed.
"""

from __future__ import annotations

from math import ceil, log

from deploy.economics.payouts import burned, fall, least_stake
from deploy.economics.scenario import Scenario

YEAR = 365 * 86_400
MARGIN = 1 + 1e-9
"""On what is solved for in floats, so that it is not too little by a few wei."""


def seen(watchers: int, checked_by_one: float) -> float:
    """The chance that at least one of `watchers` verifies a claim: 1 - (1 - p)^n, if each decides on its own."""
    return 1 - (1 - checked_by_one) ** watchers


def watchers_for(chance: float, checked_by_one: float) -> int | None:
    """The fewest watchers by whom a claim is verified with at least this chance; None if no number suffices.

    Solves 1 - (1 - p)^n >= chance for n.
    """
    if chance <= 0:
        return 0
    if checked_by_one >= 1:
        return 1
    if checked_by_one <= 0 or chance >= 1:
        return None
    fewest = max(ceil(log(1 - chance) / log(1 - checked_by_one)), 1)
    return fewest - 1 if fewest > 1 and seen(fewest - 1, checked_by_one) >= chance else fewest


def believed(s: Scenario) -> int:
    """Wei that a lie brings which nobody verifies; the model need not even be run."""
    return s.fee + s.value


def caught(s: Scenario) -> int:
    """Wei that a lie costs which somebody verifies, at least (invariant 10)."""
    return burned(s.parameters.executor_stake, s.parameters.burn_share)


def lie(s: Scenario) -> float:
    """Expected wei of a lie: Becker's expected utility of an offence, (1 - q) * gain - q * loss, less the gas.

    q is the chance to be seen. (G. S. Becker, Crime and Punishment, 1968.)
    """
    q = seen(s.watchers, s.checked_by_one)
    return (1 - q) * believed(s) - q * caught(s) - s.gas.lie * s.price


def honest(s: Scenario) -> float:
    """Wei that an honest answer brings: the fee less the run, the gas, and the interest on the stake for the window."""
    locked = s.parameters.executor_stake * s.interest * s.parameters.window / YEAR
    return s.fee - s.inference - s.gas.answer * s.price - locked


def stake_against_lies(s: Scenario) -> int | None:
    """The least stake at which a lie brings nothing: `lie` = 0, solved for what is burned. None if nobody watches."""
    q = seen(s.watchers, s.checked_by_one)
    if q == 0:
        return None if believed(s) > s.gas.lie * s.price else 0
    loss = ((1 - q) * believed(s) - s.gas.lie * s.price) / q
    return least_stake(max(ceil(loss * MARGIN), 0), s.parameters.burn_share)


def value_protected(s: Scenario) -> float | None:
    """Wei of value beyond which a lie pays, at this stake: `lie` = 0, solved for the value. None: any value is."""
    q = seen(s.watchers, s.checked_by_one)
    return None if q >= 1 else (q * caught(s) + s.gas.lie * s.price) / (1 - q) - s.fee


def seen_enough(s: Scenario) -> float:
    """The chance to be seen at which a lie brings nothing: `lie` = 0, solved for q."""
    gain, loss = believed(s), caught(s)
    return max(0.0, (gain - s.gas.lie * s.price) / (gain + loss))


# The liar that disputes itself


def insured_return(s: Scenario, others: int) -> int:
    """Wei that a friend of the liar is paid if it wins, while `others` stand that have played as long (section 9)."""
    return fall(s.parameters.executor_stake, s.parameters.burn_share, [s.tariff] * (others + 1), 0).paid[0]


def insured_loss(s: Scenario, others: int) -> int:
    """Wei that the liar and its friend lose together all the same, besides their gas."""
    return s.parameters.executor_stake - insured_return(s, others)
