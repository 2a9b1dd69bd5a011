"""Torch kernels against the scalar specification, bit for bit: every row, every backend, random and extreme values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prover import validity
from prover.interpreter import Interpretation
from prover.kernels import KERNELS
from prover.kernels.matmul import BACKENDS
from prover.kernels.pointwise import floor_root
from prover.operators import NO_AXIS, TABLE
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Operand,
    Operator,
    OutputSpec,
    Program,
    TensorSpec,
    View,
)
from prover.runtime import Runtime
from prover.trace import NUMPY_DTYPES, Array
from tests.strategies import Sample, lone_operators

I8, I16, I32 = DType.I8, DType.I16, DType.I32
ONE, ZERO = Immediate(1), Immediate(0)
EXTREMES = {dtype: [dtype.lo, dtype.lo + 1, -3, -2, -1, 0, 1, 2, 3, dtype.hi - 1, dtype.hi] for dtype in DType}


def test_every_row_of_the_operator_table_has_a_kernel() -> None:
    assert set(KERNELS) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_kernel_computes_the_scalar_meaning(name: str, data: st.DataObject) -> None:
    assert_agreement(data.draw(lone_operators(name)))


@pytest.mark.parametrize("backend", [backend.name for backend in BACKENDS])
@given(sample=lone_operators("dot"))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_dot_has_the_scalar_meaning_on_every_backend(backend: str, sample: Sample) -> None:
    assert_agreement(sample, backend)


def assert_agreement(sample: Sample, backend: str | None = None) -> Array:
    program, weights, inputs = sample
    expected = Interpretation(program, weights, tuple(inputs)).outputs[0]
    got = Runtime(program, weights, backend=backend).run(inputs).outputs[0]
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    return got


# Chosen cases: operators over inputs only, every value written out


def stored(dtype: DType, values: object) -> Array:
    return np.array(values, NUMPY_DTYPES[dtype])


def lone(
    name: str, inputs: Sequence[Array], operands: Sequence[Operand], shape: tuple[int, ...], **fields: int
) -> Sample:
    """A program of one operator over its inputs, with the whole dtype as clamp unless `fields` say otherwise."""
    row = TABLE[name]
    dtype = DType(fields.pop("dtype", I32))
    limits = {"lo": dtype.lo, "hi": dtype.hi, **fields}
    operator = Operator(row.opcode, row.variant, dtype, shape, tuple(operands), **limits)
    return program_of(operator, inputs)


def program_of(operator: Operator, inputs: Sequence[Array]) -> Sample:
    codes = {dtype: code for code, dtype in NUMPY_DTYPES.items()}
    specs = tuple(TensorSpec(codes[array.dtype], array.shape) for array in inputs)
    output = OutputSpec(CheckpointRef(0, 0, 1), operator.dtype, operator.out_shape or (1,))
    program = Program(specs, (Layer((operator,), (0,)),), (output,))
    validity.check(program, {})
    return program, {}, list(inputs)


def view(inputs: Sequence[Array], index: int, *strides: int, offset: int = 0) -> View:
    codes = {dtype: code for code, dtype in NUMPY_DTYPES.items()}
    return View(InputRef(index), codes[inputs[index].dtype], inputs[index].size, offset, strides)


@pytest.mark.parametrize("shift", [0, 1, 2, 5])
@pytest.mark.parametrize("m", [1, -1, 3])
def test_halves_round_up_also_below_zero(shift: int, m: int) -> None:
    inputs = [stored(I16, range(-70, 71))]
    got = assert_agreement(lone("mul", inputs, (view(inputs, 0, 1), ONE, Immediate(m), ZERO), (141,), shift=shift))
    assert got.tolist() == [math.floor(x * m / (1 << shift) + (0.5 if shift else 0)) for x in range(-70, 71)]


@pytest.mark.parametrize("name", ["mul", "min", "max", "div"])
@pytest.mark.parametrize("dtype", DType)
def test_zip_at_the_ends_of_every_dtype(name: str, dtype: DType) -> None:
    """Every pair of extremes; divisors of zero and below count as one."""
    inputs = [stored(dtype, EXTREMES[dtype])]
    count = len(EXTREMES[dtype])
    operands = (view(inputs, 0, 1, 0), view(inputs, 0, 0, 1), ONE, ZERO)
    assert_agreement(lone(name, inputs, operands, (count, count)))
    scaled = (*operands[:2], Immediate(-1), view(inputs, 0, 1, 0))
    assert_agreement(lone(name, inputs, scaled, (count, count), lift=3, dtype=I8))


@pytest.mark.parametrize(("name", "k"), [("recip", 0), ("recip", 62), ("rsqrt", 0), ("rsqrt", 31), ("isqrt", 0)])
def test_maps_at_the_ends(name: str, k: int) -> None:
    squares = [n * n + d for n in (2, 3, 255, 256, 46340) for d in (-1, 0, 1)]
    inputs = [stored(I32, [*EXTREMES[I32], *squares])]
    assert_agreement(lone(name, inputs, (view(inputs, 0, 1),), (inputs[0].size,), k=k))


def test_the_integer_root_is_exact_where_doubles_are_not() -> None:
    roots = [*range(1, 50), (1 << 31) - 1, 1 << 31, (1 << 26) + 1, 94906267, *(3**i for i in range(19))]
    values = [n * n + d for n in roots for d in (-1, 0, 1) if n * n + d <= 1 << 62]
    assert floor_root(torch.tensor(values)).tolist() == [math.isqrt(value) for value in values]


def test_a_table_is_clamped_at_both_ends() -> None:
    inputs = [stored(I16, EXTREMES[I16]), stored(I8, [5, -128, 127, 7])]
    operands = (view(inputs, 0, 1), view(inputs, 1), ONE, Immediate(1))
    assert_agreement(lone("table", inputs, operands, (11,), dtype=I8))


def test_the_lowest_index_wins_ties() -> None:
    inputs = [stored(I8, [[3, 127, 127, 127], [-128, -128, -128, -128], [0, 1, 0, 1]])]
    got = assert_agreement(lone("reduce_argmax", inputs, (view(inputs, 0, 4, 1),), (3, 4), reduced=1))
    assert got.tolist() == [1, 0, 1]
    ties = [np.zeros((2, 5000), np.int8)]
    got = assert_agreement(lone("reduce_argmax", ties, (view(ties, 0, 5000, 1),), (2, 5000), reduced=1))
    assert got.tolist() == [0, 0]


def test_the_largest_magnitude_of_the_lowest_value_is_clamped() -> None:
    inputs = [stored(I32, [-(1 << 31), 5])]
    got = assert_agreement(lone("reduce_absmax", inputs, (view(inputs, 0, 1),), (2,), reduced=1))
    assert got.item() == (1 << 31) - 1


def test_gather_clamps_its_index() -> None:
    inputs = [stored(I32, EXTREMES[I32]), stored(I16, np.arange(12) * 1000)]
    row = TABLE["gather"]
    backwards = view(inputs, 1, 0, 1, -4, offset=8)
    operands = (view(inputs, 0, 1, 0), backwards)
    operator = Operator(row.opcode, row.variant, I16, (11, 4), operands, I16.lo, I16.hi, rows=3)
    assert_agreement(program_of(operator, inputs))


@pytest.mark.parametrize("position", [0, 1, 2, -1, -3, -4, 4, 6, 7, (1 << 31) - 1, -(1 << 31)])
@pytest.mark.parametrize("base", [False, True])
def test_place_drops_what_falls_outside(position: int, base: bool) -> None:
    inputs = [stored(I16, [[1, -200, 3], [4, 5, 300]]), stored(I32, [position]), stored(I32, range(-21, 21))]
    row = TABLE["place"]
    under = view(inputs, 2, 7, 1) if base else Immediate(9)
    operands = (view(inputs, 0, 3, 1), under, view(inputs, 1))
    operator = Operator(row.opcode, row.variant, I8, (6, 7), operands, -100, 127, k=1, box=(2, 3), start=(5, 1))
    assert_agreement(program_of(operator, inputs))


def test_place_at_a_fixed_box() -> None:
    inputs = [stored(I8, range(6))]
    row = TABLE["place"]
    operands = (view(inputs, 0, -3, 1, offset=3), Immediate(-(1 << 31)), ZERO)
    operator = Operator(row.opcode, row.variant, I8, (3, 3), operands, -7, 4, k=NO_AXIS, box=(2, 3), start=(-1, 1))
    assert_agreement(program_of(operator, inputs))


@pytest.mark.parametrize("backend", [backend.name for backend in BACKENDS])
@pytest.mark.parametrize(("a", "b"), [(I8, I8), (I16, I8), (I16, I16), (I32, I8), (I8, I32), (I32, I16)])
def test_dots_of_extremes(backend: str, a: DType, b: DType) -> None:
    """Saturating pairs, alternating ends, zeros, and one row that runs backwards."""
    terms = 1500
    rows = [[low] * terms for low in EXTREMES[a][:2]] + [[a.lo, a.hi] * (terms // 2), [0] * terms]
    columns = [[b.lo] * terms, [b.hi, b.lo] * (terms // 2), [b.hi] * terms]
    inputs = [stored(a, rows), stored(b, columns)]
    operands = (
        view(inputs, 0, terms, 0, 1),
        view(inputs, 1, 0, terms, -1, offset=terms - 1),
        Immediate(1),
        ZERO,
    )
    shift = max(0, 8 * (a.size + b.size) - 22)
    assert_agreement(lone("dot", inputs, operands, (4, 3, terms), reduced=1, shift=shift), backend)


@pytest.mark.parametrize("backend", [backend.name for backend in BACKENDS])
def test_the_longest_sums_are_exact(backend: str) -> None:
    """2^21 terms of the largest magnitude, each factor one element read again and again."""
    inputs = [stored(I16, [I16.lo, I16.hi]), stored(I8, [-128, 127])]
    operands = (view(inputs, 0, 1, 0, 0), view(inputs, 1, 0, 1, 0), ONE, ZERO)
    program, weights, held = lone("dot", inputs, operands, (2, 2, 1 << 21), reduced=1, shift=15)
    got = Runtime(program, weights, backend=backend).run(held).outputs[0]
    exact = [[(x * y * (1 << 21) + (1 << 14)) >> 15 for y in (-128, 127)] for x in (I16.lo, I16.hi)]
    assert got.tolist() == exact


def test_a_sum_over_everything_is_one_element() -> None:
    inputs = [stored(I16, [[1, 2, 3], [4, 5, -6]])]
    got = assert_agreement(lone("dot", inputs, (view(inputs, 0, 3, 1), Immediate(-2), ONE, ONE), (2, 3), reduced=2))
    assert got.tolist() == [-17]
