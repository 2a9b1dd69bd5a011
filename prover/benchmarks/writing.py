"""A small language for writing transformer blocks as programs by hand, with random weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from prover.operators import TABLE
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
    ResultRef,
    TensorRef,
    TensorRoot,
    TensorSpec,
    View,
    WeightRef,
)
from prover.trace import NUMPY_DTYPES, Array, array_root
from prover.views import contiguous

I8, I16, I32 = DType.I8, DType.I16, DType.I32
TWO_DIGITS = (-32_639, 32_639)
"""A clamp for what two i8 passes multiply exactly."""
ONE, ZERO = Immediate(1), Immediate(0)


@dataclass(frozen=True)
class Tensor:
    """Something that operators can look at, with its shape."""

    source: TensorRef
    dtype: DType
    shape: tuple[int, ...]

    def view(self, *strides: int, offset: int = 0) -> View:
        return View(self.source, self.dtype, math.prod(self.shape), offset, strides)

    def along(self, *axes: int | None) -> View:
        """Contiguous strides of the named axes of this tensor; None does not move."""
        own = contiguous(self.shape)
        return self.view(*(0 if axis is None else own[axis] for axis in axes))


@dataclass
class Writer:
    """Grows a program layer by layer; results of the layer being written become checkpoints when it is closed."""

    rng: np.random.Generator
    inputs: list[TensorSpec] = field(default_factory=list)
    weights: dict[TensorRoot, Array] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)

    def input(self, dtype: DType, *shape: int) -> Tensor:
        self.inputs.append(TensorSpec(dtype, shape))
        return Tensor(InputRef(len(self.inputs) - 1), dtype, shape)

    def weight(self, values: np.ndarray, dtype: DType) -> Tensor:
        array = np.ascontiguousarray(values).astype(NUMPY_DTYPES[dtype])
        root = array_root(array)
        self.weights[root] = array
        return Tensor(WeightRef(root), dtype, array.shape)

    def matrix(self, rows: int, columns: int) -> Tensor:
        """i8 weights as they come from rounding a normal distribution."""
        values = np.clip(np.round(self.rng.standard_normal((rows, columns)) * 32), -127, 127)
        return self.weight(values, I8)

    def table(self, function: np.ndarray) -> Tensor:
        return self.weight(np.clip(np.round(function), -32767, 32767), I16)

    def add(
        self,
        name: str,
        dtype: DType,
        shape: Sequence[int],
        *operands: Operand,
        limits: tuple[int, int] | None = None,
        reduced: int = 0,
        shift: int = 0,
        lift: int = 0,
        k: int = 0,
    ) -> Tensor:
        """An operator of the layer that is being written; missing operands are b = m = 1 and c = 0."""
        row = TABLE[name]
        missing = {"b": ONE, "m": ONE, "c": ZERO}
        filled = (*operands, *(missing[role.name] for role in row.roles[len(operands) :]))
        lo, hi = limits or (dtype.lo, dtype.hi)
        if limits is None and dtype is I16:
            lo, hi = TWO_DIGITS
        operator = Operator(row.opcode, row.variant, dtype, tuple(shape), filled, lo, hi, reduced, shift, lift, k)
        self.operators.append(operator)
        return Tensor(ResultRef(len(self.operators) - 1), dtype, operator.out_shape)

    def close(self, *kept: Tensor) -> list[Tensor]:
        """End the layer; the kept results become its checkpoints."""
        indices = sorted(t.source.operator for t in kept if isinstance(t.source, ResultRef))
        number = len(self.layers)
        self.layers.append(Layer(tuple(self.operators), tuple(indices)))
        self.operators = []
        checkpoints = []
        for tensor in kept:
            assert isinstance(tensor.source, ResultRef)
            slot = indices.index(tensor.source.operator)
            checkpoints.append(Tensor(CheckpointRef(number, slot, len(indices)), tensor.dtype, tensor.shape))
        return checkpoints

    def finish(self, *outputs: Tensor) -> Program:
        specs = []
        for tensor in outputs:
            assert isinstance(tensor.source, CheckpointRef)
            specs.append(OutputSpec(tensor.source, tensor.dtype, tensor.shape))
        return Program(tuple(self.inputs), tuple(self.layers), tuple(specs))
