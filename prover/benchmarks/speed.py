"""Times exact programs against the same modules in float32 eager torch: `python -m prover.benchmarks.speed`.

Both run alternately in one process on the same threads; figures are medians. An exact run includes hashing all
checkpoints and the trace root.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from timeit import default_timer as clock
from typing import Any

import numpy as np
import torch

from prover.benchmarks import bert, floats, llama
from prover.kernels.fused.planning import KernelStep, LoneStep, ProductStep, Step
from prover.runtime import Runtime
from prover.trace import Array


@dataclass(frozen=True)
class Case:
    """One comparison: a runtime with a batch of queries, and the float model on inputs of the same shape."""

    name: str
    runtime: Runtime
    queries: Sequence[Sequence[Array]]
    float_model: Callable[[], Any]


def minilm(batch: int) -> Case:
    """Six blocks of all-MiniLM-L6's shape, 128 tokens."""
    shape = bert.MINILM
    program, weights = bert.encoder(shape)
    rng = np.random.default_rng(1)
    queries: list[list[Array]] = [
        [
            rng.normal(0, 4_000, (shape.tokens, shape.width)).astype(np.int16),
            np.where(np.arange(shape.tokens) >= shape.tokens - 20, -(1 << 20), 0).astype(np.int32),
        ]
        for _ in range(batch)
    ]
    model = floats.Bert(shape).eval()
    x = torch.randn(batch, shape.tokens, shape.width)
    mask = torch.zeros(batch, 1, 1, shape.tokens)
    mask[..., -20:] = torch.finfo(torch.float32).min
    return Case(f"minilm, batch {batch}", Runtime(program, weights), queries, lambda: model(x, mask))


def llama_block(batch: int) -> Case:
    """A block at width 2048, 128 tokens."""
    shape = llama.WIDE_LLAMA
    program, weights = llama.block(shape)
    rng = np.random.default_rng(1)
    queries: list[list[Array]] = [
        [rng.normal(0, 1_000_000, (shape.tokens, shape.width)).astype(np.int32)] for _ in range(batch)
    ]
    model = floats.LlamaBlock(shape).eval()
    x = torch.randn(batch, shape.tokens, shape.width)
    return Case(f"llama block, batch {batch}", Runtime(program, weights), queries, lambda: model(x))


def timed(function: Callable[[], Any]) -> float:
    """Milliseconds."""
    start = clock()
    function()
    return 1e3 * (clock() - start)


@torch.inference_mode()
def compare(case: Case, repetitions: int) -> dict[str, Any]:
    """float_ms, exact_ms, their ratio, and the share of hashing."""
    runtime, queries = case.runtime, case.queries

    def exact() -> float:
        """Milliseconds of the hashing."""
        runs = runtime.run_batch(queries)
        return timed(lambda: [run.trace.root for run in runs])

    for _ in range(3):
        case.float_model()
        exact()
    floats, exacts, hashing = [], [], []
    for _ in range(repetitions):
        floats.append(timed(case.float_model))
        exacts.append(timed(lambda: hashing.append(exact())))
    float_ms, exact_ms, hash_ms = (statistics.median(times) for times in (floats, exacts, hashing))
    return {
        "case": case.name,
        "threads": torch.get_num_threads(),
        "float_ms": round(float_ms, 3),
        "exact_ms": round(exact_ms, 3),
        "ratio": round(exact_ms / float_ms, 3),
        "ratio_of_best": round(min(exacts) / min(floats), 3),
        "commit_share": round(hash_ms / exact_ms, 4),
    }


def step_times(case: Case, repetitions: int) -> list[tuple[str, float]]:
    """Median milliseconds of each step of a run."""
    execution = case.runtime.execution(len(case.queries))
    inputs = [torch.from_numpy(np.stack(arrays)).reshape(-1) for arrays in zip(*case.queries, strict=True)]
    runs = []
    for _ in range(repetitions):
        marks: list[float] = [clock()]

        def mark(_number: int, _memory: object, marks: list[float] = marks) -> None:
            marks.append(clock())

        execution.run(inputs, mark)
        runs.append([1e3 * (after - before) for before, after in itertools.pairwise(marks)])
    medians = [statistics.median(column) for column in zip(*runs, strict=True)]
    return [(described(step), ms) for step, ms in zip(execution.steps, medians, strict=True)]


def described(step: Step) -> str:
    match step:
        case KernelStep(_, names):
            return "kernel " + ", ".join(names)
        case ProductStep(plan):
            product = plan.sort.product
            return f"product {plan.backend.name} {product.batch} x {product.m} x {product.n} x {product.k}"
        case LoneStep(node):
            return f"alone {node.name}"


CASES: dict[str, Callable[[], Case]] = {
    "minilm1": lambda: minilm(1),
    "minilm8": lambda: minilm(8),
    "llama1": lambda: llama_block(1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", action="store_true", help="time each step, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.cases:
        case = CASES[name]()
        print(json.dumps(compare(case, options.repetitions)))
        if options.steps:
            for step, ms in step_times(case, options.repetitions):
                print(f"  {ms:8.3f} ms  {step}")


if __name__ == "__main__":
    main()
