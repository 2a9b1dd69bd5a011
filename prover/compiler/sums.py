"""Element-wise sums and products, quotients, means over axes, and ReLUs that nothing could absorb."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from prover.compiler import layout
from prover.compiler.builder import Activation
from prover.compiler.graph import Node, Ref, refusal
from prover.compiler.layout import Factor
from prover.compiler.lowering import Lowering, check_form
from prover.compiler.plan import Form, scalar_of
from prover.compiler.pooling import average
from prover.compiler.quantise import requantiser, single
from prover.errors import UnsupportedModule
from prover.program import DType
from prover.quantisation import LIMIT
from prover.views import contiguous

_EXTRA_BITS = 8
"""Bits below the result's unit in which a summand is held, as far as i32 has room: the sum is rounded once."""
_SUM_SHIFT = 36
"""Largest shift of a sum: the summand that is lifted by it has 24 bits."""
_DIVISION_BITS = 20
"""Bits of the smallest multiplier of a dividend."""


def add(state: Lowering, node: Node) -> Activation:
    """self + alpha * other."""
    return _sum(state, node, float(node.arguments["alpha"]))


def subtract(state: Lowering, node: Node) -> Activation:
    """self - alpha * other."""
    return _sum(state, node, -float(node.arguments["alpha"]))


def _sum(state: Lowering, node: Node, alpha: float) -> Activation:
    first, second = node.arguments["self"], node.arguments["other"]
    if isinstance(first, Ref) and isinstance(second, Ref):
        a, b = (state.raw(node, name) for name in ("self", "other"))
        a = state.activation(node, "self") if a.total is not None else a
        b = state.activation(node, "other") if b.total is not None else b
        return _add_activations(state, node, a, replace(b, scale=b.scale * alpha))
    value, constant, sign = (first, second, 1.0) if isinstance(first, Ref) else (second, first, alpha)
    other = torch.as_tensor(constant).to(torch.float64) * (alpha if sign == 1.0 else 1.0)
    name = "self" if isinstance(first, Ref) else "other"
    held = state.activation(node, name)
    assert isinstance(value, Ref)
    return _add_constant(state, node, replace(held, scale=held.scale * sign), other)


def _order(strides: Sequence[int]) -> tuple[int, ...]:
    """Logical axes, outermost in memory first."""
    return tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))


def broadcast(value: Activation, shape: Sequence[int]) -> Activation:
    """The value shown over a larger shape."""
    axes: list[layout.Axis] = [()] * (len(shape) - len(value.axes)) + list(value.axes)
    for axis, extent in enumerate(shape):
        if layout.extent(axes[axis]) != extent:
            axes[axis] = (Factor(extent, 0),)
    return replace(value, axes=tuple(axes))


def _add_activations(state: Lowering, node: Node, first: Activation, second: Activation) -> Activation:
    """first * m + second * 2^t, where the second is held in units of the result or in 256ths of one."""
    form = state.form(node)
    if _is_in_units(first, form) and not _is_in_units(second, form):
        first, second = second, first
    first, a = state.plain(broadcast(first, node.shape))
    order = _order(a)
    shape = [node.shape[axis] for axis in order]
    below = 0
    if not _is_in_units(second, form):
        if second.factors is not None:
            raise refusal(node, "both summands have factors per channel", "normalise only one of them")
        largest = second.tensor.magnitude * abs(second.scale) / form.scale
        below = min(_EXTRA_BITS, 31 - math.frexp(largest)[1])
        if below < 0:
            raise _too_small(node)
        finer = Form(DType.I32, form.scale / (1 << below), DType.I32.lo, DType.I32.hi)
        second = state.rescaled(second, finer)
    second, b = state.plain(broadcast(second, node.shape))
    view = first.tensor.strided([a[axis] for axis in order], first.offset)
    added = second.tensor.strided([b[axis] for axis in order], second.offset)
    if below == 0 and _is_in_units(first, form):
        tensor = state.add("mul", shape, (view, 1, 1, added), form.lo, form.hi, form.dtype)
        return Activation(tensor, layout.dense(node.shape, order), form.scale)
    m, rescale = state.multiplier(first, form.scale, order, most_shift=_SUM_SHIFT)
    lift = rescale.shift - below
    if lift < 0:
        raise _too_small(node)
    tensor = state.add("mul", shape, (view, 1, m, added), form.lo, form.hi, form.dtype, shift=rescale.shift, lift=lift)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)


