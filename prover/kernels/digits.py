"""Integers as balanced digits of base 256, each an i8: what narrow matrix kernels can multiply exactly.

x = sum over i of digit_i * 256^i,   -128 <= digit_i <= 127
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Range:
    """Lowest and highest value that a tensor's elements can have."""

    lo: int
    hi: int

    @property
    def magnitude(self) -> int:
        return max(abs(self.lo), abs(self.hi))

    @property
    def digits(self) -> int:
        """How many digits hold every value: 1 for i8, 2 for i16 up to 32,639, 3 for the rest of i16."""
        lo, hi, count = self.lo, self.hi, 1
        while lo < -128 or hi > 127:
            lo, hi, count = (lo + 128) >> 8, (hi + 128) >> 8, count + 1
        return count


def split(x: torch.Tensor, count: int) -> list[torch.Tensor]:
    """The `count` lowest digits of x, each an i8 tensor of x's shape, lowest first."""
    if count == 1:
        return [x.to(torch.int8)]
    rest = x.to(torch.int64 if x.dtype in (torch.int32, torch.int64) else torch.int32)
    result = []
    for _ in range(count - 1):
        carried = (rest + 128) >> 8
        result.append((rest - (carried << 8)).to(torch.int8))
        rest = carried
    return [*result, rest.to(torch.int8)]
