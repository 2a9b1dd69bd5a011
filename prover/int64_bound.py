"""The int64 bound: the largest magnitude that any intermediate of an operator can have (protocol, section 3.4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from prover.operators import row_of
from prover.program import (
    CheckpointRef,
    Immediate,
    InputRef,
    Operand,
    Operator,
    Program,
    ResultRef,
    TensorRoot,
    View,
    WeightRef,
)
from prover.trace import Array

INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True)
class Magnitudes:
    """Of what the operands of a layer can hold; `weights` are the largest of each weight."""

    program: Program
    layer: int
    weights: Mapping[TensorRoot, int]

    def of(self, operand: Operand) -> int:
        """Largest magnitude an operand's elements can have."""
        if isinstance(operand, Immediate):
            return abs(operand.value)
        match operand.source:
            case InputRef(index):
                return -self.program.inputs[index].dtype.lo
            case WeightRef(root):
                return self.weights[root]
            case CheckpointRef(number, slot):
                layer = self.program.layers[number]
                producer = layer.operators[layer.outputs[slot]]
            case ResultRef(earlier):
                producer = self.program.layers[self.layer].operators[earlier]
        return max(abs(producer.lo), abs(producer.hi))


def accumulator_bound(operator: Operator, mags: tuple[int, ...], weights: Mapping[TensorRoot, Array]) -> int:
    """S of section 3.4: the largest magnitude of the accumulator and of every partial sum."""
    name = row_of(operator).name
    if name == "dot":
        a, b = operator.operands[:2]
        if isinstance(b, View) and isinstance(b.source, WeightRef):
            return mags[0] * _largest_sum(operator, b, weights[b.source.root])
        if isinstance(a, View) and isinstance(a.source, WeightRef):
            return mags[1] * _largest_sum(operator, a, weights[a.source.root])
        return operator.terms * mags[0] * mags[1]
    if name == "mul":
        return mags[0] * mags[1]
    return max(mags[0], mags[1]) if name in ("min", "max") else mags[0]


MAX_SUMMED = 1 << 31
"""Terms of all output elements together up to which a weight's largest sum is taken exactly (section 3.4)."""
_SLICE = 1 << 24
"""Elements that are summed at once."""


def _largest_sum(operator: Operator, view: View, weight: Array) -> int:
    """Largest sum of magnitudes of a weight over the terms of one output element."""
    outer = operator.axes - operator.reduced
    extents, strides, repeats = [], [], 1
    for axis, (extent, stride) in enumerate(zip(operator.shape, view.strides, strict=True)):
        if stride == 0:
            repeats *= extent if axis >= outer else 1
            extent = 1
        extents.append(extent)
        strides.append(0 if extent == 1 else stride)
    flat = np.ascontiguousarray(weight).reshape(-1)
    if math.prod(extents) > MAX_SUMMED:
        return max(-int(flat.min()), int(flat.max())) * operator.terms
    size = flat.dtype.itemsize
    shown = np.ndarray(extents, flat.dtype, flat.data, view.offset * size, [s * size for s in strides])
    return max(_sums(shown, outer)) * repeats


def _sums(shown: Array, outer: int) -> Iterator[int]:
    """Largest sums of magnitudes over the axes from `outer` on, of a slice at a time."""
    if shown.size <= _SLICE or outer == 0:
        yield int(np.abs(shown, dtype=np.int64).sum(axis=tuple(range(outer, shown.ndim))).max())
        return
    step = max(1, _SLICE * len(shown) // shown.size)
    for first in range(0, len(shown), step):
        part = shown[first : first + step]
        yield from _sums(part, outer) if len(part) > 1 or outer == 1 else _sums(part[0], outer - 1)


def bound(operator: Operator, mags: tuple[int, ...], weights: Mapping[TensorRoot, Array]) -> int:
    """The largest magnitude any intermediate of the operator can have (section 3.4), by operand magnitudes."""
    row = row_of(operator)
    if not row.rescales:
        return 0
    m, c = mags[2], mags[3]
    if row.name == "div":
        return 2 * (mags[0] * m + (c << operator.lift)) + max(mags[1], 1)
    return finished(operator, accumulator_bound(operator, mags, weights), mags)


def finished(operator: Operator, total: int, mags: tuple[int, ...]) -> int:
    """The bound of an operator that is finished, from that of its accumulator."""
    half = 1 << (operator.shift - 1) if operator.shift else 0
    return max(total, total * mags[2] + (mags[3] << operator.lift) + half)
