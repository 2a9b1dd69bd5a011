"""Linear layers and convolutions as dot: i16 activations, i8 weights per output channel, one rounding at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from prover.compiler import layout
from prover.compiler.builder import Activation, Stored, Strided
from prover.compiler.calibrate import LINEAR
from prover.compiler.graph import Node, refusal
from prover.compiler.layout import Factor
from prover.compiler.lowering import Lowering, check_form
from prover.compiler.orders import stored_order
from prover.compiler.quantise import SumTooLarge, requantiser
from prover.compiler.rounding import IntegerRows, round_rows
from prover.program import DType
from prover.quantisation import Reals
from prover.views import contiguous


def linear(state: Lowering, node: Node) -> Activation:
    """addmm or mm: beta * bias + alpha * (a @ matrix), matrix [K, O] and bias [O] constant."""
    bias = node.arguments["self"] if node.op == "aten.addmm" else torch.zeros(1)
    if not isinstance(bias, torch.Tensor) or bias.dim() > 1:
        raise refusal(node, "its bias is no constant vector", "add it in a separate step")
    if not isinstance(node.arguments["mat2"], torch.Tensor):
        raise refusal(node, "its weights depend on the input", "multiply and add in separate steps")
    offsets = _reals(bias) * float(node.arguments.get("beta", 1))
    value = state.raw(node, LINEAR[node.op])
    if value.total is not None or value.scale < 0:
        value = state.activation(node, LINEAR[node.op])
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
    order = stored_order(state.graph, node)
    loops = [loop for axis in order for loop in outer[axis]]
    a = value.tensor.strided([*(step for _, step, _ in loops), *(f.stride for f in reduced)], value.offset)
    channels = [channel for _, _, channel in loops]
    b_steps = (*(terms * channel for channel in channels), *contiguous(inner))
    shape = (*(extent for extent, _, _ in loops), *inner)
    integers = IntegerRows(rows, weight.scales)
    tensor = _product(state, node, shape, len(inner), a, integers, b_steps, channels, offsets, value.scale)
    return Activation(tensor, layout.dense(node.shape, order), state.form(node).scale)


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
    tensor = _product(state, node, shape, spatial + 1, a, round_rows(rows), b_steps, steps, reals, value.scale)
    return Activation(tensor, layout.dense(node.shape, channels_last), state.form(node).scale)


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
) -> Stored:
    """The dot of `a` with the rows of `weight`; `channel_steps` walk the output channels."""
    check_form(node, shape, reduced)
    form = state.form(node)
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
