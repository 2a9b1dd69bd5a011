"""Peak memory of a model in a process of its own: `python -m prover.benchmarks.memory float minilm-128 8`.

The figure is what the process's peak resident set grew by after its imports: loading the model, and a few runs.
"""

from __future__ import annotations

import argparse
import logging
import resource
import subprocess
import sys
from pathlib import Path

import structlog
import torch

from prover import model_folder
from prover.benchmarks.contests import CONTESTS, Contest, together
from prover.quantisation import Quantisation
from prover.runtime import Runtime

RUNS = 3


def peak_mib(side: str, contest: Contest, batch: int, folder: Path) -> float:
    """MiB, measured by a new process; `folder` holds the published integer model."""
    command = [sys.executable, "-m", "prover.benchmarks.memory", side, contest.name, str(batch), str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak() -> float:
    """MiB, of this process so far.

    On Linux from VmHWM: the peak of getrusage starts at the parent's size there, and so can hide all growth.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / (1 << 10)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@torch.inference_mode()
def _run_float(contest: Contest, batch: int) -> None:
    module = contest.module()
    inputs = together(contest.samples(batch))
    for _ in range(RUNS):
        module(*inputs)


def _run_exact(contest: Contest, batch: int, folder: Path) -> None:
    model = model_folder.load(folder)
    runtime = Runtime(model.program, model.weights)
    forms = [Quantisation.from_dict(form) for form in model.report["inputs"]]
    queries = [
        [form.quantise(values) for form, values in zip(forms, sample, strict=True)] for sample in contest.samples(batch)
    ]
    for _ in range(RUNS):
        for run in runtime.run_batch(queries):
            _ = run.trace.root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("float", "exact"))
    parser.add_argument("contest", choices=CONTESTS)
    parser.add_argument("batch", type=int)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    contest = CONTESTS[options.contest]
    contest.samples(1)  # imports what the inputs take
    torch.mm(torch.ones(2, 2), torch.ones(2, 2))
    before = _peak()
    if options.side == "float":
        _run_float(contest, options.batch)
    else:
        _run_exact(contest, options.batch, options.folder)
    print(_peak() - before)


if __name__ == "__main__":
    main()
