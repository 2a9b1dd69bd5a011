"""Torch kernels of gather and place: elements moved by an index or into a box."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from prover.kernels.finish import clamped
from prover.kernels.views import TORCH_DTYPES, Stored, shown, shown_tensor
from prover.program import Operator, View


def gather(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    """The table at the output's coordinates and row clamp(index, 0, rows - 1)."""
    view, table = operator.operands[1], stored[1]
    assert isinstance(view, View)
    assert table is not None
    index = shown_tensor(operator.operands[0], stored[0], operator.shape).to(torch.int64)
    address = view.offset + index.clamp(0, operator.rows - 1) * view.strides[-1]
    for axis, (extent, stride) in enumerate(zip(operator.shape, view.strides, strict=False)):
        steps = torch.arange(extent, device=table.device) * stride
        address = address + steps.reshape(-1, *[1] * (operator.axes - axis - 1))
    return clamped(operator, table[address])


def place(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    """`a` in its box on the base; the part of the box that lies outside vanishes."""
    base = shown(operator.operands[1], stored[1], operator.shape)
    if isinstance(base, int):
        value = min(max(base, operator.lo), operator.hi)
        device = next(tensor.device for tensor in stored if tensor is not None)
        out = torch.full(operator.shape, value, dtype=TORCH_DTYPES[operator.dtype], device=device)
    else:
        out = clamped(operator, base).clone(memory_format=torch.contiguous_format)
    position = shown(operator.operands[2], stored[2], ())
    moved = position if isinstance(position, int) else int(position.item())
    target, source = [], []
    for axis, (extent, box, start) in enumerate(zip(operator.shape, operator.box, operator.start, strict=True)):
        begin = start + (moved if axis == operator.k else 0)
        first, last = max(begin, 0), min(begin + box, extent)
        if first >= last:
            return out
        target.append(slice(first, last))
        source.append(slice(first - begin, last - begin))
    a = shown_tensor(operator.operands[0], stored[0], operator.box)
    out[tuple(target)] = clamped(operator, a[tuple(source)])
    return out
