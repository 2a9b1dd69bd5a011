"""Element-wise sums, means over axes, and ReLUs that nothing could absorb."""

from __future__ import annotations

import math

import numpy as np
import torch

from prover.compiler import layout
from prover.compiler.builder import Activation
from prover.compiler.graph import Node, Ref, refusal
from prover.compiler.lowering import Lowering
from prover.compiler.pooling import average
from prover.compiler.quantise import MAX_MULTIPLIER_BITS, requantiser, single
from prover.program import DType
from prover.views import contiguous

_EXTRA_BITS = 8
"""Bits below the result's unit in which the second summand is held, as far as i32 has room: the sum is rounded once."""


def add(state: Lowering, node: Node) -> Activation:
    """self + alpha * other, of equal shapes; other may be a constant that broadcasts."""
    if node.arguments["alpha"] != 1:
        raise refusal(node, f"alpha = {node.arguments['alpha']}", "multiply before adding")
    first, second = node.arguments["self"], node.arguments["other"]
    if isinstance(first, Ref) and isinstance(second, Ref):
        return _add_activations(state, node, state.values[first.name], state.values[second.name])
    value, constant = (first, second) if isinstance(first, Ref) else (second, first)
    return _add_constant(state, node, state.values[value.name], torch.as_tensor(constant))


def _order(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Logical axes, outermost in memory first."""
    return tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))


def _add_activations(state: Lowering, node: Node, first: Activation, second: Activation) -> Activation:
    """first*m + (second rescaled)*2^t: two operators, each rounding once."""
    if first.shape != second.shape:
        raise refusal(node, f"shapes {first.shape} and {second.shape} differ", "expand one to the other")
    (first, a), (second, b) = state.plain(first), state.plain(second)
    scale = state.scales[node.name]
    order = _order(a)
    shape = [first.shape[axis] for axis in order]
    largest = second.tensor.magnitude * second.scale / scale
    extra = min(_EXTRA_BITS, 31 - math.frexp(largest)[1])
    m, shift = single(first.scale / scale, first.tensor.magnitude, MAX_MULTIPLIER_BITS)
    if not 0 <= extra <= shift:
        problem = "the sum is tens of thousands of times smaller than what is added"
        raise refusal(node, problem, "check the calibration inputs")
    held_m, held_shift = single(second.scale * (1 << extra) / scale, second.tensor.magnitude)
    view = second.tensor.strided([b[axis] for axis in order], second.offset)
    lo, hi = DType.I32.lo, DType.I32.hi
    held = state.add("mul", shape, (view, 1, held_m, 0), lo, hi, DType.I32, shift=held_shift)
    lo, hi = state.output_range(node)
    rows = held.strided(contiguous(shape))
    operands = (first.tensor.strided([a[axis] for axis in order], first.offset), 1, m, rows)
    tensor = state.add("mul", shape, operands, lo, hi, shift=shift, lift=shift - extra)
    return Activation(tensor, layout.dense(node.shape, order), scale)


def _add_constant(state: Lowering, node: Node, value: Activation, constant: torch.Tensor) -> Activation:
    value, strides = state.plain(value)
    if value.shape != node.shape:
        raise refusal(node, f"a constant of shape {tuple(constant.shape)} widens the value", "expand the value first")
    scale = state.scales[node.name]
    reals = constant.detach().to(torch.float64).numpy()
    rescale = requantiser(np.full(reals.size, value.scale / scale), reals.reshape(-1) / scale, value.tensor.magnitude)
    stored = state.builder.add_weight(DType.I32, rescale.c)
    own = np.broadcast_to(np.arange(reals.size).reshape(reals.shape), node.shape)
    steps = [stride // own.itemsize for stride in own.strides]
    order = _order(strides)
    lo, hi = state.output_range(node)
    operands = (
        value.tensor.strided([strides[axis] for axis in order], value.offset),
        1,
        int(rescale.m[0]),
        stored.strided([steps[axis] for axis in order]),
    )
    shape = [node.shape[axis] for axis in order]
    tensor = state.add("mul", shape, operands, lo, hi, shift=rescale.shift, lift=rescale.lift)
    return Activation(tensor, layout.dense(node.shape, order), scale)


def relu(state: Lowering, node: Node) -> Activation:
    """A ReLU by itself: a clamp at 0, in the value's own scale."""
    value, strides = state.plain(state.activation(node, "self"))
    order = _order(strides)
    shape = [value.shape[axis] for axis in order]
    view = value.tensor.strided([strides[axis] for axis in order], value.offset)
    tensor = state.add("mul", shape, (view, 1, 1, 0), 0, max(value.tensor.hi, 0), value.tensor.dtype)
    return Activation(tensor, layout.dense(node.shape, order), value.scale)


def mean(state: Lowering, node: Node) -> Activation:
    """The mean over some axes: a dot with b = 1."""
    value, strides = state.plain(state.activation(node, "self"))
    axes = len(strides)
    dims = node.arguments.get("dim") or range(axes)
    gone = sorted({dim % axes for dim in dims}, key=lambda axis: -abs(strides[axis]))
    kept = [axis for axis in _order(strides) if axis not in gone]
    shape, window = [value.shape[axis] for axis in kept], [value.shape[axis] for axis in gone]
    view = value.tensor.strided([strides[axis] for axis in (*kept, *gone)], value.offset)
    logical = [axis for axis in range(axes) if axis not in gone]
    dense = layout.dense([value.shape[axis] for axis in logical], [logical.index(axis) for axis in kept])
    if node.arguments.get("keepdim"):
        held = iter(dense)
        dense = tuple((layout.Factor(1, 0),) if axis in gone else next(held) for axis in range(axes))
    return average(state, node, value, view, shape, window, math.prod(window), dense)
