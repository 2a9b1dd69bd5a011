"""Torch kernels of zip and map: one output element from the same place of each operand."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from prover.kernels.finish import clamped, finished, scaled, shift_round_half_up
from prover.kernels.views import Stored, shown_tensor, widened
from prover.program import Operator


def _pair(operator: Operator, stored: Sequence[Stored]) -> tuple[torch.Tensor, torch.Tensor | int]:
    a = shown_tensor(operator.operands[0], stored[0], operator.shape).to(torch.int64)
    return a, widened(operator.operands[1], stored[1], operator.shape)


def multiply(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    a, b = _pair(operator, stored)
    product = a if isinstance(b, int) and b == 1 else a * b
    return finished(operator, product, stored[2], stored[3])


def minimum(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    a, b = _pair(operator, stored)
    smaller = a.clamp(max=b) if isinstance(b, int) else torch.minimum(a, b)
    return finished(operator, smaller, stored[2], stored[3])


def maximum(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    a, b = _pair(operator, stored)
    larger = a.clamp(min=b) if isinstance(b, int) else torch.maximum(a, b)
    return finished(operator, larger, stored[2], stored[3])


def divide(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    """clamp(floor((2n + d) / (2d)))."""
    a, b = _pair(operator, stored)
    m = widened(operator.operands[2], stored[2], operator.shape)
    c = widened(operator.operands[3], stored[3], operator.shape)
    n = scaled(operator, a, m, c)
    if isinstance(b, int):
        d = max(b, 1)
        return clamped(operator, torch.div(2 * n + d, 2 * d, rounding_mode="floor"))
    divisor = b.clamp(min=1)
    return clamped(operator, torch.div(2 * n + divisor, 2 * divisor, rounding_mode="floor"))


def look_up(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    a = shown_tensor(operator.operands[0], stored[0], operator.shape).to(torch.int64)
    table = stored[1]
    assert table is not None
    m = widened(operator.operands[2], stored[2], operator.shape)
    c = widened(operator.operands[3], stored[3], operator.shape)
    index = shift_round_half_up(scaled(operator, a, m, c), operator.shift).clamp(0, table.numel() - 1)
    return clamped(operator, table[index])


def reciprocal(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    """floor((2^k + floor(x/2)) / x), x = max(a, 1); the numerator is below 2^63 for k up to 62."""
    x = shown_tensor(operator.operands[0], stored[0], operator.shape).to(torch.int64).clamp(min=1)
    return clamped(operator, torch.div((1 << operator.k) + (x >> 1), x, rounding_mode="floor"))


def reciprocal_root(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    x = shown_tensor(operator.operands[0], stored[0], operator.shape).to(torch.int64).clamp(min=1)
    squared = torch.full_like(x, 1 << (2 * operator.k))
    return clamped(operator, floor_root(torch.div(squared, x, rounding_mode="floor")))


def root(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    a = shown_tensor(operator.operands[0], stored[0], operator.shape).to(torch.int64)
    return clamped(operator, floor_root(a.clamp(min=0)))


def floor_root(x: torch.Tensor) -> torch.Tensor:
    """Floor of the square root of int64 values 0 .. 2^62.

    The float root is within one of it (2^31 has 22 bits to spare in a double); the integers settle which.
    """
    guess = x.to(torch.float64).sqrt().to(torch.int64)
    guess = guess - (guess * guess > x).to(torch.int64)
    above = guess + 1
    return torch.where(above * above <= x, above, guess)
