"""Scenarios for tests: one that anybody can follow, and any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from contracts.deployment import DEVNET_PARAMETERS
from deploy.economics.gas import GAMES, GasOfGame
from deploy.economics.scenario import Scenario, fitting
from deploy.gas import figures

ETHER = 10**18
GWEI = 10**9
GAS = {game: GasOfGame.read(figures.load(), game) for game in GAMES}


def scenario(**changes: Any) -> Scenario:
    """The example with watchers that are always up, with changes."""
    plain = Scenario(DEVNET_PARAMETERS, GAS["minilm"], availability=1.0)
    return replace(plain, **changes)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any in which somebody watches and something is paid for it."""
    amounts = st.integers(0, 1_000 * ETHER)
    parameters = replace(
        DEVNET_PARAMETERS,
        executor_stake=draw(st.integers(2 * ETHER, 10_000 * ETHER)),
        burn_share=draw(st.integers(5_000, 9_900)),
        window=draw(st.integers(360, 10**6)),
        clock=draw(st.integers(1_020, 10**6)),
    )
    return scenario(
        parameters=fitting(parameters),
        gas=GAS[draw(st.sampled_from(sorted(GAS)))],
        fee=draw(amounts),
        value=draw(amounts),
        inference=draw(st.integers(0, ETHER)),
        base_fee=draw(st.integers(0, 1_000 * GWEI)),
        tip=draw(st.integers(0, 10 * GWEI)),
        watchers=draw(st.integers(1, 50)),
        sample=draw(st.floats(0.01, 1)),
        availability=draw(st.floats(0.1, 1)),
        lies=draw(st.floats(1e-6, 1)),
        claims=draw(st.integers(1, 1_000)),
        check_time=draw(st.floats(0, 600)),
    )