def _too_small(node: Node) -> UnsupportedModule:
    problem = "the sum is tens of thousands of times smaller than what is added"
    return refusal(node, problem, "check the calibration inputs")


def _is_in_units(value: Activation, form: Form) -> bool:
    return value.factors is None and value.tensor.dtype is DType.I32 and math.isclose(value.scale, form.scale)


def _add_constant(state: Lowering, node: Node, value: Activation, constant: torch.Tensor) -> Activation:
    value, strides = state.plain(broadcast(value, node.shape))
    form = state.form(node)
    reals = constant.detach().to(torch.float64).numpy()
    ratio = np.full(reals.size, value.scale / form.scale)
    rescale = requantiser(ratio, reals.reshape(-1) / form.scale, value.tensor.magnitude)
    order = _order(strides)
    view = value.tensor.strided([strides[axis] for axis in order], value.offset)
    c = state.shown(rescale.c.reshape(reals.shape), node.shape, order)
    shape = [node.shape[axis] for axis in order]
    operands = (view, 1, int(rescale.m[0]), c)
    tensor = state.add("mul", shape, operands, form.lo, form.hi, form.dtype, shift=rescale.shift, lift=rescale.lift)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)


def multiply(state: Lowering, node: Node) -> Activation:
    """self * other: a number scales, a constant or an activation is multiplied element by element."""
    first, second = node.arguments["self"], node.arguments["other"]
    if isinstance(first, Ref) and isinstance(second, Ref):
        return _multiply_activations(state, node)
    name, constant = ("self", second) if isinstance(first, Ref) else ("other", first)
    return _scaled(state, node, name, torch.as_tensor(constant).to(torch.float64))


def negate(state: Lowering, node: Node) -> Activation:
    value = state.raw(node, "self")
    return replace(value, scale=-value.scale)


def _scaled(state: Lowering, node: Node, name: str, constant: torch.Tensor) -> Activation:
    if constant.numel() == 1:
        number = float(constant)
        if number == 0:
            raise refusal(node, "multiplies by zero", "leave it out")
        value = state.raw(node, name)
        return replace(broadcast(value, node.shape), scale=value.scale * number)
    value, strides = state.plain(broadcast(state.activation(node, name), node.shape))
    form = state.form(node)
    reals = constant.detach().numpy()
    rescale = requantiser(reals.reshape(-1) * value.scale / form.scale, np.zeros(1), value.tensor.magnitude)
    order = _order(strides)
    view = value.tensor.strided([strides[axis] for axis in order], value.offset)
    m = state.shown(rescale.m.reshape(reals.shape), node.shape, order)
    shape = [node.shape[axis] for axis in order]
    tensor = state.add("mul", shape, (view, 1, m, 0), form.lo, form.hi, form.dtype, shift=rescale.shift)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)


def _multiply_activations(state: Lowering, node: Node) -> Activation:
    first, a = state.plain(broadcast(state.activation(node, "self"), node.shape))
    second, b = state.plain(broadcast(state.activation(node, "other"), node.shape))
    form = state.form(node)
    order = _order([abs(x) + abs(y) for x, y in zip(a, b, strict=True)])
    m, shift = single(first.scale * second.scale / form.scale, first.tensor.magnitude * second.tensor.magnitude)
    operands = (
        first.tensor.strided([a[axis] for axis in order], first.offset),
        second.tensor.strided([b[axis] for axis in order], second.offset),
    )
    shape = [node.shape[axis] for axis in order]
    tensor = state.add("mul", shape, (*operands, m, 0), form.lo, form.hi, form.dtype, shift=shift)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)


