"""`refute economics`: from a scenario to the stake, bond and window that make cheating a loss."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from contracts.amounts import format_amount, parse_amount
from contracts.deployment import DEVNET_PARAMETERS, Parameters, read_parameters
from deploy.economics import report
from deploy.economics.gas import GAME, GAMES, GasOfGame
from deploy.economics.scenario import Scenario, fitting
from deploy.gas import figures

JsonOption = Annotated[bool, typer.Option("--json", help="as JSON, for programs: wei, seconds, shares of 1")]


def economics(
    fee: Annotated[str, typer.Option(help="what an answer pays")] = format_amount(Scenario.fee),
    value: Annotated[str, typer.Option(help="what a lie that is believed brings besides")] = format_amount(
        Scenario.value
    ),
    inference: Annotated[str, typer.Option(help="what one run of the model costs")] = format_amount(Scenario.inference),
    gas_price: Annotated[str, typer.Option(help="the base fee, per gas")] = format_amount(Scenario.base_fee),
    tip: Annotated[str, typer.Option(help="what is paid per gas beyond it")] = format_amount(Scenario.tip),
    game: Annotated[str, typer.Option(help=f"whose gas a dispute takes: {', '.join(GAMES)}")] = GAME,
    watchers: Annotated[int, typer.Option(help="honest ones, each on its own")] = Scenario.watchers,
    sample: Annotated[float, typer.Option(help="the share of claims that each verifies")] = Scenario.sample,
    availability: Annotated[
        float, typer.Option(help="the chance that it is up, and heard, in the window")
    ] = Scenario.availability,
    lies: Annotated[float, typer.Option(help="the share of claims that watchers take for lies")] = Scenario.lies,
    interest: Annotated[float, typer.Option(help="a year's, on locked money; 0.05 is 5 %")] = Scenario.interest,
    claims: Annotated[int, typer.Option(help="in their window at once")] = Scenario.claims,
    check_time: Annotated[float, typer.Option(help="seconds to verify one")] = Scenario.check_time,
    block_gas: Annotated[int, typer.Option(help="gas limit of a block")] = Scenario.block_gas,
    parameters: Annotated[
        Path | None, typer.Option(help="JSON file with the deployment's parameters that differ from the devnet's")
    ] = None,
    stake: Annotated[str | None, typer.Option(help="of the executor", show_default="the deployment's")] = None,
    bond: Annotated[str | None, typer.Option(help="of a challenger", show_default="the deployment's")] = None,
    window: Annotated[int | None, typer.Option(help="in seconds", show_default="the deployment's")] = None,
    burn_share: Annotated[int | None, typer.Option(help="in basis points", show_default="the deployment's")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether cheating is a loss and watching worthwhile, and which stake, bond and window make them so."""
    base = DEVNET_PARAMETERS if parameters is None else read_parameters(parameters)
    scenario = Scenario(
        parameters=_changed(base, stake, bond, window, burn_share),
        gas=GasOfGame.read(figures.load(), game),
        fee=parse_amount(fee),
        value=parse_amount(value),
        inference=parse_amount(inference),
        base_fee=parse_amount(gas_price),
        tip=parse_amount(tip),
        watchers=watchers,
        sample=sample,
        availability=availability,
        lies=lies,
        interest=interest,
        claims=claims,
        check_time=check_time,
        block_gas=block_gas,
    )
    print(json.dumps(report.as_json(scenario), indent=2) if as_json else report.text(scenario))


def _changed(
    base: Parameters, stake: str | None, bond: str | None, window: int | None, burn_share: int | None
) -> Parameters:
    """A deployment with what the flags say."""
    chosen: dict[str, int] = {}
    if stake is not None:
        chosen["executor_stake"] = parse_amount(stake)
    if bond is not None:
        chosen["challenger_bond"] = parse_amount(bond)
    if window is not None:
        chosen["window"] = window
    if burn_share is not None:
        chosen["burn_share"] = burn_share
    changed = replace(base, **chosen)
    return changed if window is None else fitting(changed)
