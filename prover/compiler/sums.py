"""Element-wise sums, products and quotients, and ReLUs that nothing could absorb."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from prover.compiler import layout
from prover.compiler.builder import Activation
from prover.compiler.graph import Node, Ref, refusal
from prover.compiler.layout import Factor, memory_order
from prover.compiler.lowering import Lowering
from prover.compiler.plan import Form, scalar_of
from prover.compiler.quantise import requantiser, single
from prover.errors import UnsupportedModule
from prover.program import DType
from prover.quantisation import LIMIT

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
    order = memory_order(a)
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
    order = memory_order(strides)
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
    order = memory_order(strides)
    view = value.tensor.strided([strides[axis] for axis in order], value.offset)
    m = state.shown(rescale.m.reshape(reals.shape), node.shape, order)
    shape = [node.shape[axis] for axis in order]
    tensor = state.add("mul", shape, (view, 1, m, 0), form.lo, form.hi, form.dtype, shift=rescale.shift)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)


def _multiply_activations(state: Lowering, node: Node) -> Activation:
    first, a = state.plain(broadcast(state.activation(node, "self"), node.shape))
    second, b = state.plain(broadcast(state.activation(node, "other"), node.shape))
    form = state.form(node)
    order = memory_order([abs(x) + abs(y) for x, y in zip(a, b, strict=True)])
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
    order = memory_order(a)
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
    order = memory_order(strides)
    shape = [value.shape[axis] for axis in order]
    view = value.tensor.strided([strides[axis] for axis in order], value.offset)
    tensor = state.add("mul", shape, (view, 1, 1, 0), 0, max(value.tensor.hi, 0), value.tensor.dtype)
    return Activation(tensor, layout.dense(node.shape, order), value.scale)


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
