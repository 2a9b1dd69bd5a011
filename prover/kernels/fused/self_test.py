"""Fused kernels are tried against torch kernels on this machine before they are used: the worst cases of each part."""

from __future__ import annotations

from functools import cache

import numpy as np
import structlog
import torch

from prover.kernels.fused.execution import Execution
from prover.kernels.selection import Selection
from prover.operators import TABLE
from prover.program import CheckpointRef as Checkpoint
from prover.program import (
    DType,
    Immediate,
    InputRef,
    Layer,
    Operand,
    Operator,
    OutputSpec,
    Program,
    ResultRef,
    TensorRef,
    TensorSpec,
    View,
)

_log = structlog.get_logger(__name__)

ROWS, WIDTH = 32, 37
"""Rows of two vectors of 16 lanes and a rest; two halves of 16 rows are factors of each other."""
ONE, ZERO = Immediate(1), Immediate(0)


def _view(source: TensorRef, dtype: DType, *strides: int) -> View:
    return View(source, dtype, ROWS * WIDTH, 0, strides)


def _operator(
    name: str, shape: tuple[int, ...], *operands: Operand, reduced: int = 0, shift: int = 0, k: int = 0
) -> Operator:
    row, dtype = TABLE[name], DType.I32
    return Operator(row.opcode, row.variant, dtype, shape, operands, dtype.lo, dtype.hi, reduced, shift, 0, k)


def _program() -> Program:
    """Every kind of loop over two inputs: i32 [32, 37] and i16 [32, 37]."""
    wide, narrow = _view(InputRef(0), DType.I32, WIDTH, 1), _view(InputRef(1), DType.I16, WIDTH, 1)
    plane, half = (ROWS, WIDTH), ROWS // 2
    rows = _view(InputRef(1), DType.I16, half * WIDTH, WIDTH, 0, 1)
    columns = _view(InputRef(1), DType.I16, half * WIDTH, 0, WIDTH, 1)
    sums = View(ResultRef(10), DType.I32, ROWS, 0, (1, 0))
    operators = (
        _operator("mul", plane, wide, narrow, Immediate(-3), wide, shift=17),
        _operator("min", plane, wide, narrow, Immediate(5), ONE, shift=1),
        _operator("max", plane, narrow, Immediate(-7), ONE, narrow, shift=3),
        _operator("div", plane, wide, narrow, ONE, narrow),
        _operator(
            "table", plane, narrow, View(InputRef(1), DType.I16, ROWS * WIDTH, 0, ()), ONE, Immediate(1 << 15), shift=8
        ),
        _operator("recip", plane, wide, k=40),
        _operator("rsqrt", plane, wide, k=31),
        _operator("isqrt", plane, wide),
        _operator("reduce_max", plane, narrow, reduced=1),
        _operator("reduce_absmax", plane, wide, reduced=1),
        _operator("dot", plane, narrow, narrow, ONE, ZERO, reduced=1, shift=7),
        _operator("mul", plane, _view(ResultRef(0), DType.I32, WIDTH, 1), ONE, ONE, sums, shift=2),
        _operator("dot", (2, half, half, WIDTH), rows, columns, ONE, ZERO, reduced=1, shift=9),
    )
    count = len(operators)
    last = operators[-1]
    output = OutputSpec(Checkpoint(0, count - 1, count), last.dtype, last.out_shape)
    inputs = (TensorSpec(DType.I32, plane), TensorSpec(DType.I16, plane))
    return Program(inputs, (Layer(operators, tuple(range(count))),), (output,))


def _inputs(kind: int) -> list[torch.Tensor]:
    """Saturating, alternating, small and random values."""
    random = np.random.default_rng(kind)
    inputs = []
    for dtype in (DType.I32, DType.I16):
        ends = [dtype.lo, dtype.lo + 1, -1, 0, 1, dtype.hi]
        drawn = [
            np.full(ROWS * WIDTH, dtype.lo),
            np.where(np.arange(ROWS * WIDTH) % 2, dtype.lo, dtype.hi),
            random.choice(ends, ROWS * WIDTH),
            random.integers(dtype.lo, dtype.hi, ROWS * WIDTH, endpoint=True),
        ][kind]
        inputs.append(torch.from_numpy(drawn.astype(f"<i{dtype.size}")))
    return inputs


def why_inexact(selection: Selection) -> str | None:
    """The first operator that a fused kernel gets wrong here, or None."""
    program = _program()
    try:
        fused = Execution(program, 1, {}, {}, selection, fuse=True)
    except (RuntimeError, OSError) as error:
        return f"kernels do not compile: {str(error).splitlines()[0]}"
    plain = Execution(program, 1, {}, {}, selection, fuse=False)
    for kind in range(4):
        inputs = _inputs(kind)
        expected, got = plain.run(inputs), fused.run(inputs)
        for key, values in expected.items():
            if not torch.equal(values, got[key]):
                return f"operator {key.operator} of the test is wrong for inputs of kind {kind}"
    return None


@cache
def fused_kernels_are_exact(selection: Selection) -> bool:
    """Whether fused kernels may be used in this process; says why not in the log."""
    reason = why_inexact(selection)
    if reason:
        _log.warning("kernels.fused_refused", reason=reason)
    return reason is None
