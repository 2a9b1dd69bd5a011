"""A Llama block of 7-billion shape on a CUDA device against float torch there: `python -m prover.benchmarks.cuda`.

Every exact backend runs it; an exact run includes copying all checkpoints to the host, which is when the device has
finished, and hashing them there. Figures are medians. Status 2 without a CUDA device, 1 if a trace root differs from
the CPU's.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from rich.console import Console
from rich.table import Table

from prover.benchmarks import floats, llama
from prover.benchmarks.llama import LLAMA_7B, LlamaShape
from prover.benchmarks.speed import timed
from prover.kernels.backend import Product
from prover.kernels.selection import milliseconds, select
from prover.kernels.worst_cases import I8, TWO_DIGITS
from prover.program import Program, TensorRoot
from prover.runtime import Runtime
from prover.trace import Array

FLOATS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
WARM_UP = 3


def measure(device: str, shape: LlamaShape, repetitions: int) -> dict[str, Any]:
    """All figures of a block on a device; memory only where it is a CUDA device."""
    program, weights = llama.block(shape)
    query = [np.random.default_rng(1).normal(0, 1_000_000, (shape.tokens, shape.width)).astype(np.int32)]
    expected = Runtime(program, weights).run(query).trace.root
    order = select(device=device).backends
    projection = Product(1, shape.tokens, shape.width, shape.width, TWO_DIGITS, I8)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if _is_cuda(device) else device,
        "torch": torch.__version__,
        "tokens": shape.tokens,
        "width": shape.width,
        "inner": shape.inner,
        "backends": [backend.name for backend in order],
        "product_ms": {each.name: round(milliseconds(each, device, projection), 4) for each in order[:2]},
        "float": {name: _float(device, shape, dtype, repetitions) for name, dtype in FLOATS.items()},
        "exact": {},
    }
    for name in (None, *(backend.name for backend in order if backend.name != "int64")):
        run = _exact(device, name, program, weights, query, repetitions)
        found["exact"][name or "chosen"] = {**run, "same_root": run["root"] == expected.hex()}
    return found


def same_roots(found: Mapping[str, Any]) -> bool:
    return all(run["same_root"] for run in found["exact"].values())


def _is_cuda(device: str) -> bool:
    return torch.device(device).type == "cuda"


def _peak(device: str, work: Callable[[], None]) -> float | None:
    """MiB that are held on the device at most while `work` runs a few times."""
    if _is_cuda(device):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(WARM_UP):
        work()
    return round(torch.cuda.max_memory_allocated(device) / (1 << 20), 1) if _is_cuda(device) else None


@torch.inference_mode()
def _float(device: str, shape: LlamaShape, dtype: torch.dtype, repetitions: int) -> dict[str, Any]:
    model = floats.LlamaBlock(shape).eval().to(device=device, dtype=dtype)
    x = torch.randn(1, shape.tokens, shape.width).to(device=device, dtype=dtype)

    def run() -> None:
        model(x)
        if _is_cuda(device):
            torch.cuda.synchronize(device)

    peak = _peak(device, run)
    return {"ms": round(statistics.median(timed(run) for _ in range(repetitions)), 4), "peak_mib": peak}


def _exact(
    device: str,
    backend: str | None,
    program: Program,
    weights: Mapping[TensorRoot, Array],
    query: list[Array],
    repetitions: int,
) -> dict[str, Any]:
    """Milliseconds of whole runs and of their hashing, and the root; `backend` None: as the runtime chooses."""
    runtime = Runtime(program, weights, backend=backend, device=device)
    hashing: list[float] = []
    roots: set[str] = set()

    def run() -> None:
        done = runtime.run(query)
        hashing.append(timed(lambda: roots.add(done.trace.root.hex())))

    peak = _peak(device, run)
    hashing.clear()
    whole = statistics.median(timed(run) for _ in range(repetitions))
    hashed = statistics.median(hashing)
    shares = {"ms": round(whole, 4), "hash_ms": round(hashed, 4), "commit_share": round(hashed / whole, 4)}
    return {**shares, "peak_mib": peak, "root": roots.pop() if len(roots) == 1 else "differs from run to run"}


def _shown(found: Mapping[str, Any]) -> Table:
    title = f"a block of width {found['width']}, {found['tokens']} tokens, on {found['device']}"
    table = Table("run", "ms", "of it hashing", "peak MiB", "the CPU's root", title=title, title_justify="left")
    for name, run in found["float"].items():
        table.add_row(name, f"{run['ms']:.3f}", "", _optional(run["peak_mib"]), "")
    for name, run in found["exact"].items():
        label = f"exact, {name}" if name != "chosen" else f"exact, as chosen: {found['backends'][0]} first"
        same = "yes" if run["same_root"] else "NO"
        table.add_row(label, f"{run['ms']:.3f}", f"{run['commit_share']:.2%}", _optional(run["peak_mib"]), same)
    return table


def _optional(mib: float | None) -> str:
    return "" if mib is None else f"{mib:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cpu shows that all backends agree, without a GPU")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("build/cuda.json"))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    if _is_cuda(options.device) and not torch.cuda.is_available():
        print(
            f"benchmarks.cuda: torch {torch.__version__} sees no CUDA device; run this where it does", file=sys.stderr
        )
        sys.exit(2)
    found = measure(options.device, LLAMA_7B, options.repetitions)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    console = Console(soft_wrap=True)
    console.print(_shown(found))
    console.print(f"written to {options.out}")
    if not same_roots(found):
        print("benchmarks.cuda: a trace root differs from the CPU's; do not serve from this device", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
