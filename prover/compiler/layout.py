"""How a logical tensor lies in a stored one: each logical axis is a row-major product of strided factors.

So permute and most reshapes are free: an NHWC result flattened in NCHW order is one axis of three factors, and the
linear layer that follows permutes its weights instead of the activations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from prover.views import contiguous


class Factor(NamedTuple):
    """`extent` steps of `stride` elements."""

    extent: int
    stride: int


Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]


def from_strides(shape: Sequence[int], strides: Sequence[int]) -> Axes:
    """Axes of one factor each."""
    return tuple((Factor(extent, stride),) for extent, stride in zip(shape, strides, strict=True))


def dense(shape: Sequence[int], order: Sequence[int] | None = None) -> Axes:
    """A contiguous tensor whose logical axes are stored in `order`, outermost first."""
    order = range(len(shape)) if order is None else order
    strides = dict(zip(order, contiguous([shape[axis] for axis in order]), strict=True))
    return from_strides(shape, [strides[axis] for axis in range(len(shape))])


def shape_of(axes: Axes) -> tuple[int, ...]:
    return tuple(math.prod(factor.extent for factor in axis) for axis in axes)


def merged(axis: Sequence[Factor]) -> Axis:
    """The same steps with as few factors as possible, none of extent 1."""
    result: list[Factor] = []
    for factor in axis:
        if factor.extent == 1:
            continue
        if result and result[-1].stride == factor.stride * factor.extent:
            factor = Factor(result.pop().extent * factor.extent, factor.stride)
        result.append(factor)
    return tuple(result)


def reshaped(axes: Axes, shape: Sequence[int]) -> Axes | None:
    """The axes of a reshape, or None where a new axis would cut a factor in the middle."""
    rest = list(merged([factor for axis in axes for factor in axis]))
    result: list[Axis] = []
    for extent in shape:
        taken: list[Factor] = []
        while extent > 1:
            factor = rest.pop(0)
            if extent % factor.extent == 0:
                taken.append(factor)
                extent //= factor.extent
            elif factor.extent % extent == 0:
                inner = factor.extent // extent
                taken.append(Factor(extent, factor.stride * inner))
                rest.insert(0, Factor(inner, factor.stride))
                extent = 1
            else:
                return None
        result.append(tuple(taken))
    return tuple(result)


def plain_strides(axes: Axes) -> tuple[int, ...] | None:
    """One stride per logical axis, or None if an axis needs several factors."""
    strides = []
    for axis in axes:
        factors = merged(axis)
        if len(factors) > 1:
            return None
        strides.append(factors[0].stride if factors else 0)
    return tuple(strides)
