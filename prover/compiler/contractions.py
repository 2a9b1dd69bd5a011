"""Sums over axes: means, totals, products summed over axes, and the turning of pairs; each is one dot."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from prover.compiler import layout
from prover.compiler.builder import Activation
from prover.compiler.graph import Node
from prover.compiler.layout import Factor, memory_order
from prover.compiler.lowering import Lowering, check_form
from prover.compiler.pooling import average
from prover.compiler.quantise import single
from prover.compiler.sums import broadcast
from prover.program import DType
from prover.views import contiguous


def mean(state: Lowering, node: Node) -> Activation:
    """The mean over some axes: a dot with b = 1."""
    return _over_axes(state, node, divided=True)


def total(state: Lowering, node: Node) -> Activation:
    """The sum over some axes; whole numbers stay whole."""
    return _over_axes(state, node, divided=False)


def _over_axes(state: Lowering, node: Node, *, divided: bool) -> Activation:
    value, strides = state.plain(state.activation(node, "self"))
    axes = len(strides)
    dims = node.arguments.get("dim") or range(axes)
    gone = sorted({dim % axes for dim in dims}, key=lambda axis: -abs(strides[axis]))
    kept = [axis for axis in memory_order(strides) if axis not in gone]
    shape, window = [value.shape[axis] for axis in kept], [value.shape[axis] for axis in gone]
    view = value.tensor.strided([strides[axis] for axis in (*kept, *gone)], value.offset)
    dense = _kept_axes(node, value.shape, kept, gone)
    count = math.prod(window)
    if not divided and value.scale == 1.0:
        check_form(node, (*shape, *window), len(window))
        source = node.arguments["self"].name
        hi = min(max(value.tensor.magnitude, 1), math.ceil(state.seen.magnitude(source))) * count
        operands = (view, 1, 1, 0)
        tensor = state.add("dot", (*shape, *window), operands, -hi, hi, DType.I32, reduced=len(window))
        return Activation(tensor, dense, 1.0)
    return average(state, node, value, view, shape, window, count if divided else 1, dense)


def _kept_axes(node: Node, shape: Sequence[int], kept: Sequence[int], gone: Sequence[int]) -> layout.Axes:
    """Axes of a result over `kept`, stored in that order."""
    logical = [axis for axis in range(len(shape)) if axis not in gone]
    dense = layout.dense([shape[axis] for axis in logical], [logical.index(axis) for axis in kept])
    if not node.arguments.get("keepdim"):
        return dense
    held = iter(dense)
    return tuple((Factor(1, 0),) if axis in gone else next(held) for axis in range(len(shape)))


def contraction(state: Lowering, node: Node) -> Activation:
    """refute.contract: the sum of a * b over some axes, one dot."""
    a, b = (state.graph.shape_of(node.arguments[name]) for name in ("a", "b"))
    full = np.broadcast_shapes(a, b)
    first, a_steps = state.plain(broadcast(state.activation(node, "a"), full))
    second, b_steps = state.plain(broadcast(state.activation(node, "b"), full))
    gone = sorted({dim % len(full) for dim in node.arguments["dims"]}, key=lambda axis: -abs(a_steps[axis]))
    kept = [axis for axis in memory_order(a_steps) if axis not in gone]
    order = (*kept, *gone)
    shape = [full[axis] for axis in order]
    check_form(node, shape, len(gone))
    form = state.form(node)
    accumulator = first.tensor.magnitude * second.tensor.magnitude * math.prod(full[axis] for axis in gone)
    m, shift = single(first.scale * second.scale / form.scale, accumulator)
    operands = (
        first.tensor.strided([a_steps[axis] for axis in order], first.offset),
        second.tensor.strided([b_steps[axis] for axis in order], second.offset),
    )
    tensor = state.add("dot", shape, (*operands, m, 0), form.lo, form.hi, form.dtype, reduced=len(gone), shift=shift)
    return Activation(tensor, _kept_axes(node, full, kept, gone), form.scale)


def rotary(state: Lowering, node: Node) -> Activation:
    """refute.rotary: each pair turned by its angle, a dot of two terms with a constant [S, 2, D/2, 2]."""
    value, strides = state.plain(state.activation(node, "input"))
    half = node.shape[-1] // 2
    cos, sin = (node.arguments[name].detach().double().numpy() for name in ("cos", "sin"))
    (c0, c1), (s0, s1) = np.split(cos, 2, -1), np.split(sin, 2, -1)
    # result half 0: (x0, x1) . (cos, -sin);  half 1: (x0, x1) . (sin, cos)
    turned = np.stack([np.stack([c0, -s0], -1), np.stack([s1, c1], -1)], -3)
    unit = 1 << 14
    table = state.constant(DType.I16, turned * unit, -unit, unit)
    steps = contiguous(turned.shape)
    leading = [s if n > 1 else 0 for n, s in zip(turned.shape[:-3], steps[:-3], strict=True)]
    form = state.form(node)
    outer = memory_order(strides[:-1])
    shape = [*(node.shape[axis] for axis in outer), 2, half, 2]
    last = strides[-1]
    a = value.tensor.strided([*(strides[axis] for axis in outer), 0, last, last * half], value.offset)
    b = table.strided([*(leading[axis] for axis in outer), *steps[-3:]])
    m, shift = single(value.scale / unit / form.scale, value.tensor.magnitude * unit * 2)
    tensor = state.add("dot", shape, (a, b, m, 0), form.lo, form.hi, form.dtype, reduced=1, shift=shift)
    order = (*outer, len(strides) - 1)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)
