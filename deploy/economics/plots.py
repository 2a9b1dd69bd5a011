"""The three plots of docs/economics.md, as PNG files that name the figures they were drawn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from contracts.deployment import DEVNET_PARAMETERS
from deploy.economics import deterrence, pressure, watching
from deploy.economics.gas import GasOfGame
from deploy.economics.scenario import Scenario, least_bond
from deploy.gas.figures import Snapshot

ETHER = 10**18
GWEI = 10**9
SAMPLES = (0.05, 0.2, 0.5, 1.0)
COSTS = (ETHER // 10**5, ETHER // 10**3, ETHER // 10)
GAMES = ("digits", "minilm", "gpt3")
CLAIMS = (10, 100)
DRAWN_FROM = "Description"
"""The key of a PNG's text that holds the digest of its figures."""

Curve = tuple[list[float], list[float | None]]
Figures = Mapping[str, Mapping[str, Any]]


def figures(snapshot: Snapshot) -> Figures:
    """What is drawn, by plot: the example's scenario, with one thing changed along an axis and one between curves."""
    example = Scenario(DEVNET_PARAMETERS, GasOfGame.read(snapshot))
    return {
        "stake": {
            "curves": {f"{100 * sample:g} %": _stakes(example, sample) for sample in SAMPLES},
            "least": 2 * least_bond(example.parameters) / ETHER,
        },
        "watching": {"curves": {f"{cost / ETHER:.5f}".rstrip("0"): _lies(example, cost) for cost in COSTS}},
        "pressure": {
            "defence": {game: _defence(example, GasOfGame.read(snapshot, game)) for game in GAMES},
            "bond": example.parameters.challenger_bond / ETHER,
            "peak": example.parameters.peak_gas_price / GWEI,
            "censoring": _censoring(example),
            "prizes": {n: pressure.prize_of_censoring(replace(example, claims=n)) / ETHER for n in CLAIMS},
            "kept_out": pressure.time_to_censor(example),
        },
    }


def _stakes(example: Scenario, sample: float) -> Curve:
    """The least stake against lies, in eth, by the number of watchers."""
    numbers = list(range(1, 21))
    stakes = [deterrence.stake_against_lies(replace(example, watchers=n, sample=sample)) for n in numbers]
    return [float(n) for n in numbers], [stake / ETHER if stake else None for stake in stakes]


def _lies(example: Scenario, inference: int) -> Curve:
    """The share of lies from which rewards pay, by the stake in eth."""
    stakes = [2 * 10 ** (k / 10) for k in range(31)]
    shares = []
    for stake in stakes:
        parameters = replace(example.parameters, executor_stake=int(stake * ETHER))
        shares.append(watching.lies_to_live_on(replace(example, parameters=parameters, inference=inference)))
    return stakes, list(shares)


def _defence(example: Scenario, gas: GasOfGame) -> Curve:
    """What one dispute costs an honest executor, in eth, by the gas price in gwei."""
    prices = [10 ** (k / 10) for k in range(-10, 41)]
    return prices, [
        pressure.defence(replace(example, gas=gas, base_fee=int(p * GWEI), tip=0), 1) / ETHER for p in prices
    ]


def _censoring(example: Scenario) -> Curve:
    """What keeping a transaction out costs, in eth, by its seconds."""
    times = [pressure.SLOT * k for k in range(1, 301)]
    return [float(t) for t in times], [t // pressure.SLOT * pressure.slot_price(example) / ETHER for t in times]


def digest(figures: Mapping[str, Any]) -> str:
    """Of what one plot is drawn from, to nine digits."""
    rounded = json.loads(json.dumps(figures), parse_float=lambda text: float(f"{float(text):.9g}"))
    return hashlib.sha256(json.dumps(rounded, sort_keys=True).encode()).hexdigest()


def draw(drawn: Figures, folder: Path) -> list[Path]:
    """stake.png, watching.png and pressure.png; ImportError without matplotlib."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    makers: Mapping[str, Callable[[Any, Mapping[str, Any]], None]] = {
        "stake": _draw_stake,
        "watching": _draw_watching,
        "pressure": _draw_pressure,
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, make in makers.items():
        fig = plt.figure(figsize=(11 if name == "pressure" else 6.5, 4.2), layout="constrained")
        make(fig, drawn[name])
        paths.append(folder / f"{name}.png")
        fig.savefig(paths[-1], dpi=100, metadata={DRAWN_FROM: digest(drawn[name]), "Software": None})
        plt.close(fig)
    return paths


def _draw_stake(fig: Any, drawn: Mapping[str, Any]) -> None:
    axes = fig.subplots()
    for name, (numbers, stakes) in drawn["curves"].items():
        axes.plot(numbers, stakes, marker="o", markersize=3, label=name)
    axes.set(
        yscale="log",
        xlabel="watchers",
        ylabel="stake, eth",
        title="the least stake at which a lie worth 1 eth is a loss",
    )
    axes.axhline(drawn["least"], color="grey", linestyle=":", label="what the contract asks for")
    axes.set_xticks(range(1, 21, 2))
    axes.set_ylim(1e-3, 1e3)
    _finish(axes, "each verifies", "upper right")


def _draw_watching(fig: Any, drawn: Mapping[str, Any]) -> None:
    axes = fig.subplots()
    for name, (stakes, shares) in drawn["curves"].items():
        axes.plot(stakes, shares, label=name)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="stake, eth",
        ylabel="share of claims that are lies",
        title="from here on, rewards pay for watching",
    )
    _finish(axes, "a run costs, eth")


def _draw_pressure(fig: Any, drawn: Mapping[str, Any]) -> None:
    defence, censoring = fig.subplots(1, 2)
    for name, (prices, costs) in drawn["defence"].items():
        defence.plot(prices, costs, label=name)
    defence.axhline(drawn["bond"], color="black", linestyle="--", label="bond")
    defence.axvline(drawn["peak"], color="grey", linestyle=":", label="peak gas price")
    defence.set(xscale="log", yscale="log", xlabel="gas price, gwei", ylabel="eth", title="defending one dispute costs")
    _finish(defence, None)
    censoring.plot(*drawn["censoring"], label="costs, at least")
    for (claims, prize), style in zip(drawn["prizes"].items(), ("--", "-."), strict=True):
        censoring.axhline(prize, color="black", linestyle=style, label=f"wins, with {claims} claims at once")
    censoring.axvline(drawn["kept_out"], color="grey", linestyle=":", label="what the devnet's clock leaves")
    censoring.set(xlabel="seconds", ylabel="eth", title="keeping a transaction out by full blocks")
    _finish(censoring, None)


def _finish(axes: Any, title: str | None, where: str = "best") -> None:
    axes.grid(alpha=0.3)
    axes.legend(title=title, loc=where)
