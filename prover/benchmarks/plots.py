"""Plots of the figures of `make bench`, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

FLOAT, EXACT = "#9aa5b1", "#1f6feb"
LIMIT = 0.75
"""The stated limit of an exact run's time, as a share of float's."""


def draw(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """speed.png and throughput.png of what bench.json holds."""
    speed = figures["speed"]
    fig, (times, memory) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    _times(times, speed)
    _memory(memory, speed)
    paths = [folder / "speed.png", folder / "throughput.png"]
    fig.savefig(paths[0], dpi=120)
    fig, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    _throughput(axes, {case["batch"]: case for name, case in speed.items() if name.startswith("minilm")})
    fig.savefig(paths[1], dpi=120)
    plt.close("all")
    return paths


def _times(axes: Axes, speed: Mapping[str, Any]) -> None:
    bars = axes.barh(list(speed), [case["ratio"] for case in speed.values()], color=EXACT)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axvline(1, color=FLOAT)
    axes.axvline(LIMIT, color=FLOAT, linestyle="--")
    axes.set(xlim=(0, 1.1), title="time of an exact run / float32 torch (limit 0.75)")
    axes.invert_yaxis()


def _memory(axes: Axes, speed: Mapping[str, Any]) -> None:
    rows = range(len(speed))
    for offset, side, colour in ((-0.2, "float", FLOAT), (0.2, "exact", EXACT)):
        peaks = [case[f"peak_mib_{side}"] for case in speed.values()]
        axes.bar_label(
            axes.barh([row + offset for row in rows], peaks, 0.38, color=colour, label=side), fmt="%.0f", padding=3
        )
    axes.set_yticks(rows, list(speed))
    axes.set(title="peak memory, MiB")
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.legend()


def _throughput(axes: Axes, by_batch: Mapping[int, Any]) -> None:
    batches = sorted(by_batch)
    for side, colour in (("float", FLOAT), ("exact", EXACT)):
        rates = [1e3 * batch / by_batch[batch][f"{side}_ms"] for batch in batches]
        axes.plot(batches, rates, marker="o", color=colour, label=side)
    axes.set_xscale("log", base=2)
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.set_ylim(bottom=0)
    axes.set(xlabel="batch", ylabel="texts of 128 tokens per second", title="all-MiniLM-L6-v2, with all commitments")
    axes.grid(alpha=0.3)
    axes.legend()
