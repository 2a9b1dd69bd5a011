"""All figures of the compiler and the runtime against float: `make bench` writes build/bench.json, tables and plots.

Speeds are medians of alternating runs in one process on the same threads; an exact run includes all hashing. Peaks of
memory are those of a fresh process for each side.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import structlog
import torch
from rich.console import Console
from rich.table import Table

from prover import model_folder
from prover.benchmarks import plots
from prover.benchmarks.contests import LLAMA_BLOCK, MINILM, Contest, together
from prover.benchmarks.fidelity import FIDELITY
from prover.benchmarks.memory import peak_mib
from prover.benchmarks.speed import Case, compare
from prover.publication import Say
from prover.quality import Quality
from prover.runtime import Runtime

BATCHES = {MINILM: (1, 2, 4, 8, 16, 32), LLAMA_BLOCK: (1,)}

_TOP1 = {"float_accuracy": "top1_float", "integer_accuracy": "top1_exact"}


def raced(contest: Contest, models: Path, repetitions: int, say: Say) -> dict[str, Any]:
    """Times and peaks of a contest, by batch size; its model is published under `models` for the fresh processes."""
    say(f"compiling {contest.name}")
    module = contest.module()
    made = contest.compile(module)
    folder = model_folder.publish(contest.published(made), models)
    runtime = Runtime(made.program, made.weights)
    found = {}
    for batch in BATCHES[contest]:
        name = f"{contest.name}, batch {batch}"
        say(f"racing {name}")
        samples = contest.samples(batch)
        inputs = together(samples)
        queries = [made.quantise(*sample) for sample in samples]
        case = Case(name, runtime, queries, lambda inputs=inputs: module(*inputs))  # type: ignore[misc]
        found[f"{contest.name}-b{batch}"] = {
            **compare(case, repetitions),
            "batch": batch,
            "peak_mib_float": round(peak_mib("float", contest, batch, folder), 1),
            "peak_mib_exact": round(peak_mib("exact", contest, batch, folder), 1),
        }
    return found


def described(found: Quality) -> dict[str, Any]:
    return {**{_TOP1.get(name, name): value for name, value in found.figures.items()}, "passes": found.passes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--repetitions", type=int, default=15)
    known = [*(contest.name for contest in BATCHES), *FIDELITY]
    parser.add_argument(
        "--only", nargs="+", choices=known, default=known, metavar="CASE", help=f"of {', '.join(known)}"
    )
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    console = Console(soft_wrap=True)
    figures: dict[str, Any] = {"threads": torch.get_num_threads(), "speed": {}, "quality": {}}
    with tempfile.TemporaryDirectory() as models:
        for contest in (contest for contest in BATCHES if contest.name in options.only):
            figures["speed"] |= raced(contest, Path(models), options.repetitions, console.print)
    for name, judge in ((name, judge) for name, judge in FIDELITY.items() if name in options.only):
        console.print(f"quality of {name}")
        figures["quality"][name] = described(judge())
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    drawn = plots.draw(figures, options.out.parent)
    console.print(_speeds(figures["speed"]), _qualities(figures["quality"]))
    console.print(f"written to {', '.join(map(str, (options.out, *drawn)))}")


def _speeds(figures: dict[str, Any]) -> Table:
    columns = ("float_ms", "exact_ms", "ratio", "commit_share", "peak_mib_float", "peak_mib_exact")
    table = Table(title="speed", title_justify="left")
    for column in ("case", *columns):
        table.add_column(column.replace("_", " "), no_wrap=column == "case")
    for name, found in figures.items():
        table.add_row(name, *(f"{found[column]:.4g}" for column in columns))
    return table


def _qualities(figures: dict[str, Any]) -> Table:
    table = Table(title="quality", title_justify="left")
    for column in ("model", "figures", "gates"):
        table.add_column(column, no_wrap=column != "figures")
    for name, found in figures.items():
        shown = ", ".join(f"{figure} {value:.5g}" for figure, value in found.items() if figure != "passes")
        table.add_row(name, shown, "pass" if found["passes"] else "FAIL")
    return table


if __name__ == "__main__":
    main()
