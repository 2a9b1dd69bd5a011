"""The formulas against brute-force simulation, and against each other."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings

from contracts.deployment import Parameters
from deploy.economics import deterrence, payouts, pressure, report, watching
from deploy.economics.scenario import Scenario, broken_relation
from tests.contracts.test_deployment import BROKEN, P
from tests.economics.scenarios import ETHER, scenario, scenarios

GAMES = 200_000
POSSIBLE = 2 * ETHER + ETHER // 100
"""Wei of stake; with a millionth less, it is still one of a deployment."""


class Simulated:
    """Claims that are all lies, and watchers that draw which they verify; whoever finds one plays it to its end."""

    def __init__(self, s: Scenario, seed: int) -> None:
        rng = np.random.default_rng(seed)
        asked = rng.random((GAMES, s.watchers)) < s.sample
        found = asked & (rng.random((GAMES, s.watchers)) < s.availability)
        challengers = found.sum(axis=1)
        stake, share = s.parameters.executor_stake, s.parameters.burn_share
        gas = s.gas.lie * s.price / ETHER
        self.executor = (
            np.where(challengers > 0, -payouts.burned(stake, share) / ETHER, (s.fee + s.value) / ETHER) - gas
        )
        # The first watcher, where it is among those who found it: one of them wins, and each is as likely.
        mine = found[:, 0]
        won = rng.random(GAMES) * challengers < 1
        owed = s.tariff
        paid = {k: payouts.fall(stake, share, [owed] * k, 0).paid for k in range(1, s.watchers + 1)}
        income = [paid[int(k)][0] if w else paid[int(k)][-1] for k, w in zip(challengers[mine], won[mine], strict=True)]
        self.watcher = (np.array(income, dtype=float) - s.gas.challenge * s.price) / ETHER
        self.seen = challengers > 0


def agree(samples: np.ndarray, expected: float) -> bool:
    """Whether a mean is within five standard errors of what was expected, or what so few games cannot show."""
    error = samples.std() / sqrt(len(samples))
    return abs(samples.mean() - expected) <= 5 * error + 1e-7


@pytest.mark.parametrize(
    "s",
    [
        scenario(),
        scenario(watchers=12, sample=0.05, availability=0.7, value=40 * ETHER),
        scenario(watchers=1, sample=1.0, availability=0.9),
        scenario(watchers=9, sample=0.9, base_fee=90 * 10**9, parameters=replace(P, burn_share=9_990)),
    ],
    ids=["few", "many", "one", "pot-too-small"],
)
def test_what_is_expected_is_what_happens_on_average(s: Scenario) -> None:
    played = Simulated(s, seed=s.watchers)
    assert agree(played.seen.astype(float), deterrence.seen(s.watchers, s.checked_by_one))
    assert agree(played.executor, deterrence.lie(s) / ETHER)
    assert agree(played.watcher, watching.per_lie_found(s) / ETHER)
    shared = payouts.pot(s.parameters.executor_stake, s.parameters.burn_share)
    short = s.watchers * s.tariff > shared
    assert short == (s.watchers == 9), "in one of the four, tariffs are paid in part"


def with_stake(s: Scenario, stake: int) -> Scenario:
    return replace(s, parameters=replace(s.parameters, executor_stake=stake, challenger_bond=P.challenger_bond))


@given(scenarios())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_least_stake_is_the_least_at_which_a_lie_is_no_gain(s: Scenario) -> None:
    least = deterrence.stake_against_lies(s)
    assert least is not None
    if POSSIBLE < least < 2**96:
        assert deterrence.lie(with_stake(s, least)) <= 0
        assert deterrence.lie(with_stake(s, least - least // 10**6)) > 0
    assert deterrence.seen_enough(s) >= 0
    protected = deterrence.value_protected(s)
    if protected is not None and 0 <= protected < 2**127:
        gain = deterrence.lie(replace(s, value=int(protected)))
        assert abs(gain) <= 1e-9 * (protected + deterrence.caught(s)) + 1e6


@given(scenarios())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_least_stake_for_watching_is_the_least_at_which_it_pays(s: Scenario) -> None:
    least = watching.stake_for_watching(s)
    assert least is not None
    if POSSIBLE < least < 2**96:
        assert watching.per_claim_verified(with_stake(s, least)) >= 0
        assert watching.per_claim_verified(with_stake(s, least - least // 10**6)) < 0
    lies = watching.lies_to_live_on(s)
    if lies is not None:
        assert abs(watching.per_claim_verified(replace(s, lies=lies))) <= 1e-9 * (s.inference + ETHER)


@given(scenarios())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_is_recommended_makes_everything_hold_that_it_decides(s: Scenario) -> None:
    chosen = report.recommended(s)
    assert chosen is not None
    if chosen["executor_stake"] >= 2**96 or chosen["clock"] >= 2**32:
        return
    then = replace(s, parameters=replace(s.parameters, **chosen))
    held = {c.key: c.holds for c in report.conditions(then)}
    assert deterrence.lie(then) <= 0
    assert watching.per_claim_verified(then) >= 0
    assert held["defence_is_paid"]
    assert held["verified_in_time"]
    assert held["censoring_is_a_loss"]


def test_where_lies_and_watching_settle_neither_brings_anything() -> None:
    s = scenario(watchers=5)
    settled = watching.left_to_rewards(s)
    assert settled is not None
    seen, lies, believed = settled
    one = 1 - (1 - seen) ** (1 / s.watchers)
    there = replace(s, sample=one, lies=lies)
    assert deterrence.lie(there) == pytest.approx(0, abs=1e4)
    assert watching.per_claim_verified(there) == pytest.approx(0, abs=1e4)
    assert believed == pytest.approx(lies * (1 - seen))


@pytest.mark.parametrize("p", [0.01, 0.2, 0.95])
@pytest.mark.parametrize("chance", [0.5, 0.999, 1e-9])
def test_the_fewest_watchers_are_the_fewest(p: float, chance: float) -> None:
    n = deterrence.watchers_for(chance, p)
    assert n is not None
    assert deterrence.seen(n, p) >= chance > deterrence.seen(n - 1, p)


def test_no_number_of_watchers_that_do_not_look_suffices() -> None:
    assert deterrence.watchers_for(0.5, 0) is None
    assert deterrence.watchers_for(1, 0.5) is None
    assert deterrence.watchers_for(1, 1) == 1
    nobody = scenario(watchers=0)
    assert deterrence.stake_against_lies(nobody) is None
    assert report.recommended(nobody) is None
    assert watching.left_to_rewards(nobody) is None
    assert not {c.key: c.holds for c in report.conditions(nobody)}["cheating_is_a_loss"]


@given(scenarios())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_insurance_brings_back_no_more_than_what_is_not_burned(s: Scenario) -> None:
    stake = s.parameters.executor_stake
    for others in (0, 1, 7):
        assert deterrence.insured_loss(s, others) >= payouts.burned(stake, s.parameters.burn_share) >= stake // 2
    assert deterrence.insured_loss(s, 0) == payouts.burned(stake, s.parameters.burn_share)


def test_an_honest_executor_earns_by_disputes_up_to_the_price_that_its_bonds_cover() -> None:
    s = scenario()
    covered = pressure.price_that_bonds_cover(s)
    for price, paid in ((covered, True), (covered + 1, False)):
        at = replace(s, base_fee=price, tip=0)
        assert (pressure.defence(at, 1) <= pressure.bonds(at, 1)) is paid
        assert {c.key: c.holds for c in report.conditions(at)}["defence_is_paid"] is paid
    assert pressure.defence(s, 200) < 200 * pressure.defence(s, 1), "200 are expired in fewer transactions"


def test_full_blocks_are_paid_for_as_long_as_the_shorter_of_window_and_clock_leaves() -> None:
    s = scenario(claims=1, check_time=60.0, sample=1.0)
    assert pressure.time_to_censor(s) == P.clock - 11 * P.move_time - P.layer_time == 240
    assert pressure.censoring(s) == 20 * 18_000_000 * 3 * P.peak_gas_price
    short = replace(s, parameters=replace(P, window=400), check_time=200.0)
    assert pressure.time_to_censor(short) == 200
    late = replace(short, check_time=1_000.0)
    assert pressure.censoring(late) == 0


@pytest.mark.parametrize(("name", "change"), BROKEN)
def test_the_relations_are_those_of_the_constructor(name: str, change: dict[str, int]) -> None:
    assert broken_relation(P) is None
    said = broken_relation(replace(P, **change))
    assert said is not None
    words = {"ExecutorStakeTooLow": "stake", "BurnShareOutOfRange": "burn_share", "ChallengerBondTooLow": "bond"}
    first = next(
        w
        for w in (
            "window",
            "clock",
            "move_time",
            "withdrawal_delay",
            "acceptance_bond",
            "peak_gas_price",
            "stake",
            "bond",
            "burn_share",
        )
        if f"a {w} " in said or f"an {w} " in said
    )
    snake = name.removesuffix("IsZero").removesuffix("TooShort")
    assert first == words.get(name, "".join(f"_{c.lower()}" if c.isupper() else c for c in snake).lstrip("_"))


def test_parameters_at_the_edge_of_every_relation_are_taken() -> None:
    edge = Parameters(301, 315, 1, 300, 931, 12_500_000, 6_250_000, 12_499_999, 1, 10_000)
    assert broken_relation(edge) is None
