"""Operators that only look at a value differently: other axes over the same stored tensor.

A copy is made only where a new axis would cut one in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from prover.compiler import layout
from prover.compiler.builder import Activation
from prover.compiler.graph import Node, refusal
from prover.compiler.layout import Axes, Factor
from prover.compiler.lowering import Lowering
from prover.operators import NO_AXIS
from prover.program import DType
from prover.views import contiguous

Moved = tuple[Axes, int]
"""Axes, and how far the first element has moved."""


def move(state: Lowering, node: Node) -> Activation:
    """The value under its new axes."""
    value = state.raw(node, "self")
    if value.total is not None or (value.factors is not None and not _keeps_last(node, value)):
        value = state.activation(node, "self")
    moved = moved_axes(node, value.axes)
    if moved is None:
        value = state.copied(value)
        moved = moved_axes(node, value.axes)
    if moved is None:
        raise refusal(node, f"no view shows {node.shape} of {value.shape}", "reshape in two steps")
    axes, offset = moved
    return replace(value, axes=axes, offset=value.offset + offset)


def _keeps_last(node: Node, value: Activation) -> bool:
    return node.op == "aten.view" and node.shape[-1] == value.shape[-1]


def moved_axes(node: Node, axes: Axes) -> Moved | None:
    """Where a movement operator leaves the axes of its source; None if no view can show it."""
    find = _MOVES.get(node.op)
    return (axes, 0) if find is None else find(node, axes)


def _view(node: Node, axes: Axes) -> Moved | None:
    found = layout.reshaped(axes, node.shape)
    return None if found is None else (found, 0)


def _permute(node: Node, axes: Axes) -> Moved:
    return tuple(axes[dim] for dim in node.arguments["dims"]), 0


def _transpose(node: Node, axes: Axes) -> Moved:
    swapped = list(axes)
    first, second = node.arguments["dim0"], node.arguments["dim1"]
    swapped[first], swapped[second] = swapped[second], swapped[first]
    return tuple(swapped), 0


def _expand(node: Node, axes: Axes) -> Moved:
    added = len(node.shape) - len(axes)
    lengths = [1] * added + [layout.extent(axis) for axis in axes]
    full: list[layout.Axis] = [()] * added + list(axes)
    for index, (length, extent) in enumerate(zip(lengths, node.shape, strict=True)):
        if length != extent:
            full[index] = (Factor(extent, 0),)
    return tuple(full), 0


def _slice(node: Node, axes: Axes) -> Moved | None:
    a = node.arguments
    dim = a["dim"] % len(axes)
    length = layout.extent(axes[dim])
    start, stop, step = slice(a["start"], a["end"], a["step"]).indices(length)
    if step != 1:
        factors = layout.merged(axes[dim])
        if len(factors) != 1:
            return None
        strided = (Factor(len(range(start, stop, step)), factors[0].stride * step),)
        return (*axes[:dim], strided, *axes[dim + 1 :]), start * factors[0].stride
    return layout.sliced(axes, dim, start, stop)


def _select(node: Node, axes: Axes) -> Moved | None:
    dim = node.arguments["dim"] % len(axes)
    index = node.arguments["index"] % layout.extent(axes[dim])
    taken = layout.sliced(axes, dim, index, index + 1)
    return None if taken is None else ((*taken[0][:dim], *taken[0][dim + 1 :]), taken[1])


def _split(node: Node, axes: Axes) -> Moved | None:
    sizes = node.arguments["split_sizes"]
    start = sum(sizes[: node.output])
    return layout.sliced(axes, node.arguments["dim"] % len(axes), start, start + sizes[node.output])


def _index(node: Node, axes: Axes) -> Moved | None:
    """Constant indices, if what they pick lies at even distances: found by indexing the addresses themselves."""
    indices = node.arguments["indices"]
    strides = layout.plain_strides(axes)
    if strides is None or not all(index is None or isinstance(index, torch.Tensor) for index in indices):
        return None
    shape = layout.shape_of(axes)
    addresses = sum(
        torch.arange(extent).reshape([-1 if i == axis else 1 for i in range(len(shape))]) * strides[axis]
        for axis, extent in enumerate(shape)
    )
    picked = torch.ops.aten.index(torch.as_tensor(addresses).expand(shape), indices)
    origin = int(picked.reshape(-1)[0])
    steps = [
        int(picked.select(axis, 1).reshape(-1)[0]) - origin if extent > 1 else 0
        for axis, extent in enumerate(picked.shape)
    ]
    rebuilt = torch.tensor(origin)
    for axis, extent in enumerate(picked.shape):
        rebuilt = rebuilt + (torch.arange(extent) * steps[axis]).reshape([-1] + [1] * (picked.dim() - axis - 1))
    if not torch.equal(rebuilt.expand(picked.shape), picked):
        return None
    return layout.from_strides(node.shape, steps), origin


_MOVES: Mapping[str, Callable[[Node, Axes], Moved | None]] = {
    "aten.view": _view,
    "aten.squeeze": _view,
    "aten.unsqueeze": _view,
    "aten.permute": _permute,
    "aten.transpose": _transpose,
    "aten.expand": _expand,
    "aten.slice": _slice,
    "aten.select": _select,
    "aten.split_with_sizes": _split,
    "aten.index": _index,
}


def same(state: Lowering, node: Node) -> Activation:
    """A value that is held already."""
    return state.raw(node, "self")


def to_type(state: Lowering, node: Node) -> Activation:
    """A conversion: numbers stay what they are, truth values are 1 where the number is not 0."""
    value = state.raw(node, "self")
    if node.dtype == torch.bool:
        value, strides = state.plain(value)
        view = value.tensor.strided(strides, value.offset)
        tensor = state.add("mul", value.shape, (view, view, 1, 0), 0, 1, DType.I8)
        return Activation(tensor, layout.dense(value.shape), 1.0)
    return value


def concatenate(state: Lowering, node: Node) -> Activation:
    """Parts put one after the other into a constant, which may be one of them."""
    parts: Sequence[Any] = node.arguments["tensors"]
    dim = node.arguments["dim"] % len(node.shape)
    form = state.form(node)
    base: Any = 0
    fills = [p for p in parts if isinstance(p, torch.Tensor)]
    if len(fills) == 1 and fills[0].shape[dim] == 1:
        reals = fills[0].detach().double().numpy() / form.scale
        held = state.constant(form.dtype, reals, form.lo, form.hi)
        steps = zip(reals.shape, contiguous(reals.shape), strict=True)
        base = held.strided([0 if extent == 1 else step for extent, step in steps])
    elif fills:
        raise refusal(node, "constants longer than one along the axis", "concatenate them before")
    position = 0
    result = None
    for part in parts:
        length = part.shape[dim] if isinstance(part, torch.Tensor) else state.values[part.name].shape[dim]
        if not isinstance(part, torch.Tensor):
            value = state.settled_scale(state.values[part.name], form)
            value, strides = state.plain(value)
            start = tuple(position if axis == dim else 0 for axis in range(len(node.shape)))
            under = result.strided(contiguous(node.shape)) if result is not None else base
            view = value.tensor.strided(strides, value.offset)
            result = state.add(
                "place",
                node.shape,
                (view, under, 0),
                form.lo,
                form.hi,
                form.dtype,
                k=NO_AXIS,
                box=value.shape,
                start=start,
            )
        position += length
    assert result is not None
    return Activation(result, layout.dense(node.shape), form.scale)
