"""Linear layers and convolutions as dot: i16 activations, i8 weights per output channel, one rounding at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from prover.compiler import layout
from prover.compiler.builder import Activation, Stored, Strided
from prover.compiler.graph import Node, refusal
from prover.compiler.layout import Factor
from prover.compiler.lowering import Lowering, check_form
from prover.compiler.quantise import SumTooLarge, quantise_rows, requantiser
from prover.program import DType
from prover.quantisation import Reals
from prover.views import contiguous


def linear_with_bias(state: Lowering, node: Node) -> Activation:
    """addmm: beta * self + alpha * (mat1 @ mat2), mat2 [K, O] constant, self a constant [O]."""
    bias = node.arguments["self"]
    if not isinstance(bias, torch.Tensor) or bias.dim() > 1:
        raise refusal(node, "its bias is no constant vector", "add it in a separate step")
    scaled = _reals(bias) * float(node.arguments["beta"])
    return _linear(state, node, "mat1", float(node.arguments["alpha"]), scaled)


def linear(state: Lowering, node: Node) -> Activation:
    """mm: self @ mat2, mat2 [K, O] constant."""
    return _linear(state, node, "self", 1.0, np.zeros(1))


def _linear(state: Lowering, node: Node, activation: str, alpha: float, bias: Reals) -> Activation:
    matrix = node.arguments["mat2"]
    if not isinstance(matrix, torch.Tensor):
        raise refusal(node, "both factors depend on the input", "attention is not compiled yet")
    value = state.activation(node, activation)
    weight = _reals(matrix).T * alpha
    outputs, terms = weight.shape
    # The reduced axis runs through memory in order; the weights are permuted to it instead.
    factors = value.axes[-1]
    ordered = sorted(range(len(factors)), key=lambda i: -factors[i].stride)
    folded = weight.reshape(outputs, *(factor.extent for factor in factors))
    weight = folded.transpose(0, *(1 + i for i in ordered)).reshape(outputs, terms)
    reduced = layout.merged([factors[i] for i in ordered]) or (Factor(1, 0),)
    rows = layout.merged([factor for axis in value.axes[:-1] for factor in axis])
    outer = tuple(factor.extent for factor in rows)
    inner = tuple(factor.extent for factor in reduced)
    a = value.tensor.strided(
        [*(factor.stride for factor in rows), 0, *(factor.stride for factor in reduced)], value.offset
    )
    steps = (*[0] * len(rows), terms, *contiguous(inner))
    channels = (*[0] * len(rows), 1)
    shape = (*outer, outputs, *inner)
    tensor = _product(state, node, shape, len(inner), a, weight, steps, channels, bias, value.scale)
    return Activation(tensor, layout.dense((*value.shape[:-1], outputs)), state.scales[node.name])


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
    tensor = _product(state, node, shape, spatial + 1, a, rows, b_steps, (*still, *by_group, 1), reals, value.scale)
    return Activation(tensor, layout.dense(node.shape, channels_last), state.scales[node.name])


def _product(
    state: Lowering,
    node: Node,
    shape: tuple[int, ...],
    reduced: int,
    a: Strided,
    weight: Reals,
    b_steps: tuple[int, ...],
    channel_steps: tuple[int, ...],
    bias: Reals,
    scale: float,
) -> Stored:
    """The dot of `a` with the quantised rows of `weight` [O, K]; `channel_steps` walk the output channels."""
    check_form(node, shape, reduced)
    rows, row_scales = quantise_rows(weight)
    out_scale = state.scales[node.name]
    accumulator = a.tensor.magnitude * int(np.abs(rows.astype(np.int64)).sum(axis=1).max())
    ratios = row_scales * scale / out_scale
    try:
        rescale = requantiser(ratios, np.broadcast_to(bias, ratios.shape) / out_scale, accumulator)
    except SumTooLarge as error:
        terms = math.prod(shape[len(shape) - reduced :])
        problem = f"a sum of K = {terms} terms is too large for exact accumulation"
        raise refusal(node, problem, "split the layer, or scale its weights down") from error
    lo, hi = state.output_range(node)
    b = state.builder.add_weight(DType.I8, rows).strided(b_steps)
    # Multiplier and bias of a channel lie side by side, so that a dispute opens them in one chunk.
    pairs = state.builder.add_weight(DType.I32, np.stack([rescale.m, rescale.c], axis=1))
    steps = tuple(2 * s for s in channel_steps)
    operands = (a, b, pairs.strided(steps), pairs.strided(steps, 1))
    return state.add("dot", shape, operands, lo, hi, reduced=reduced, shift=rescale.shift, lift=rescale.lift)


def _reals(tensor: torch.Tensor) -> Reals:
    return tensor.detach().to(torch.float64).cpu().numpy()


def _each(node: Node, argument: str, axes: int) -> Sequence[int]:
    """A per-axis argument, which may be given once for all."""
    values = [int(v) for v in node.arguments[argument]]
    return values * axes if len(values) == 1 else values
