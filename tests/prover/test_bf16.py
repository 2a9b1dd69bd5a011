"""The bf16 backend: bit for bit the scalar specification at the ends of its slices, and refused if its sums round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.interpreter import Interpretation
from prover.kernels.backend import Backend, Product
from prover.kernels.bf16 import BFloat16, plane_magnitudes, planes
from prover.kernels.digits import Range
from prover.kernels.worst_cases import I8, I16, I32, TWO_DIGITS, why_inexact
from prover.operators import TABLE
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Operator,
    OutputSpec,
    Program,
    TensorSpec,
    View,
)
from prover.runtime import Runtime
from prover.trace import NUMPY_DTYPES, Array

CPU = torch.device("cpu")
TERMS = (1, 2, 15, 513, 1023, 1024, 1025, 2049, 53_248)
WAYS = ("lowest", "highest", "apart", "alternating", "random")


def values(dtype: DType, rows: int, terms: int, way: str, seed: int) -> Array:
    """[rows, terms] at the ends of a dtype; "apart": rows of the other sign than the columns' (seed 1)."""
    lo, hi = (dtype.hi, dtype.lo) if way == "apart" and seed else (dtype.lo, dtype.hi)
    random = np.random.default_rng(seed)
    drawn = {
        "lowest": lambda: np.full((rows, terms), dtype.lo),
        "highest": lambda: np.full((rows, terms), dtype.hi),
        "apart": lambda: np.full((rows, terms), lo),
        "alternating": lambda: np.where((np.arange(terms) + np.arange(rows)[:, None]) % 2, lo, hi),
        "random": lambda: random.integers(lo, hi, (rows, terms), endpoint=True),
    }[way]()
    return drawn.astype(NUMPY_DTYPES[dtype])


def product_of_inputs(dtype: DType, m: int, n: int, k: int) -> Program:
    """Rows [m, k] times columns, i8 [n, k]: sums shifted by as much as keeps them in i32."""
    a = View(InputRef(0), dtype, m * k, 0, (k, 0, 1))
    b = View(InputRef(1), DType.I8, n * k, 0, (0, k, 1))
    bits = (k * -dtype.lo * 128).bit_length()
    row, i32 = TABLE["dot"], DType.I32
    operands = (a, b, Immediate(1), Immediate(0))
    operator = Operator(row.opcode, row.variant, i32, (m, n, k), operands, i32.lo, i32.hi, 1, max(0, bits - 31), 0, 0)
    inputs = (TensorSpec(dtype, (m, k)), TensorSpec(DType.I8, (n, k)))
    return Program(inputs, (Layer((operator,), (0,)),), (OutputSpec(CheckpointRef(0, 0, 1), i32, (m, n)),))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("dtype", [DType.I8, DType.I16])
def test_a_dot_has_the_scalar_meaning_around_the_length_of_a_slice(dtype: DType, terms: int, way: str) -> None:
    m, n = (1, 1) if terms > 5000 else (3, 2)
    program = product_of_inputs(dtype, m, n, terms)
    inputs = (values(dtype, m, terms, way, 0), values(DType.I8, n, terms, way, 1))
    runtime = Runtime(program, {}, backend="bf16")
    assert runtime.backends() == {"bf16": ["0.0"]}
    expected = Interpretation(program, {}, inputs).outputs[0]
    np.testing.assert_array_equal(runtime.run(inputs).outputs[0], expected)


RANGES = (I8, TWO_DIGITS, I16, I32, Range(0, 255), Range(-256, 256), Range(5, 65_663), Range(-40_000, -39_000))


@pytest.mark.parametrize("held", RANGES)
def test_planes_are_held_by_bf16_and_add_up_to_the_value(held: Range) -> None:
    magnitudes = plane_magnitudes(held)
    drawn = np.random.default_rng(0).integers(held.lo, held.hi, 200, endpoint=True)
    x = torch.from_numpy(np.concatenate([drawn, [held.lo, held.lo + 1, held.hi - 1, held.hi]]))
    split = planes(x.reshape(1, 1, -1), len(magnitudes))[0].to(torch.int64)
    assert torch.equal(sum(plane << 8 * i for i, plane in enumerate(split)), x)
    assert all(int(plane.abs().max()) <= most <= 256 for plane, most in zip(split, magnitudes, strict=True))


def test_the_whole_of_i16_takes_two_planes_where_i8_digits_take_three() -> None:
    assert (len(plane_magnitudes(I16)), I16.digits) == (2, 3)


@given(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_sum_of_a_slice_is_one_that_float32_holds(a: int, b: int) -> None:
    product = Product(1, 1, 1, 10**6, Range(-a, a), Range(-b, b))
    terms = BFloat16().terms(product)
    largest = max(plane_magnitudes(product.a)) * max(plane_magnitudes(product.b))
    assert terms >= 1
    assert terms * largest <= 1 << 24 < (terms + 1) * largest
    assert BFloat16().terms(Product(1, 1, 1, 1, I16, I8)) == 1024


@dataclass(frozen=True)
class Broken(BFloat16):
    """A device whose sums are not what they should be, in one of several ways."""

    name: str = "rounding"

    def terms(self, product: Product) -> int:
        return super().terms(product) * (2 if self.name == "long slices" else 1)

    def _slice(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self.name == "rounded to bf16":
            return torch.bmm(a, b.transpose(1, 2)).to(torch.float32)
        if self.name == "without the tail":
            kept = slice(0, a.shape[-1] // 8 * 8 or 1)
            a, b = a[..., kept], b[..., kept]
        sums = super()._slice(a, b)
        if self.name == "23 bits":
            return torch.where(sums.abs() > 1 << 23, (sums / 2).trunc() * 2, sums)
        if self.name == "rounded down below zero":
            return torch.where(sums < -(1 << 23), (sums / 2).floor() * 2, sums)
        if self.name == "14 bits on the way":  # as the sums of FP8 products on some tensor cores
            low = torch.finfo(torch.float32).tiny
            parts = [
                super(Broken, self)._slice(a[..., first : first + 32], b[..., first : first + 32])
                for first in range(0, a.shape[-1], 32)
            ]
            held = parts[0]
            for part in parts[1:]:
                unit = 2.0 ** (torch.maximum(held.abs(), part.abs()).clamp(min=low).log2().floor() - 13)
                held = (held / unit).trunc() * unit + (part / unit).trunc() * unit
            return held
        return sums


WAYS_TO_BREAK = (
    "rounded to bf16",
    "long slices",
    "23 bits",
    "rounded down below zero",
    "14 bits on the way",
    "without the tail",
)


@pytest.mark.parametrize("way", WAYS_TO_BREAK)
def test_a_device_whose_sums_are_not_exact_is_refused(way: str) -> None:
    reason = why_inexact(Broken(way), CPU)
    assert reason is not None
    assert "instead of" in reason


def test_one_whose_sums_are_exact_is_not() -> None:
    sound: Backend = Broken("sound")
    assert why_inexact(sound, CPU) is None
