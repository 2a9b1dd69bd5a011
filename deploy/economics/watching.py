"""What watching costs and brings: the challenger's side, and the verifier's dilemma."""

from __future__ import annotations

from math import ceil

from deploy.economics.deterrence import MARGIN, seen, seen_enough
from deploy.economics.payouts import BASIS, pot
from deploy.economics.scenario import Scenario


def share_of_pot(watchers: int, checked_by_one: float) -> float:
    """E[1/K], K being how many challenge a lie that a given watcher has found: 1 and each of the others with chance p.

    E[1/(1 + X)] = (1 - (1 - p)^n) / (n p) for X binomial in n - 1, p (Chao and Strawderman, 1972).
    """
    if watchers < 1:
        return 0.0
    if checked_by_one == 0:
        return 1.0
    return seen(watchers, checked_by_one) / (watchers * checked_by_one)


def gas_paid(s: Scenario) -> int:
    """Wei of gas of a dispute that is played to its last move."""
    return s.gas.challenge * s.price


def disputes_in_full(s: Scenario) -> int | None:
    """How many such disputes the pot pays in full; None: any number."""
    owed = s.tariff
    return pot(s.parameters.executor_stake, s.parameters.burn_share) // owed if owed else None


def per_lie_found(s: Scenario, chance: float | None = None) -> float:
    """Expected wei of a watcher that has found a lie: its share of the pot, less its gas.

    All that challenge are paid the pot between them, whoever wins (section 9), so that by symmetry each can expect
    pot / K. `chance`: of one watcher to verify a claim, if it is not the scenario's.
    """
    p = s.checked_by_one if chance is None else chance
    return pot(s.parameters.executor_stake, s.parameters.burn_share) * share_of_pot(s.watchers, p) - gas_paid(s)


def per_lie_lost(s: Scenario) -> int:
    """Wei of a watcher that has found a lie which another wins, such as a friend of the liar: its tariff, less its gas.

    Its gas is that of all moves, though the last is not made: a little too much.
    """
    return s.tariff - gas_paid(s)


def per_claim_verified(s: Scenario) -> float:
    """Expected wei of verifying one claim: the run is paid always, a lie is found with the share of lies."""
    return s.lies * per_lie_found(s) - s.inference


def lies_to_live_on(s: Scenario) -> float | None:
    """The share of lies at which `per_claim_verified` is 0; None if rewards never pay for it."""
    income = per_lie_found(s)
    return s.inference / income if income > s.inference else None


def stake_for_watching(s: Scenario) -> int | None:
    """The least stake at which rewards pay for watching at the scenario's share of lies; None if none does."""
    share, kept = share_of_pot(s.watchers, s.checked_by_one), BASIS - s.parameters.burn_share
    if s.lies == 0 or share == 0 or kept == 0:
        return None
    return ceil((s.inference / s.lies + gas_paid(s)) / share * BASIS / kept * MARGIN)


def left_to_rewards(s: Scenario) -> tuple[float, float, float] | None:
    """Where lies and watching settle if nobody watches for another reason: (chance seen, share of lies, believed).

    The mixed equilibrium of the inspection game (Dresher, 1962; as the verifier's dilemma: Luu et al., 2015): claims
    are seen just so often that a lie brings nothing, and are lies just so often that watching brings nothing. None
    if there are no watchers, or a lie found pays none of them.
    """
    q = seen_enough(s)
    if s.watchers < 1 or q >= 1:
        return None
    one = 1 - (1 - q) ** (1 / s.watchers)
    income = per_lie_found(s, one)
    if income <= s.inference:
        return None
    lies = s.inference / income
    return q, lies, lies * (1 - q)


def watching_costs(s: Scenario) -> float:
    """Wei per claim that all watchers together spend on runs: what somebody has to want to pay."""
    return s.watchers * s.sample * s.inference
