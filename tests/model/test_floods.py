"""Hundreds of disputes of one claim, a thousand claims at once: nothing gets dearer or later, and defence pays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.model.devnet import Devnet
from tests.model.floods import (
    BOND,
    DELAY,
    EXECUTOR,
    GROWTH,
    PARAMETERS,
    WATCHER,
    Flood,
    flood_claims,
    flood_disputes,
    flood_lies,
)

DISPUTES, CLAIMS, LIES = 200, 1_000, 200


@pytest.fixture(scope="module")
def few() -> dict[str, int]:
    """Gas of each transaction where there are two disputes of a claim, and five claims."""
    return flood_disputes(2).dearest() | flood_claims(5).dearest()


@pytest.mark.parametrize(("flood", "count"), [(flood_disputes, DISPUTES), (flood_claims, CLAIMS), (flood_lies, LIES)])
def test_in_a_flood_every_transaction_costs_what_it_costs_among_few_and_nothing_honest_is_lost(
    few: dict[str, int], flood: Callable[[int], Flood], count: int
) -> None:
    """INVARIANTS 1, 2 and 3."""
    flooded = flood(count)
    for function, gas in flooded.dearest().items():
        assert gas <= few[function] * GROWTH, function
    assert flooded.lost == 0
    assert flooded.seconds <= DELAY


def test_the_defence_costs_less_than_the_bonds_that_it_earns() -> None:
    """On eth-tester, where gas is a chain's."""
    disputes = 4
    flood = flood_disputes(disputes, Devnet)
    spent = flood.spent[EXECUTOR] * PARAMETERS.peak_gas_price
    assert flood.lost == 0
    assert flood.earned >= disputes * BOND
    assert spent < disputes * BOND / 10
    assert max(flood.dearest().values()) < 500_000
    assert flood_claims(4, Devnet).lost == 0


def test_the_watcher_of_many_lies_earns_more_than_its_gas_costs() -> None:
    lies = 3
    flood = flood_lies(lies, Devnet)
    assert flood.lost == 0
    assert flood.spent[WATCHER] * PARAMETERS.peak_gas_price < flood.earned
