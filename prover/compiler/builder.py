"""Collects operators into layers and, at the end, settles which results are checkpointed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from prover.compiler.layout import Axes, merged, shape_of
from prover.program import (
    MAX_OPERATORS,
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
from prover.quantisation import Reals
from prover.trace import NUMPY_DTYPES, Array, array_root


@dataclass(frozen=True)
class Produced:
    """The result of an operator, wherever it is read from."""

    layer: int
    operator: int


@dataclass(frozen=True)
class Stored:
    """A tensor of the program: where it comes from, and the values it can have."""

    origin: InputRef | WeightRef | Produced
    dtype: DType
    numel: int
    lo: int
    hi: int

    @property
    def magnitude(self) -> int:
        return max(abs(self.lo), abs(self.hi))

    def strided(self, strides: Sequence[int], offset: int = 0) -> Strided:
        return Strided(self, offset, tuple(strides))


@dataclass(frozen=True)
class Strided:
    """A view of a stored tensor, as an operand."""

    tensor: Stored
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Activation:
    """A quantised value: real = scale * integer, laid out by `axes` from `offset` in a stored tensor.

    With `factors`, one per element of the last axis, real = scale * factor * integer. With `total`, a softmax that is
    not yet divided by the sum of its row: real = scale * integer * total, `total` laid out like the other axes.
    """

    tensor: Stored
    axes: Axes
    scale: float
    offset: int = 0
    factors: Reals | None = field(default=None, compare=False)
    total: Reciprocal | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return shape_of(self.axes)

    @property
    def is_whole(self) -> bool:
        """Whether the logical tensor is the stored one, in order."""
        factors = merged([factor for axis in self.axes for factor in axis])
        dense = not factors or (len(factors) == 1 and factors[0].stride == 1)
        return dense and self.offset == 0 and int(np.prod(self.shape)) == self.tensor.numel

    def read(self, stored: Array) -> Reals:
        """The real values, from the stored integers."""
        address = np.full((), self.offset)
        for axis in self.axes:
            steps = np.zeros(1, np.int64)
            for factor in axis:
                steps = (steps[:, None] + np.arange(factor.extent) * factor.stride).reshape(-1)
            address = address[..., None] + steps
        reals: Reals = stored.reshape(-1)[address].astype(np.float64) * self.scale
        return reals if self.factors is None else reals * self.factors


@dataclass(frozen=True)
class Reciprocal:
    """One over the sums of rows: real = integer / 2^exponent. Laid out by `axes` in a stored tensor.

    `causal`: each row has summed over itself and those before it.
    """

    tensor: Stored
    axes: Axes
    exponent: int
    causal: bool = False


@dataclass(frozen=True)
class _Draft:
    """An operator whose operands still name results by where they are produced."""

    operator: Operator
    operands: tuple[Strided | int, ...]


class Builder:
    """A program in the making. Operators go to the layer begun last."""

    def __init__(self) -> None:
        self.inputs: list[TensorSpec] = []
        self.weights: dict[TensorRoot, Array] = {}
        self.names: list[str] = []
        self._layers: list[list[_Draft]] = []
        self._kept: set[Produced] = set()

    @property
    def layer(self) -> int:
        """Number of the layer that operators go to."""
        return len(self._layers) - 1

    @property
    def operators(self) -> int:
        """How many operators it has so far."""
        return len(self._layers[-1]) if self._layers else 0

    def begin_layer(self, name: str) -> None:
        self.names.append(name)
        self._layers.append([])

    def add_input(self, dtype: DType, shape: tuple[int, ...]) -> Stored:
        self.inputs.append(TensorSpec(dtype, shape))
        return Stored(InputRef(len(self.inputs) - 1), dtype, int(np.prod(shape)), dtype.lo, dtype.hi)

    def add_weight(self, dtype: DType, values: Array) -> Stored:
        array = np.ascontiguousarray(values, NUMPY_DTYPES[dtype])
        root = array_root(array)
        self.weights[root] = array
        return Stored(WeightRef(root), dtype, array.size, int(array.min()), int(array.max()))

    def add(self, operator: Operator, operands: Sequence[Strided | int]) -> Stored:
        """Append an operator, given without operands; its result."""
        if self.operators == MAX_OPERATORS:
            self.begin_layer(f"{self.names[-1]} (continued)")
        self._layers[-1].append(_Draft(operator, tuple(operands)))
        produced = Produced(self.layer, self.operators - 1)
        return Stored(produced, operator.dtype, operator.numel, operator.lo, operator.hi)

    def keep(self, tensor: Stored) -> None:
        """Checkpoint a result, whoever reads it."""
        if isinstance(tensor.origin, Produced):
            self._kept.add(tensor.origin)

    def finish(self, outputs: Sequence[Activation]) -> Program:
        """The program; `outputs` are whole tensors. Checkpoints are what is kept, and what later layers or the caller
        read."""
        kept: list[set[int]] = [set() for _ in self._layers]
        for number, drafts in enumerate(self._layers):
            for operand in (o for draft in drafts for o in draft.operands if isinstance(o, Strided)):
                origin = operand.tensor.origin
                if isinstance(origin, Produced) and origin.layer < number:
                    kept[origin.layer].add(origin.operator)
        for origin in (*self._kept, *(output.tensor.origin for output in outputs)):
            assert isinstance(origin, Produced)
            kept[origin.layer].add(origin.operator)
        for number, drafts in enumerate(self._layers):
            if not kept[number]:
                kept[number].add(len(drafts) - 1)
        slots = [sorted(layer) for layer in kept]
        layers = [
            Layer(tuple(_settled(draft, number, slots) for draft in drafts), tuple(slots[number]))
            for number, drafts in enumerate(self._layers)
        ]
        specs = []
        for output in outputs:
            ref = _reference(output.tensor.origin, len(layers), slots)
            assert isinstance(ref, CheckpointRef)
            specs.append(OutputSpec(ref, output.tensor.dtype, output.shape or (1,)))
        return Program(tuple(self.inputs), tuple(layers), tuple(specs), tuple(self.names))


def _reference(origin: InputRef | WeightRef | Produced, layer: int, slots: Sequence[Sequence[int]]) -> TensorRef:
    """How an operand in `layer` names a tensor."""
    if not isinstance(origin, Produced):
        return origin
    if origin.layer == layer:
        return ResultRef(origin.operator)
    held = slots[origin.layer]
    return CheckpointRef(origin.layer, held.index(origin.operator), len(held))


def _settled(draft: _Draft, layer: int, slots: Sequence[Sequence[int]]) -> Operator:
    operands: list[Operand] = []
    for operand in draft.operands:
        if isinstance(operand, int):
            operands.append(Immediate(operand))
        else:
            tensor = operand.tensor
            source = _reference(tensor.origin, layer, slots)
            operands.append(View(source, tensor.dtype, tensor.numel, operand.offset, operand.strides))
    return replace(draft.operator, operands=tuple(operands))
