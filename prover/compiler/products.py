"""Linear layers and convolutions as dot: i16 activations, i8 weights per output channel, one rounding at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from prover.compiler import layout
from prover.compiler.builder import Activation, Stored, Strided
from prover.compiler.calibrate import LINEAR, row_source
from prover.compiler.graph import Node, refusal
from prover.compiler.layout import Factor
from prover.compiler.lowering import Lowering, check_form
from prover.compiler.orders import stored_order
from prover.compiler.plan import WIDE_LIMIT, Form
from prover.compiler.quantise import SumTooLarge, requantiser, single
from prover.compiler.rounding import IntegerRows, round_rows
from prover.program import DType
from prover.quantisation import LIMIT, Reals
from prover.views import contiguous

ROW_EXPONENT = 40
"""1 / largest is held in units of 2^-40: 16 bits of it are left for the largest row there is."""
PRODUCT_LIMIT = 1 << 20
"""What the largest product of such a row is held as: times its scale and a multiplier it still fits in an int64."""


def linear(state: Lowering, node: Node) -> Activation:
    """addmm or mm: beta * bias + alpha * (a @ matrix), matrix [K, O] and bias [O] constant."""
    bias = node.arguments["self"] if node.op == "aten.addmm" else torch.zeros(1)
    if not isinstance(bias, torch.Tensor) or bias.dim() > 1:
        raise refusal(node, "its bias is no constant vector", "add it in a separate step")
    if not isinstance(node.arguments["mat2"], torch.Tensor):
        raise refusal(node, "its weights depend on the input", "multiply and add in separate steps")
    offsets = _reals(bias) * float(node.arguments.get("beta", 1))
    argument = LINEAR[node.op]
    value = state.raw(node, argument)
    if row_source(state.graph, node.arguments[argument]) in state.plan.by_row:
        return _linear_by_row(state, node, value, offsets)
    if value.total is not None or value.scale < 0:
        value = state.activation(node, argument)
    order = stored_order(state.graph, node)
    tensor = _rows_times(state, node, value, order, state.form(node), offsets)
    return Activation(tensor, layout.dense(node.shape, order), state.form(node).scale)


def _rows_times(
    state: Lowering, node: Node, value: Activation, order: Sequence[int], form: Form, offsets: Reals
) -> Stored:
    """The product of an activation's rows with a linear layer's, stored in `order`."""
    weight = state.plan.rows[node.name]
    outputs, terms = weight.rows.shape
    # The reduced axis runs through memory in order; the weights are permuted to it instead.
    factors = [factor for factor in value.axes[-1] if factor.extent > 1] or [Factor(1, 0)]
    ordered = sorted(range(len(factors)), key=lambda i: -abs(factors[i].stride))
    folded = weight.rows.reshape(outputs, *(factor.extent for factor in factors))
    rows = folded.transpose(0, *(1 + i for i in ordered)).reshape(outputs, terms)
    reduced = layout.merged([factors[i] for i in ordered]) or (Factor(1, 0),)
    inner = tuple(factor.extent for factor in reduced)
    # Loops over the output axes in the order in which they are stored: extent, stride in a, whether it is a channel.
    outer = [[(factor.extent, factor.stride, 0) for factor in layout.merged(axis)] for axis in value.axes[:-1]]
    outer.append([(outputs, 0, 1)])
    loops = [loop for axis in order for loop in outer[axis]]
    a = value.tensor.strided([*(step for _, step, _ in loops), *(f.stride for f in reduced)], value.offset)
    channels = [channel for _, _, channel in loops]
    b_steps = (*(terms * channel for channel in channels), *contiguous(inner))
    shape = (*(extent for extent, _, _ in loops), *inner)
    integers = IntegerRows(rows, weight.scales)
    return _product(state, node, shape, len(inner), a, integers, b_steps, channels, offsets, value.scale, form)


def _linear_by_row(state: Lowering, node: Node, value: Activation, offsets: Reals) -> Activation:
    """As `linear`, with a scale for each row: the row's largest magnitude becomes 32,639.

    largest = max(abs(x)) * 2^15 / 32639;  q = x * (2^k / largest) >> (k - 15);  y = (q @ W) * largest + bias
    """
    value, strides = state.plain(value)
    outer = sorted(range(len(strides) - 1), key=lambda axis: -abs(strides[axis]))
    order = (*outer, len(strides) - 1)
    shape = [value.shape[axis] for axis in order]
    rows = shape[:-1]
    x = value.tensor.strided([strides[axis] for axis in order], value.offset)
    peak = state.add("reduce_absmax", shape, (x,), 0, WIDE_LIMIT, DType.I32, reduced=1)
    m, shift = single((1 << 15) / LIMIT, WIDE_LIMIT)
    largest = state.add(
        "mul",
        rows,
        (peak.strided(contiguous(rows)), 1, m, 0),
        1,
        WIDE_LIMIT + (WIDE_LIMIT >> 7),
        DType.I32,
        shift=shift,
    )
    by_row = (*contiguous(rows), 0)
    inverse = state.add("recip", rows, (largest.strided(contiguous(rows)),), 0, DType.I32.hi, DType.I32, k=ROW_EXPONENT)
    scaled = state.add("mul", shape, (x, inverse.strided(by_row), 1, 0), -LIMIT, LIMIT, shift=ROW_EXPONENT - 15)
    axes = layout.dense(value.shape, order)
    unit = state.form(node).scale
    # The product in units of q: what it is at most follows from the rows' weights, so i32 holds it with room.
    weight = state.plan.rows[node.name]
    most = float((np.abs(weight.rows.astype(np.float64)).sum(axis=1) * weight.scales).max()) * LIMIT
    form = Form(DType.I32, most / PRODUCT_LIMIT, -PRODUCT_LIMIT, PRODUCT_LIMIT)
    product = _rows_times(state, node, Activation(scaled, axes, 1.0), range(len(node.shape)), form, np.zeros(1))
    result = stored_order(state.graph, node)
    ratio = form.scale * value.scale / (1 << 15) / unit
    channels = np.broadcast_to(offsets / unit, (node.shape[-1],))
    rescale = requantiser(np.full(len(channels), ratio), channels, PRODUCT_LIMIT * largest.magnitude)
    dense = contiguous(node.shape)
    row_steps = dict(zip(outer, contiguous(rows), strict=True))
    b = largest.strided([row_steps.get(axis, 0) for axis in result])
    c = state.shown(rescale.c, node.shape, result)
    operands = (product.strided([dense[axis] for axis in result]), b, int(rescale.m[0]), c)
    held = state.form(node)
    tensor = state.add(
        "mul",
        [node.shape[axis] for axis in result],
        operands,
        held.lo,
        held.hi,
        held.dtype,
        shift=rescale.shift,
        lift=rescale.lift,
    )
    return Activation(tensor, layout.dense(node.shape, result), unit)


def convolution(state: Lowering, node: Node) -> Activation:
    """[N, C, *spatial] with a constant weight [O, C/groups, *kernel]; the result is stored channels last."""
    weight, bias = node.arguments["weight"], node.arguments["bias"]
    if not isinstance(weight, torch.Tensor) or node.arguments["transposed"]:
        raise refusal(node, "transposed, or with a computed weight", "use a plain convolution with constant weights")
    spatial = weight.dim() - 2
    step, dilation = _each(node, "stride", spatial), _each(node, "dilation", spatial)
    groups = int(node.arguments["groups"])
    outputs, channels = weight.shape[0], weight.shape[1]
    kernel = tuple(weight.shape[2:])
    value = state.padded(state.activation(node, "input"), _each(node, "padding", spatial))
    value, strides = state.plain(value)
    channels_last = (0, *range(2, 2 + spatial), 1)
    rows = _reals(weight).transpose(channels_last).reshape(outputs, -1)
    group, grouped = ((groups,), (strides[1] * channels,)) if groups > 1 else ((), ())
    in_group = outputs // groups
    terms = rows.shape[1]
    window = (*(strides[2 + i] * dilation[i] for i in range(spatial)), strides[1])
    moved = tuple(strides[2 + i] * step[i] for i in range(spatial))
    shape = (node.shape[0], *node.shape[2:], *group, in_group, *kernel, channels)
    a = value.tensor.strided((strides[0], *moved, *grouped, 0, *window), value.offset)
    still = (0,) * (1 + spatial)
    by_group = (in_group,) if groups > 1 else ()
    b_steps = (*still, *(terms * g for g in by_group), terms, *contiguous((*kernel, channels)))
    reals = np.zeros(1) if bias is None else _reals(bias)
    steps = (*still, *by_group, 1)
    form = state.form(node)
    tensor = _product(state, node, shape, spatial + 1, a, round_rows(rows), b_steps, steps, reals, value.scale, form)
    return Activation(tensor, layout.dense(node.shape, channels_last), form.scale)


def _product(
    state: Lowering,
    node: Node,
    shape: tuple[int, ...],
    reduced: int,
    a: Strided,
    weight: IntegerRows,
    b_steps: tuple[int, ...],
    channel_steps: Sequence[int],
    bias: Reals,
    scale: float,
    form: Form,
) -> Stored:
    """The dot of `a` with the rows of `weight`; `channel_steps` walk the output channels."""
    check_form(node, shape, reduced)
    accumulator = a.tensor.magnitude * int(np.abs(weight.rows.astype(np.int64)).sum(axis=1).max())
    ratios = weight.scales * scale / form.scale
    try:
        rescale = requantiser(ratios, np.broadcast_to(bias, ratios.shape) / form.scale, accumulator)
    except SumTooLarge as error:
        terms = math.prod(shape[len(shape) - reduced :])
        problem = f"a sum of K = {terms} terms is too large for exact accumulation"
        raise refusal(node, problem, "split the layer, or scale its weights down") from error
    b = state.builder.add_weight(DType.I8, weight.rows).strided(b_steps)
    # Multiplier and bias of a channel lie side by side, so that a dispute opens them in one chunk.
    pairs = state.builder.add_weight(DType.I32, np.stack([rescale.m, rescale.c], axis=1))
    steps = tuple(2 * s for s in channel_steps)
    operands = (a, b, pairs.strided(steps), pairs.strided(steps, 1))
    shift, lift = rescale.shift, rescale.lift
    return state.add("dot", shape, operands, form.lo, form.hi, form.dtype, reduced=reduced, shift=shift, lift=lift)


def _reals(tensor: torch.Tensor) -> Reals:
    return tensor.detach().to(torch.float64).cpu().numpy()


def _each(node: Node, argument: str, axes: int) -> Sequence[int]:
    """A per-axis argument, which may be given once for all."""
    values = [int(v) for v in node.arguments[argument]]
    return values * axes if len(values) == 1 else values
