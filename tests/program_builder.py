"""Grows random valid programs operator by operator; the strategies of `tests.strategies` begin with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from prover import int64_bound, validity
from prover.interpreter import reader, run_operator
from prover.operators import NO_AXIS, Role, Row
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
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

Sample = tuple[Program, dict[TensorRoot, Array], list[Array]]
"""A program, its weights, and inputs for it."""

MAX_NUMEL = 1500
"""Elements of a tensor: an i16 or i32 tensor of this many crosses a chunk."""


@dataclass(frozen=True)
class Tensor:
    """What an operand may look at, with the largest magnitude of its elements (protocol, section 3.4)."""

    source: TensorRef
    dtype: DType
    numel: int
    magnitude: int


@dataclass
class Builder:
    """Grows a program operator by operator; everything random comes from `rng`."""

    rng: np.random.Generator
    inputs: list[Array] = field(default_factory=list)
    weights: dict[TensorRoot, Array] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    """Inputs, weights and checkpoints so far."""
    checkpoints: list[list[Array]] = field(default_factory=list)

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high, endpoint=True))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def dtype(self) -> DType:
        return DType(self.between(1, 3))

    # Tensors

    def data(self, dtype: DType, numel: int) -> Array:
        """Values over the whole dtype, small ones, its extremes, or zeros."""
        kind = self.rng.choice(["whole", "small", "extreme", "zero"], p=[0.4, 0.4, 0.15, 0.05])
        if kind == "whole":
            values = self.rng.integers(dtype.lo, dtype.hi, numel, endpoint=True)
        elif kind == "small":
            values = self.rng.integers(-9, 9, numel, endpoint=True)
        else:
            extremes = [dtype.lo, dtype.lo + 1, -1, 0, 1, dtype.hi]
            values = self.rng.choice([0] if kind == "zero" else extremes, numel)
        return values.astype(NUMPY_DTYPES[dtype])

    def add_input(self, dtype: DType, shape: tuple[int, ...]) -> None:
        numel = math.prod(shape)
        self.tensors.append(Tensor(InputRef(len(self.inputs)), dtype, numel, -dtype.lo))
        self.inputs.append(self.data(dtype, numel).reshape(shape))

    def add_weight(self, dtype: DType, numel: int) -> None:
        array = self.data(dtype, numel)
        root = array_root(array)
        if root in self.weights:  # the same bytes, perhaps in another dtype
            return self.add_weight(dtype, numel + 1)
        self.weights[root] = array
        largest = max(-int(array.min()), int(array.max()))
        self.tensors.append(Tensor(WeightRef(root), dtype, numel, largest))

    # Operands

    def view(self, tensor: Tensor, extents: Sequence[int]) -> View:
        """A random view inside a tensor: contiguous in some order of axes, or with any strides, 0 and negative too."""
        strides = [0] * len(extents)
        room = tensor.numel - 1
        dense = math.prod(extents) <= tensor.numel and self.chance(0.5)
        order = list(range(len(extents)))
        if self.chance(0.4):
            order = [int(axis) for axis in self.rng.permutation(len(extents))]
        step = 1
        for axis in reversed(order):
            span = extents[axis] - 1
            if dense:
                strides[axis] = step
                step *= extents[axis]
            elif span:
                most = room // span
                strides[axis] = int(self.rng.choice([0, min(1, most), self.between(0, most)], p=[0.2, 0.4, 0.4]))
            else:
                strides[axis] = self.between(-3, 3)
            room -= strides[axis] * span
            if self.chance(0.15):
                strides[axis] = -strides[axis]
        spans = [stride * (extent - 1) for stride, extent in zip(strides, extents, strict=True)]
        low, high = -sum(min(x, 0) for x in spans), tensor.numel - 1 - sum(max(x, 0) for x in spans)
        return View(tensor.source, tensor.dtype, tensor.numel, self.between(low, high), tuple(strides))

    def operand(self, role: Role, shell: Operator, earlier: Sequence[Tensor]) -> tuple[Operand, int]:
        """An operand for a role of an operator, and its largest magnitude."""
        if role.immediate and self.chance(0.5):
            small = self.between(-20, 20)
            value = int(self.rng.choice([1, 0, small, self.between(-(1 << 31), (1 << 31) - 1)], p=[0.4, 0.2, 0.3, 0.1]))
            return Immediate(value), abs(value)
        tensors = [*self.tensors, *earlier]
        if earlier and self.chance(0.4):
            tensors = list(earlier)
        tensor = tensors[self.between(0, len(tensors) - 1)]
        if role.name == "table" and not role.extents(shell):
            return View(tensor.source, tensor.dtype, tensor.numel, 0, ()), tensor.magnitude
        return self.view(tensor, role.extents(shell)), tensor.magnitude

    # Operators

    def shape(self) -> tuple[int, ...]:
        """1 to 4 axes, rarely 8; now and then long enough to cross a chunk."""
        if self.chance(0.15):
            return (self.between(257, 700),)
        if self.chance(0.05):
            return tuple(self.between(1, 2) for _ in range(8))
        return tuple(self.between(1, 6) for _ in range(self.between(1, 4)))

    def extents(self, row: Row) -> tuple[tuple[int, ...], int]:
        """(shape, reduced): reductions keep few outputs when they have many terms."""
        if row.opcode is Opcode.REDUCE and self.chance(0.3):
            return (self.between(1, 3), self.between(300, 1200)), 1
        if row.opcode is Opcode.DOT and self.chance(0.4):
            return (self.between(1, 2), self.between(1, 3), self.between(300, 1200)), 1
        shape = self.shape()
        if row.opcode not in (Opcode.DOT, Opcode.REDUCE):
            return shape, 0
        return shape, self.between(row.opcode is Opcode.REDUCE, len(shape))

    def operator(self, row: Row, earlier: Sequence[Tensor] = ()) -> Operator:
        """A random operator of a row that satisfies the int64 bound; `earlier` are this layer's results."""
        while True:
            candidate, magnitudes = self._candidate(row, earlier)
            if row.rescales:
                candidate = self._tuned(candidate, magnitudes)
            if int64_bound.bound(candidate, magnitudes, self.weights) <= int64_bound.INT64_MAX:
                return candidate

    def lively_operator(self, row: Row, earlier: Sequence[Tensor], results: Sequence[Array]) -> tuple[Operator, Array]:
        """An operator with its result; of a few draws the first whose elements differ, if any."""
        for _ in range(8):
            operator = self.operator(row, earlier)
            flat = [array.reshape(-1) for array in self.inputs]
            read = reader(operator, flat, self.weights, self.checkpoints, results)
            result = run_operator(operator, read)
            if len(np.unique(result)) > min(3, result.size // 2):
                break
        return operator, result

    def _candidate(self, row: Row, earlier: Sequence[Tensor]) -> tuple[Operator, tuple[int, ...]]:
        shape, reduced = self.extents(row)
        dtype = self.dtype()
        lo, hi = dtype.lo, dtype.hi
        if self.chance(0.3):
            lo, hi = sorted((self.between(lo, hi), self.between(lo, hi)))
        k = {"recip": self.between(0, 62), "rsqrt": self.between(0, 31)}.get(row.name, 0)
        box: tuple[int, ...] = ()
        start: tuple[int, ...] = ()
        if row.opcode is Opcode.PLACE:
            k = NO_AXIS
            box = tuple(self.between(1, extent + 2) for extent in shape)
            start = tuple(self.between(-2, extent) if self.chance(0.6) else 0 for extent in shape)
        rows = self.between(1, 9) if row.opcode is Opcode.GATHER else 0
        lift = self.between(0, 12) if row.rescales and self.chance(0.4) else 0
        shell = Operator(row.opcode, row.variant, dtype, shape, (), lo, hi, reduced, 0, lift, k, rows, box, start)
        chosen = [self.operand(role, shell, earlier) for role in row.roles]
        operands = tuple(operand for operand, _ in chosen)
        if row.opcode is Opcode.PLACE and isinstance(operands[2], View):
            k = self.between(0, len(shape) - 1)
        elif row.opcode is Opcode.PLACE:
            operands = (*operands[:2], Immediate(0))
        built = Operator(row.opcode, row.variant, dtype, shape, operands, lo, hi, reduced, 0, lift, k, rows, box, start)
        return built, tuple(magnitude for _, magnitude in chosen)

    def _tuned(self, operator: Operator, magnitudes: tuple[int, ...]) -> Operator:
        """With a shift that brings most results inside the clamp, so that rounding and values matter."""
        if operator.opcode is Opcode.ZIP and operator.variant == 3:
            return operator
        largest = int64_bound.bound(operator, magnitudes, self.weights)
        bits = largest.bit_length() - operator.dtype.hi.bit_length() - self.between(0, 8)
        shift = min(max(bits, 0), 62) if self.chance(0.8) else self.between(0, 40)
        return replace(operator, shift=shift)

    def add_layer(self, rows: Sequence[Row]) -> None:
        """One operator per row; some results are checkpointed."""
        operators: list[Operator] = []
        results: list[Array] = []
        tensors: list[Tensor] = []
        for row in rows:
            operator, result = self.lively_operator(row, tensors, results)
            results.append(result)
            magnitude = max(abs(operator.lo), abs(operator.hi))
            tensors.append(Tensor(ResultRef(len(operators)), operator.dtype, operator.numel, magnitude))
            operators.append(operator)
        outputs = sorted({self.between(0, len(rows) - 1) for _ in range(self.between(1, 4))} | {len(rows) - 1})
        for slot, output in enumerate(outputs):
            held = tensors[output]
            source = CheckpointRef(len(self.layers), slot, len(outputs))
            self.tensors.append(Tensor(source, held.dtype, held.numel, held.magnitude))
        self.layers.append(Layer(tuple(operators), tuple(outputs)))
        self.checkpoints.append([results[output] for output in outputs])

    def finish(self, outputs: int) -> Sample:
        """The program with `outputs` outputs, the last layer's last slot and random others; checked."""
        checkpoints = [
            CheckpointRef(number, slot, len(layer.outputs))
            for number, layer in enumerate(self.layers)
            for slot in range(len(layer.outputs))
        ]
        picked = [checkpoints[-1], *(checkpoints[self.between(0, len(checkpoints) - 1)] for _ in range(outputs - 1))]
        specs = []
        for ref in picked:
            layer = self.layers[ref.layer]
            operator = layer.operators[layer.outputs[ref.slot]]
            specs.append(OutputSpec(ref, operator.dtype, operator.out_shape or (1,)))
        codes = {dtype: code for code, dtype in NUMPY_DTYPES.items()}
        inputs = tuple(TensorSpec(codes[array.dtype], array.shape) for array in self.inputs)
        program = Program(inputs, tuple(self.layers), tuple(specs))
        weights = {root: self.weights[root] for root in program.weight_roots()}
        validity.check(program, weights)
        return program, weights, self.inputs
