"""Norms over the last axis, from the variance as it is in each row: nothing about them is static but their results.

d = x - mean(x);  v = sum(d^2) >> s;  r = 2^31 / sqrt(v);  n = d * r;  y = n * weight + bias
"""

from __future__ import annotations

import math

import numpy as np

from prover.compiler import layout
from prover.compiler.builder import Activation, Stored, Strided
from prover.compiler.graph import Node, refusal
from prover.compiler.lowering import Lowering
from prover.compiler.plan import HEADROOM, WIDE_LIMIT
from prover.compiler.quantise import requantiser
from prover.program import DType
from prover.quantisation import Reals
from prover.views import contiguous

ROOT_EXPONENT = 31
NORMAL_BITS = 26
"""Bits of a value divided by the length of its row."""


def norm(state: Lowering, node: Node) -> Activation:
    """refute.norm: layer norm, root-mean-square norm, or unit length."""
    value, strides = state.plain(state.activation(node, "input"))
    width = node.shape[-1]
    outer = sorted(range(len(strides) - 1), key=lambda axis: -abs(strides[axis]))
    order = (*outer, len(strides) - 1)
    shape = [node.shape[axis] for axis in order]
    rows = shape[:-1]
    dense, by_row = contiguous(shape), (*contiguous(rows), 0)
    x = value.tensor.strided([strides[axis] for axis in order], value.offset)
    magnitude = value.tensor.magnitude
    if node.arguments["centred"]:
        x, magnitude = _centred(state, shape, x, magnitude)
    if 2 * math.log2(magnitude) + math.log2(width) > 62:
        raise refusal(node, f"squares of {width} values of {magnitude} do not fit in an int64", "use a narrower layer")
    variance, shift = _squares(state, node, shape, x, value.scale)
    root = state.add("rsqrt", rows, (variance.strided(contiguous(rows)),), 0, DType.I32.hi, DType.I32, k=ROOT_EXPONENT)
    # d * r is d / sqrt(sum of squares), at most 1, times this power of two.
    power = ROOT_EXPONENT + shift // 2
    narrow = max(0, power - NORMAL_BITS)
    limit = 1 << (min(power, NORMAL_BITS) + 1)
    operands = (x, root.strided(by_row), 1, 0)
    normal = state.add("mul", shape, operands, -limit, limit, DType.I32, shift=narrow)
    unit = 2.0 ** (narrow - power)
    if node.arguments["mean"]:
        unit *= math.sqrt(width)
    return _scaled(state, node, normal.strided(dense), limit, unit, shape, order)


def _centred(state: Lowering, shape: list[int], x: Strided, magnitude: int) -> tuple[Strided, int]:
    """x less its mean."""
    rows, width = shape[:-1], shape[-1]
    rescale = requantiser(np.array([-1.0 / width]), np.zeros(1), magnitude * width)
    operands = (x, 1, int(rescale.m[0]), 0)
    mean = state.add("dot", shape, operands, -magnitude, magnitude, DType.I32, reduced=1, shift=rescale.shift)
    limit = min(2 * magnitude, WIDE_LIMIT)
    by_row = (*contiguous(rows), 0)
    centred = state.add("mul", shape, (x, 1, 1, mean.strided(by_row)), -limit, limit, DType.I32)
    return centred.strided(contiguous(shape)), limit


def _squares(state: Lowering, node: Node, shape: list[int], x: Strided, scale: float) -> tuple[Stored, int]:
    """(sum of squares + D * eps) >> shift, within an i32 for all that calibration has seen and a good deal more."""
    width = shape[-1]
    seen = state.seen.squares[node.name] * (HEADROOM**2) * width / scale**2
    shift = max(0, math.ceil(math.log2(max(seen, 1.0))) - 30)
    shift += shift % 2  # its root is then a whole power of two
    eps = node.arguments["eps"] * (width if node.arguments["mean"] else 1) / scale**2
    lift = max(0, math.ceil(math.log2(max(eps, 1.0))) - 24)
    c = round(eps / (1 << lift))
    variance = state.add("dot", shape, (x, x, 1, c), 0, DType.I32.hi, DType.I32, reduced=1, shift=shift, lift=lift)
    return variance, shift


def _scaled(
    state: Lowering,
    node: Node,
    normal: Strided,
    magnitude: int,
    unit: float,
    shape: list[int],
    order: tuple[int, ...],
) -> Activation:
    """normal * unit * weight + bias, in the form that the plan has for the result."""
    form, factors = state.form(node), state.plan.factors.get(node.name)
    divisors: Reals = np.ones(1) if factors is None else factors
    weight, bias = (_channels(node, name) for name in ("weight", "bias"))
    ratios = (np.ones(1) if weight is None else weight) * unit / (form.scale * divisors)
    offsets = (np.zeros(1) if bias is None else bias) / (form.scale * divisors)
    rescale = requantiser(ratios, np.broadcast_to(offsets, np.broadcast_shapes(offsets.shape, ratios.shape)), magnitude)
    m = _over_channels(state, rescale.m, shape)
    c = _over_channels(state, rescale.c, shape)
    tensor = state.add(
        "mul", shape, (normal, 1, m, c), form.lo, form.hi, form.dtype, shift=rescale.shift, lift=rescale.lift
    )
    return Activation(tensor, layout.dense(node.shape, order), form.scale, factors=factors)


def _channels(node: Node, name: str) -> Reals | None:
    tensor = node.arguments[name]
    return None if tensor is None else tensor.detach().double().numpy()


def _over_channels(state: Lowering, values: np.ndarray, shape: list[int]) -> Strided | int:
    """One integer per element of the last axis, or the one that is the same for all."""
    if len(values) == 1:
        return int(values[0])
    return state.builder.add_weight(DType.I32, values).strided((*[0] * (len(shape) - 1), 1))
