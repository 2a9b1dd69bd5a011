"""All figures of the compiler and the runtime against float: `make bench` writes build/bench.json and prints a table.

Speeds are medians of alternating runs in one process on the same threads; an exact run includes all hashing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from prover import quality
from prover.benchmarks.speed import Case, compare, llama_block
from prover.examples import catalogue, minilm
from prover.publication import Subject, compile_subject
from prover.quality import Quality
from prover.quantisation import Reals
from prover.runtime import Runtime

FEW_TEXTS = 60
"""Calibration texts for the speed cases: speed does not depend on them."""


def encoder(batch: int) -> Case:
    """all-MiniLM-L6-v2 as it is compiled, 128 tokens."""
    subject = catalogue.minilm(length=128)
    few = {name: list(samples)[:FEW_TEXTS] for name, samples in subject.calibration.items()}
    made = compile_subject(
        Subject("minilm", subject.module, subject.examples, few, subject.held_out, subject.judge, ["minilm-128"])
    )["minilm-128"]
    samples = subject.held_out["minilm-128"][:batch]
    ids, mask = (torch.cat(column) for column in zip(*samples, strict=True))
    queries = [made.quantise(*sample) for sample in samples]
    return Case(f"minilm-{batch}", Runtime(made.program, made.weights), queries, lambda: subject.module(ids, mask))


SPEED: dict[str, Callable[[], Case]] = {
    **{f"minilm-{batch}": (lambda batch=batch: encoder(batch)) for batch in (1, 8, 32)},  # type: ignore[misc]
    "llama-block-2048": lambda: llama_block(1),
}


def judged(subject: Subject) -> Quality:
    """The quality of a subject's only model on its held-out inputs."""
    ((name, model),) = compile_subject(subject).items()
    runtime = Runtime(model.program, model.weights)
    floats: list[Reals] = []
    integers: list[Reals] = []
    with torch.inference_mode():
        for sample in subject.held_out[name]:
            floats.append(subject.module(*sample).numpy())
            integers.append(model.dequantise(runtime.run(model.quantise(*sample)).outputs)[0])
    return subject.judge[name](floats, integers)


def embedded() -> Quality:
    """all-MiniLM-L6-v2 over every held-out text, each by the model of the shortest length that holds it."""
    subject = catalogue.minilm()
    made = compile_subject(subject)
    runtimes = {name: Runtime(model.program, model.weights) for name, model in made.items()}
    floats: list[Reals] = []
    integers: list[Reals] = []
    with torch.inference_mode():
        for text in minilm.held_out_texts():
            tokens = minilm.tokenise(text, truncate=True)
            name = f"minilm-{tokens[0].shape[1]}"
            floats.append(subject.module(*tokens).numpy())
            integers.append(made[name].dequantise(runtimes[name].run(made[name].quantise(*tokens)).outputs)[0])
    return quality.embedding(floats, integers)


QUALITY: dict[str, Callable[[], Quality]] = {
    "minilm": embedded,
    "llama": lambda: judged(catalogue.llama()),
    "gpt2": lambda: judged(catalogue.gpt2()),
    "resnet18": lambda: judged(catalogue.resnet18()),
    "vit": lambda: judged(catalogue.vit()),
}

_TOP1 = {"float_accuracy": "top1_float", "integer_accuracy": "top1_exact"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--repetitions", type=int, default=15)
    options = parser.parse_args()
    console = Console(soft_wrap=True)
    figures: dict[str, Any] = {"threads": torch.get_num_threads(), "speed": {}, "quality": {}}
    for name, make in SPEED.items():
        console.print(f"speed of {name}")
        figures["speed"][name] = compare(make(), options.repetitions)
    for name, judge in QUALITY.items():
        console.print(f"quality of {name}")
        held = judge()
        figures["quality"][name] = {
            **{_TOP1.get(figure, figure): value for figure, value in held.figures.items()},
            "passes": held.passes,
        }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(_speeds(figures["speed"]), _qualities(figures["quality"]), f"written to {options.out}")


def _speeds(figures: dict[str, Any]) -> Table:
    columns = ("float_ms", "exact_ms", "ratio", "commit_share")
    table = Table("case", *columns, title="speed", title_justify="left")
    for name, found in figures.items():
        table.add_row(name, *(f"{found[column]:.4g}" for column in columns))
    return table


def _qualities(figures: dict[str, Any]) -> Table:
    table = Table("model", "figures", "gates", title="quality", title_justify="left")
    for name, found in figures.items():
        shown = ", ".join(f"{figure} {value:.5g}" for figure, value in found.items() if figure != "passes")
        table.add_row(name, shown, "pass" if found["passes"] else "FAIL")
    return table


if __name__ == "__main__":
    main()
