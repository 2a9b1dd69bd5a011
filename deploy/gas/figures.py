"""The figures that are kept: what each says, its limit, and whether a check takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from prover.errors import RefuteError

SNAPSHOT = Path(__file__).parents[2] / "contracts" / "snapshots" / "gas.json"
TOLERANCE = 0.02
STEP_LIMIT = 500_000


@dataclass(frozen=True)
class Figure:
    """One figure: gas, or bytes if its name ends so. `quick`: `make gas-check` takes it, too."""

    name: str
    what: str
    limit: int | None = None
    quick: bool = False

    def exceeded(self, value: int) -> bool:
        return self.limit is not None and value > self.limit


FIGURES = (
    Figure("blake3_block", "BLAKE3 of a block of 64 bytes", quick=True),
    Figure("multiply_add", "a term of a dot in the step, i16 by i8", quick=True),
    Figure("naive_multiply_add", "the same in plain Solidity", quick=True),
    Figure("step_dot_768", "step of a linear layer, 768 terms, 768 columns", STEP_LIMIT, quick=True),
    Figure("step_dot_4096", "step of a linear layer, 4,096 terms, 4,096 columns", STEP_LIMIT, quick=True),
    Figure("step_dot_12288", "step of a linear layer, 12,288 terms, 12,288 columns", STEP_LIMIT),
    Figure("step_dot_53248", "step of a linear layer, 53,248 terms, 16,384 columns", STEP_LIMIT),
    Figure("step_dearest", "step of a product in 64 runs against memory order, 4 operands", 2_000_000, quick=True),
    Figure("dispute_digits", "a changed activation of the digits model", 900_000, quick=True),
    Figure("dispute_digits_sums", "a changed sum of 576 products of the digits model", 900_000, quick=True),
    Figure("dispute_minilm", "a changed attention score of all-MiniLM-L6-v2", 1_500_000),
    Figure("dispute_gpt3_projection", "an attention projection of GPT-3's width", 2_200_000),
    Figure("dispute_gpt3_feed_forward", "a feed-forward product of GPT-3's width", 2_200_000),
    Figure("dispute_gpt3", "the dearer of these two", 2_200_000),
    Figure(
        "happy_minilm", "MiniLM without a dispute: request to final, beyond its inputs' and outputs' calldata", 350_000
    ),
    Figure("largest_tx_gas", "the dearest move of all these disputes", 2_000_000),
    Figure("largest_tx_bytes", "the calldata of the longest", 16_384),
    Figure("largest_code_bytes", "the largest contract", 24_576, quick=True),
)


@dataclass(frozen=True)
class Snapshot:
    """Figures by name, and what they are made of: the moves of each dispute, and their gas by what it is paid for."""

    figures: Mapping[str, int]
    moves: Mapping[str, list[dict[str, Any]]]
    parts: Mapping[str, dict[str, int]]

    def save(self, path: Path = SNAPSHOT) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**self.figures, "moves": self.moves, "parts": self.parts}, indent=1) + "\n")


def load(path: Path = SNAPSHOT) -> Snapshot:
    """The committed snapshot; RefuteError if there is none that can be read."""
    try:
        content = json.loads(path.read_text())
        moves, parts = content.pop("moves"), content.pop("parts")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise RefuteError(f"{path} is no snapshot that can be read ({error}); write it with `make gas`") from error
    return Snapshot(content, moves, parts)


def grown(old: Mapping[str, int], new: Mapping[str, int]) -> list[str]:
    """One line for each figure of `new` that is more than TOLERANCE above the old one, or that had none."""
    lines = []
    for name, value in new.items():
        before = old.get(name)
        if before is None:
            lines.append(f"{name}: {value:,}, but the snapshot has none; write it with `make gas`")
        elif value > before * (1 + TOLERANCE):
            lines.append(
                f"{name}: {before:,} -> {value:,}, {value / before - 1:+.1%}; more than {TOLERANCE:.0%} is refused"
            )
    return lines


def over(values: Mapping[str, int]) -> list[str]:
    """One line for each figure above its limit."""
    return [
        f"{figure.name}: {values[figure.name]:,} is over its limit of {figure.limit:,}"
        for figure in FIGURES
        if figure.exceeded(values.get(figure.name, 0))
    ]


def table(old: Mapping[str, int], new: Mapping[str, int]) -> Table:
    """Old, new and limit of every figure that was measured."""
    shown = Table("figure")
    for heading in ("old", "new", "change", "limit", ""):
        shown.add_column(heading, justify="right")
    for figure in FIGURES:
        if figure.name not in new:
            continue
        before, value = old.get(figure.name), new[figure.name]
        limit = "" if figure.limit is None else f"{figure.limit:,}"
        change = f"{value / before - 1:+.1%}" if before else ""
        mark = "[red]over[/red]" if figure.exceeded(value) else ""
        shown.add_row(figure.name, f"{before:,}" if before else "", f"{value:,}", change, limit, mark)
    return shown
