"""Torch kernels of reduce: largest value, largest magnitude, lowest index of the largest value."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from prover.kernels.finish import clamped
from prover.kernels.views import Stored, shown_tensor
from prover.program import Operator


def _rows(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    """The terms of each output element, int64 [*out_shape, terms]."""
    a = shown_tensor(operator.operands[0], stored[0], operator.shape)
    return a.to(torch.int64).reshape(*operator.out_shape, operator.terms)


def largest(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    a = shown_tensor(operator.operands[0], stored[0], operator.shape)
    return clamped(operator, a.amax(tuple(range(operator.axes - operator.reduced, operator.axes))))


def largest_magnitude(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    return clamped(operator, _rows(operator, stored).abs().amax(-1))


def lowest_index_of_largest(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    """torch.argmax promises no order among ties, so the index is the least of those that reach the maximum."""
    rows = _rows(operator, stored)
    index = torch.arange(operator.terms, device=rows.device)
    reached = torch.where(rows == rows.amax(-1, keepdim=True), index, operator.terms)
    return clamped(operator, reached.amin(-1))