def divide(state: Lowering, node: Node) -> Activation:
    """self / other; an activation as divisor counts as its unit where it is smaller."""
    if node.arguments.get("rounding_mode") is not None:
        raise refusal(node, f"rounding_mode={node.arguments['rounding_mode']}", "divide without rounding")
    number = scalar_of(node.arguments["other"])
    if number is not None or isinstance(node.arguments["other"], torch.Tensor):
        return _scaled(state, node, "self", 1 / torch.as_tensor(node.arguments["other"]).to(torch.float64))
    first, a = state.plain(broadcast(state.activation(node, "self"), node.shape))
    second, b = state.plain(broadcast(state.activation(node, "other"), node.shape))
    ratio = first.scale / second.scale / state.form(node).scale
    finer = max(0, _DIVISION_BITS - math.floor(math.log2(ratio)))
    scale = state.form(node).scale / (1 << finer)
    order = _order(a)
    operands = (
        first.tensor.strided([a[axis] for axis in order], first.offset),
        second.tensor.strided([b[axis] for axis in order], second.offset),
    )
    shape = [node.shape[axis] for axis in order]
    limit = min(LIMIT << finer, DType.I32.hi)
    m = round(first.scale / second.scale / scale)
    tensor = state.add("div", shape, (*operands, m, 0), -limit, limit, DType.I32)
    return Activation(tensor, layout.dense(node.shape, order), scale)


def relu(state: Lowering, node: Node) -> Activation:
    """A ReLU by itself: a clamp at 0, in the value's own scale."""
    value, strides = state.plain(state.activation(node, "self"))
    order = _order(strides)
    shape = [value.shape[axis] for axis in order]
    view = value.tensor.strided([strides[axis] for axis in order], value.offset)
    tensor = state.add("mul", shape, (view, 1, 1, 0), 0, max(value.tensor.hi, 0), value.tensor.dtype)
    return Activation(tensor, layout.dense(node.shape, order), value.scale)


# Sums over axes


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
    kept = [axis for axis in _order(strides) if axis not in gone]
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
    kept = [axis for axis in _order(a_steps) if axis not in gone]
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


def conjunction(state: Lowering, node: Node) -> Activation:
    """self and other, of truth values; one of them may be constant."""
    first, second = node.arguments["self"], node.arguments["other"]
    name, constant = ("self", second) if isinstance(first, Ref) else ("other", first)
    if isinstance(constant, torch.Tensor):
        if bool(constant.all()):
            return broadcast(state.raw(node, name), node.shape)
        value, strides = state.plain(broadcast(state.raw(node, name), node.shape))
        shown = state.shown(constant.to(torch.int64).numpy(), node.shape, range(len(node.shape)))
        view = value.tensor.strided(strides, value.offset)
        tensor = state.add("mul", node.shape, (view, 1, shown, 0), 0, 1, DType.I8)
        return Activation(tensor, layout.dense(node.shape), 1.0)
    first_, a = state.plain(broadcast(state.raw(node, "self"), node.shape))
    second_, b = state.plain(broadcast(state.raw(node, "other"), node.shape))
    operands = first_.tensor.strided(a, first_.offset), second_.tensor.strided(b, second_.offset)
    tensor = state.add("mul", node.shape, (*operands, 1, 0), 0, 1, DType.I8)
    return Activation(tensor, layout.dense(node.shape), 1.0)


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
    outer = _order(strides[:-1])
    shape = [*(node.shape[axis] for axis in outer), 2, half, 2]
    last = strides[-1]
    a = value.tensor.strided([*(strides[axis] for axis in outer), 0, last, last * half], value.offset)
    b = table.strided([*(leading[axis] for axis in outer), *steps[-3:]])
    m, shift = single(value.scale / unit / form.scale, value.tensor.magnitude * unit * 2)
    tensor = state.add("dot", shape, (a, b, m, 0), form.lo, form.hi, form.dtype, reduced=1, shift=shift)
    order = (*outer, len(strides) - 1)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)
