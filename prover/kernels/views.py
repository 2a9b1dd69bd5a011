"""Operands as torch tensors: a strided view of a flat stored tensor, or an immediate."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from prover.program import DType, Immediate, Operand, View

TORCH_DTYPES = {DType.I8: torch.int8, DType.I16: torch.int16, DType.I32: torch.int32}

Stored = torch.Tensor | None
"""The flat tensor that an operand looks at, or None for an immediate."""


def strided(tensor: torch.Tensor, offset: int, strides: Sequence[int], extents: Sequence[int]) -> torch.Tensor:
    """The elements of a flat tensor at `offset + sum(strides * coordinates)`, shaped `extents`.

    No data is copied, but for negative strides, which torch does not have: those axes are flipped.
    """
    reversed_axes = [axis for axis, stride in enumerate(strides) if stride < 0 and extents[axis] > 1]
    for axis in reversed_axes:
        offset += strides[axis] * (extents[axis] - 1)
    positive = [abs(stride) if extent > 1 else 0 for stride, extent in zip(strides, extents, strict=True)]
    view = tensor.as_strided(tuple(extents), positive, tensor.storage_offset() + offset)
    return view.flip(reversed_axes) if reversed_axes else view


def shown(operand: Operand, stored: Stored, extents: Sequence[int]) -> torch.Tensor | int:
    """What an operand shows over `extents`: a tensor in its stored dtype, or the immediate's value."""
    if isinstance(operand, Immediate):
        return operand.value
    assert stored is not None
    return strided(stored, operand.offset, operand.strides, extents)


def widened(operand: Operand, stored: Stored, extents: Sequence[int]) -> torch.Tensor | int:
    """As `shown`, in int64."""
    value = shown(operand, stored, extents)
    return value if isinstance(value, int) else value.to(torch.int64)


def shown_tensor(operand: Operand, stored: Stored, extents: Sequence[int]) -> torch.Tensor:
    """What a view shows over `extents`, in its stored dtype."""
    assert isinstance(operand, View)
    assert stored is not None
    return strided(stored, operand.offset, operand.strides, extents)
