"""How results end: the one requantisation and the clamp, in int64 (protocol, section 3.3)."""

from __future__ import annotations

import torch

from prover.kernels.views import TORCH_DTYPES, Stored, widened
from prover.program import Operator


def scaled(operator: Operator, acc: torch.Tensor, m: torch.Tensor | int, c: torch.Tensor | int) -> torch.Tensor:
    """acc*m + c*2^t, int64; validity keeps it inside int64."""
    if not (isinstance(m, int) and m == 1):
        acc = acc * m
    if not (isinstance(c, int) and c == 0):
        acc = acc + (c << operator.lift if isinstance(c, int) else c * (1 << operator.lift))
    return acc


def shift_round_half_up(acc: torch.Tensor, shift: int) -> torch.Tensor:
    """floor((acc + 2^(shift-1)) / 2^shift): the right shift of a negative int64 floors."""
    return (acc + (1 << (shift - 1))) >> shift if shift else acc


def clamped(operator: Operator, values: torch.Tensor) -> torch.Tensor:
    """Values clamped to lo..hi, in the operator's dtype."""
    if values.dtype != torch.int64:
        values = values.to(torch.int32)
    return values.clamp(operator.lo, operator.hi).to(TORCH_DTYPES[operator.dtype])


def finished(operator: Operator, acc: torch.Tensor, m: Stored, c: Stored) -> torch.Tensor:
    """fin(acc) over the operator's output shape; acc int64, m and c the stored tensors of operands 2 and 3."""
    extents = operator.out_shape
    multiplier, addend = widened(operator.operands[2], m, extents), widened(operator.operands[3], c, extents)
    return clamped(operator, shift_round_half_up(scaled(operator, acc, multiplier, addend), operator.shift))
