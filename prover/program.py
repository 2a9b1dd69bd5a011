"""What an integer program is: inputs, layers of operators over strided views, and outputs (protocol, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NewType

TensorRoot = NewType("TensorRoot", bytes)
"""BLAKE3 of a tensor's bytes, 32 bytes."""
TraceRoot = NewType("TraceRoot", bytes)
ModelId = NewType("ModelId", bytes)

MAX_AXES = 8
MAX_OPERATORS = 64
MAX_LAYERS = 4096
MAX_INTERFACE = 8
MAX_TERMS = 1 << 21
MAX_TENSOR_BYTES = 1 << 32
MAX_TABLE = 1 << 16


class DType(IntEnum):
    """Stored integer type; the value is its code in records."""

    I8 = 1
    I16 = 2
    I32 = 3

    @property
    def size(self) -> int:
        """Bytes per element."""
        return 1 << (self.value - 1)

    @property
    def lo(self) -> int:
        return -(1 << (8 * self.size - 1))

    @property
    def hi(self) -> int:
        return (1 << (8 * self.size - 1)) - 1


class Opcode(IntEnum):
    DOT = 1
    ZIP = 2
    MAP = 3
    REDUCE = 4
    GATHER = 5
    PLACE = 6


@dataclass(frozen=True, slots=True)
class Immediate:
    """An i32 constant in place of a view."""

    value: int


@dataclass(frozen=True, slots=True)
class InputRef:
    """The program's input number `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class WeightRef:
    """A committed constant tensor, by the root of its bytes."""

    root: TensorRoot


@dataclass(frozen=True, slots=True)
class CheckpointRef:
    """Output `slot` of the `slots` outputs of an earlier layer."""

    layer: int
    slot: int
    slots: int


@dataclass(frozen=True, slots=True)
class ResultRef:
    """The result of an earlier operator of the same layer."""

    operator: int


TensorRef = InputRef | WeightRef | CheckpointRef | ResultRef


@dataclass(frozen=True, slots=True)
class View:
    """A strided window onto a tensor of `numel` elements; offset and strides count elements."""

    source: TensorRef
    dtype: DType
    numel: int
    offset: int
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole tensor that is viewed."""
        return self.numel * self.dtype.size


Operand = View | Immediate


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of a layer. Field by field as in the operator record (protocol, section 3.1).

    `shape` holds all n axes, the last `reduced` of which are reduced. `shift` and `lift` are the record's
    s and t; `k` is the exponent of recip and rsqrt, or place's dynamic axis (255 for none).
    """

    opcode: Opcode
    variant: int
    dtype: DType
    shape: tuple[int, ...]
    operands: tuple[Operand, ...]
    lo: int
    hi: int
    reduced: int = 0
    shift: int = 0
    lift: int = 0
    k: int = 0
    rows: int = 0
    box: tuple[int, ...] = ()
    start: tuple[int, ...] = ()

    @property
    def axes(self) -> int:
        return len(self.shape)

    @property
    def out_shape(self) -> tuple[int, ...]:
        return self.shape[: self.axes - self.reduced]

    @property
    def term_shape(self) -> tuple[int, ...]:
        return self.shape[self.axes - self.reduced :]

    @property
    def numel(self) -> int:
        """Elements of the result."""
        return math.prod(self.out_shape)

    @property
    def terms(self) -> int:
        """Terms of one output element: the product of the reduced axes, 1 if there are none."""
        return math.prod(self.term_shape)

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.size


@dataclass(frozen=True, slots=True)
class Layer:
    """1 to 64 operators, and which of their results are checkpointed (ascending)."""

    operators: tuple[Operator, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """dtype and shape of a program input."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.size


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A program output: a checkpoint and the shape in which it is read."""

    source: CheckpointRef
    dtype: DType
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.size


@dataclass(frozen=True)
class Program:
    """An integer program. Weights are not part of it: it names them by their roots."""

    inputs: tuple[TensorSpec, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[OutputSpec, ...]
    names: tuple[str, ...] = field(default=(), compare=False)
    """One readable name per layer, for people; not committed."""

    @property
    def operator_count(self) -> int:
        return sum(len(layer.operators) for layer in self.layers)

    def operator(self, layer: int, operator: int) -> Operator:
        return self.layers[layer].operators[operator]

    def weight_roots(self) -> dict[TensorRoot, tuple[DType, int]]:
        """Every weight the program names, with dtype and number of elements."""
        return {
            operand.source.root: (operand.dtype, operand.numel)
            for layer in self.layers
            for operator in layer.operators
            for operand in operator.operands
            if isinstance(operand, View) and isinstance(operand.source, WeightRef)
        }
