"""The CUDA benchmark: what it measures is checked on the CPU; without a device it says so in one line, status 2."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from prover.benchmarks import cuda
from prover.benchmarks.llama import LLAMA_7B, LlamaShape
from prover.runtime import Runtime
from prover.trace import Array

SMALL = LlamaShape(tokens=12, width=64, heads=4, kv_heads=2, inner=96)


def test_the_block_has_the_shape_of_one_of_seven_billion_parameters() -> None:
    assert (LLAMA_7B.tokens, LLAMA_7B.width, LLAMA_7B.inner, LLAMA_7B.head) == (128, 4096, 11008, 128)


def test_every_exact_backend_is_measured_and_has_the_root_of_the_fused_run() -> None:
    found = cuda.measure("cpu", SMALL, repetitions=2)
    assert set(found["exact"]) == {"chosen", "int8", "float32", "float64", "bf16"}
    assert set(found["float"]) == {"float32", "float16", "bfloat16"}
    assert cuda.same_roots(found)
    assert all(run["ms"] > 0 for side in ("float", "exact") for run in found[side].values())
    assert all(0 < run["hash_ms"] < run["ms"] for run in found["exact"].values())


def test_a_run_that_differs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_on_bf16(runtime: Runtime, inputs: list[Array]) -> object:
        inputs = [inputs[0] + np.int32(1)] if "bf16" in runtime.backends() else inputs
        return runtime.run_batch([inputs])[0]

    monkeypatch.setattr(Runtime, "run", wrong_on_bf16)
    found = cuda.measure("cpu", SMALL, repetitions=1)
    assert not cuda.same_roots(found)
    assert [name for name, run in found["exact"].items() if not run["same_root"]] == ["bf16"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is at hand")
def test_without_a_device_it_says_so_in_one_line() -> None:
    done = subprocess.run([sys.executable, "-m", "prover.benchmarks.cuda"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "no CUDA device" in line
