"""Pooling over strided windows: maxima as reduce, averages as dot with b = 1. Nothing is copied but for padding."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prover.compiler import layout
from prover.compiler.builder import Activation, Strided
from prover.compiler.graph import Node, refusal
from prover.compiler.lowering import Lowering, check_form
from prover.compiler.quantise import single
from prover.quantisation import LIMIT

_CHANNELS_LAST = (0, 2, 3, 1)


def max_pool(state: Lowering, node: Node) -> Activation:
    """max_pool2d of [N, C, H, W]; padding never wins."""
    shape, kernel, a, value = _windows(state, node, "self", fill=-LIMIT)
    check_form(node, (*shape, *kernel), 2)
    tensor = state.add(
        "reduce_max", (*shape, *kernel), (a,), value.tensor.lo, value.tensor.hi, value.tensor.dtype, reduced=2
    )
    return Activation(tensor, layout.dense(node.shape, _CHANNELS_LAST), value.scale)


def average_pool(state: Lowering, node: Node) -> Activation:
    """avg_pool2d of [N, C, H, W]; padding counts as zeros."""
    if any(node.arguments["padding"]) and not node.arguments["count_include_pad"]:
        raise refusal(node, "padding that does not count", "use count_include_pad=True, or no padding")
    shape, kernel, a, value = _windows(state, node, "self", fill=0)
    divisor = node.arguments["divisor_override"] or math.prod(kernel)
    return average(state, node, value, a, shape, kernel, divisor, layout.dense(node.shape, _CHANNELS_LAST))


def average(
    state: Lowering,
    node: Node,
    value: Activation,
    a: Strided,
    shape: Sequence[int],
    window: Sequence[int],
    divisor: int,
    axes: layout.Axes,
) -> Activation:
    """The sum of `a` over `window`, divided by `divisor` and brought to the node's scale."""
    check_form(node, (*shape, *window), len(window))
    form = state.form(node)
    m, shift = single(value.scale / (divisor * form.scale), value.tensor.magnitude * math.prod(window))
    operands = (a, 1, m, 0)
    tensor = state.add(
        "dot", (*shape, *window), operands, form.lo, form.hi, form.dtype, reduced=len(window), shift=shift
    )
    return Activation(tensor, axes, form.scale)


def _windows(
    state: Lowering, node: Node, argument: str, fill: int
) -> tuple[tuple[int, ...], tuple[int, ...], Strided, Activation]:
    """(output shape channels last, kernel, the strided view over both, the value behind it) of a 2-D pooling."""
    if node.arguments["ceil_mode"]:
        raise refusal(node, "ceil_mode, whose last windows are cut off", "use ceil_mode=False with padding")
    if len(node.shape) != 4:
        raise refusal(node, f"a result of shape {node.shape}", "pool batches of images, [N, C, H, W]")
    kernel = tuple(_pair(node.arguments["kernel_size"]))
    step = _pair(node.arguments["stride"]) or kernel
    dilation = _pair(node.arguments.get("dilation", 1))
    value = state.padded(state.activation(node, argument), _pair(node.arguments["padding"]), fill)
    value, strides = state.plain(value)
    n, c, h, w = node.shape
    windows = (strides[2] * dilation[0], strides[3] * dilation[1])
    view = (strides[0], strides[2] * step[0], strides[3] * step[1], strides[1], *windows)
    return (n, h, w, c), kernel, value.tensor.strided(view, value.offset), value


def _pair(value: int | Sequence[int]) -> Sequence[int]:
    if isinstance(value, int):
        return (value, value)
    return tuple(value) * 2 if len(value) == 1 else tuple(value)
