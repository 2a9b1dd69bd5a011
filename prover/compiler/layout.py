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


def memory_order(strides: Sequence[int]) -> tuple[int, ...]:
    """Logical axes, outermost in memory first."""
    return tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))


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


def extent(axis: Axis) -> int:
    """Length of a logical axis."""
    return math.prod(factor.extent for factor in axis)


Loop = tuple[int, tuple[int, ...]]
"""An extent, and the stride of each of several tensors along it."""


def refined(*layouts: Sequence[Axis]) -> list[list[Loop]] | None:
    """Per logical axis the loops that walk several layouts of the same shape together; None where they do not fit.

    A stride of 0 fits any cut. Every logical axis has at least one loop.
    """
    result = []
    for axes in zip(*layouts, strict=True):
        loops = _together([list(merged(axis)) for axis in axes], extent(axes[0]))
        if loops is None:
            return None
        result.append(loops or [(1, (0,) * len(axes))])
    return result


def cut(axis: Axis, lengths: Sequence[int]) -> list[int] | None:
    """Strides of an axis that is walked in loops of the given lengths; None where they do not fit."""
    rest = list(merged(axis))
    strides = []
    for length in reversed(lengths):
        factor = rest.pop() if rest else Factor(length, 0)
        if factor.extent % length:
            return None
        strides.append(factor.stride)
        if factor.extent > length:
            rest.append(Factor(factor.extent // length, factor.stride * length))
    return strides[::-1]


def _together(rest: list[list[Factor]], length: int) -> list[Loop] | None:
    loops: list[Loop] = []
    while length > 1:
        heads = [factors[0] for factors in rest]
        step = min(head.extent for head in heads)
        if any(head.extent % step for head in heads):
            return None
        strides = []
        for factors, head in zip(rest, heads, strict=True):
            inner = head.extent // step
            strides.append(head.stride * inner)
            factors[:1] = [Factor(inner, head.stride)] if inner > 1 else []
        loops.append((step, tuple(strides)))
        length //= step
    return loops


def sliced(axes: Axes, axis: int, start: int, stop: int) -> tuple[Axes, int] | None:
    """(axes, offset) of elements start .. stop-1 along an axis; None where the cut falls inside a factor."""
    factors = merged(axes[axis])
    if stop - start == extent(axes[axis]):
        return axes, 0
    inner = 1
    for index in range(len(factors) - 1, -1, -1):
        factor = factors[index]
        if start % inner == 0 and stop % inner == 0 and (stop - start) // inner <= factor.extent:
            first, last = start // inner, stop // inner
            low, high = first % factor.extent, first % factor.extent + (last - first)
            if high <= factor.extent:
                offset = _offset(factors[:index], first // factor.extent) + low * factor.stride
                kept = (Factor(last - first, factor.stride), *factors[index + 1 :])
                return (*axes[:axis], kept, *axes[axis + 1 :]), offset
        inner *= factor.extent
    return None


def _offset(factors: Sequence[Factor], index: int) -> int:
    """Where the element `index` of a product of factors lies."""
    offset = 0
    for factor in reversed(factors):
        offset += index % factor.extent * factor.stride
        index //= factor.extent
    return offset
