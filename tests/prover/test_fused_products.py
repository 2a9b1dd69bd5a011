"""Products on the fused path, in every layout, against plain int64; kernels are tested and cached before use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from prover import validity
from prover.benchmarks.writing import I8, I16, I32, ONE, ZERO, Tensor, Writer
from prover.kernels import select
from prover.kernels.fused import engine, self_test
from prover.kernels.fused.description import RowProduct
from prover.kernels.fused.planning import KernelStep, ProductStep
from prover.program import DType, Immediate, Program
from prover.runtime import Runtime
from prover.trace import NUMPY_DTYPES, Array

BATCH, M, N, K = 3, 5, 19, 23


def drawn(program: Program, seed: int) -> list[Array]:
    """Inputs over the whole dtype; seed 0 is all lowest, seed 1 alternates between the ends."""
    rng = np.random.default_rng(seed)
    inputs = []
    for spec in program.inputs:
        lo, hi, count = spec.dtype.lo, spec.dtype.hi, int(np.prod(spec.shape))
        values = [np.full(count, lo), np.where(np.arange(count) % 2, lo, hi)]
        random = rng.integers(lo, hi, count, endpoint=True)
        inputs.append((values[seed] if seed < 2 else random).astype(NUMPY_DTYPES[spec.dtype]).reshape(spec.shape))
    return inputs


def assert_exact(writer: Writer, kept: Sequence[Tensor]) -> Runtime:
    """The fused run equals plain int64 kernels, for extreme and random inputs, alone and in a batch."""
    program = writer.finish(*writer.close(*kept))
    validity.check(program, writer.weights)
    fused, plain = Runtime(program, writer.weights, fused=True), Runtime(program, writer.weights, backend="int64")
    queries = [drawn(program, seed) for seed in range(4)]
    roots = [plain.run(query).trace.root for query in queries]
    assert [fused.run(query).trace.root for query in queries] == roots
    assert [run.trace.root for run in fused.run_batch(queries)] == roots
    return fused


@pytest.mark.parametrize("columns_first", [True, False], ids=["terms last", "columns last"])
@pytest.mark.parametrize(("a", "b"), [(I8, I8), (I16, I8), (I8, I16), (I16, I16)])
@pytest.mark.parametrize("k", [10, K, 64, 1100])
def test_row_products(a: DType, b: DType, k: int, columns_first: bool) -> None:
    """Odd sizes, whole vectors, and more terms than fit one int32 sum."""
    n = 32 if k == 64 else N
    w = Writer(np.random.default_rng(k))
    x, y = w.input(a, BATCH, M, k), w.input(b, BATCH, n * k)
    other = y.view(n * k, 0, k, 1) if columns_first else y.view(n * k, 0, 1, n)
    out = w.add("dot", I32, (BATCH, M, n, k), x.along(0, 1, None, 2), other, reduced=1, shift=9)
    runtime = assert_exact(w, [out])
    (step,) = runtime.execution(1).steps
    assert isinstance(step, KernelStep)
    (product,) = (each for each in step.lowered.kernel.passes if isinstance(each, RowProduct))
    assert product.split == (a is I16 and b is I16 and k > 1)


@pytest.mark.parametrize("weight", [I8, I16])
@pytest.mark.parametrize("swapped", [False, True], ids=["rows first", "weight first"])
@pytest.mark.parametrize("order", ["rows, columns", "columns, rows"])
@pytest.mark.parametrize("activation", [I8, I16])
def test_products_with_weights(activation: DType, weight: DType, swapped: bool, order: str) -> None:
    w = Writer(np.random.default_rng(1))
    x = w.input(activation, M, K)
    limit = 127 if weight is I8 else 32_639
    weights = w.weight(w.rng.integers(-limit, limit + 1, (N, K)), weight)
    scales = w.weight(w.rng.integers(-1000, 1000, (N, 2)), I32)
    if order == "rows, columns":
        shape, rows, columns, channel = (M, N, K), x.view(K, 0, 1), weights.view(0, K, 1), (0, 2)
    else:
        shape, rows, columns, channel = (N, M, K), x.view(0, K, 1), weights.view(K, 0, 1), (2, 0)
    factors = (columns, rows) if swapped else (rows, columns)
    m, c = scales.view(*channel), scales.view(*channel, offset=1)
    assert_exact(w, [w.add("dot", I16, shape, *factors, m, c, reduced=1, shift=14, lift=3)])


def test_windows_of_a_sequence_are_rows() -> None:
    """A one-dimensional convolution: the rows overlap, so each digit is gathered first."""
    w = Writer(np.random.default_rng(2))
    x = w.input(I16, 40)
    y = w.add("mul", I16, (40,), x.view(1), ONE, ONE, ZERO)
    kernel = w.weight(w.rng.integers(-127, 128, (20, 12)), I8)
    out = w.add("dot", I32, (10, 20, 12), y.view(3, 0, 1), kernel.view(0, 12, 1), reduced=1, shift=4)
    runtime = assert_exact(w, [out])
    assert any(isinstance(step, ProductStep) and step.plan.by_digits for step in runtime.execution(1).steps)


def test_other_ranges_go_to_other_backends() -> None:
    w = Writer(np.random.default_rng(3))
    x = w.input(I32, M, K)
    weights = w.weight(w.rng.integers(-127, 128, (N, K)), I8)
    product = w.add("dot", I32, (M, N, K), x.view(K, 0, 1), weights.view(0, K, 1), reduced=1, shift=20)
    assert_exact(w, [w.add("mul", I32, (M, N), product.along(0, 1), Immediate(3), shift=2)])


def test_kernels_are_exact_on_this_machine() -> None:
    assert self_test.why_inexact(select()) is None


def test_an_inexact_kernel_is_refused_and_torch_kernels_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "why_inexact", lambda selection: "it rounds")
    self_test.fused_kernels_are_exact.cache_clear()
    w = Writer(np.random.default_rng(4))
    x = w.input(I16, 8)
    program = w.finish(*w.close(w.add("mul", I16, (8,), x.view(1))))
    with capture_logs() as logs:
        runtime = Runtime(program, {}, fused=True)
    self_test.fused_kernels_are_exact.cache_clear()
    assert not runtime.fused
    assert [log["reason"] for log in logs if log["event"] == "kernels.fused_refused"] == ["it rounds"]


# The cache of compiled kernels

SOURCE = """
define void @{name}(ptr %p) {{
  store i64 7, ptr %p
  ret void
}}
"""


def load(name: str, kept: str) -> int:
    """Modules that a new engine compiles to load a function whose module is cached as `kept`."""
    fresh = engine.Engine()
    fresh.load(kept, lambda: SOURCE.format(name=name), [name])
    return fresh.compiled


def test_a_compiled_kernel_is_kept_for_other_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REFUTE_CACHE", str(tmp_path / "kernels"))
    assert load("one", "k") == 1
    assert load("one", "k") == 0
    assert load("one", "other") == 1
    assert sorted(file.suffix for file in (tmp_path / "kernels").iterdir()) == [".o", ".o"]


def test_a_damaged_object_is_compiled_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REFUTE_CACHE", str(tmp_path))
    assert load("two", "k") == 1
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert load("two", "k") == 1
    assert load("two", "k") == 0


def test_without_a_writable_directory_kernels_are_compiled_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    monkeypatch.setenv("REFUTE_CACHE", os.fspath(blocked / "kernels"))
    assert load("three", "k") == 1
    assert load("three", "k") == 1
