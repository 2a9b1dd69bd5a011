"""Where the time of commitments goes: `python -m prover.benchmarks.hashing`.

Tensors are hashed and their trees built twice: right after a run, which has used the caches for itself, and again.
Figures are medians, in microseconds a query.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from timeit import default_timer as clock

import torch

from prover.benchmarks.speed import Case, minilm
from prover.runtime import Run
from prover.trace import Trace


def profile(case: Case, repetitions: int) -> dict[str, float]:
    """Bytes and tensors a query, and microseconds of a run without commitments and of each part of these."""
    parts: dict[str, list[float]] = defaultdict(list)
    runs: list[Run] = []
    for _ in range(repetitions):
        start = clock()
        runs = case.runtime.run_batch(case.queries)
        parts["run"].append(clock() - start)
        for name in ("after a run", "again"):
            start = clock()
            traces = [Trace.commit(run.checkpoints) for run in runs]
            hashed = clock()
            for trace in traces:
                _ = trace.root
            parts[f"tensors, {name}"].append(hashed - start)
            parts[f"trees, {name}"].append(clock() - hashed)
    arrays = [array for layer in runs[0].checkpoints for array in layer]
    sizes = {"bytes": sum(array.nbytes for array in arrays), "tensors": len(arrays)}
    medians = {name: 1e6 * statistics.median(times) / len(runs) for name, times in parts.items()}
    return {**sizes, **{name: round(median, 1) for name, median in medians.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name, figure in profile(minilm(options.batch), options.repetitions).items():
        print(f"{figure:12,}  {name}")


if __name__ == "__main__":
    main()
