"""Exact products by bf16 factors and float32 sums, in slices of terms short enough that no sum is rounded.

bf16 has 8 significant bits, so it holds every integer up to 256 in magnitude. A wider factor is written as balanced
planes of base 256,   x = sum over i of plane_i * 256^i,   of which only the highest may leave -128..127: two hold
the whole of i16. A sum of products of planes is an integer; up to 2^24 float32 holds it, whatever the order in
which it was added. So a slice has 2^24 / (largest |plane of a| * largest |plane of b|) terms: 1,024 for i8 and i16.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from prover.kernels.backend import MAX_PASSES, Backend, Product
from prover.kernels.digits import Range

LARGEST = 1 << 8
"""The integers that bf16 holds reach so far without a gap."""
SUM_LIMIT = 1 << 24
"""The integers that float32 holds reach so far without a gap."""


def plane_magnitudes(held: Range) -> tuple[int, ...]:
    """The largest magnitude in each plane of values in a range, lowest plane first."""
    lo, hi, lower = held.lo, held.hi, 0
    while max(-lo, hi) > LARGEST:
        lo, hi, lower = (lo + 128) >> 8, (hi + 128) >> 8, lower + 1
    return (*[128] * lower, max(-lo, hi, 1))


def planes(x: torch.Tensor, count: int) -> torch.Tensor:
    """bf16 [B, count * rows, K] from integers [B, rows, K]: the `count` planes one under another, lowest first."""
    if count == 1:
        return x.to(torch.bfloat16)
    rest = x.to(torch.int64 if x.dtype in (torch.int32, torch.int64) else torch.int32)
    result = []
    for _ in range(count - 1):
        carried = (rest + 128) >> 8
        result.append((rest - (carried << 8)).to(torch.bfloat16))
        rest = carried
    return torch.cat([*result, rest.to(torch.bfloat16)], dim=1)


@dataclass(frozen=True)
class BFloat16(Backend):
    """bf16 products with float32 sums: the fast route on GPUs whose int8 units are slow or gone.

    torch has that product on CUDA only: its CPU product rounds the sums to bf16. There the bf16 values are widened
    and multiplied in float32, which is as exact and no faster than Float32.
    """

    name: str = "bf16"

    def supports(self, product: Product) -> bool:
        return len(plane_magnitudes(product.a)) * len(plane_magnitudes(product.b)) <= MAX_PASSES

    def terms(self, product: Product) -> int:
        """Terms of a slice."""
        return SUM_LIMIT // (max(plane_magnitudes(product.a)) * max(plane_magnitudes(product.b)))

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        p, q = len(plane_magnitudes(product.a)), len(plane_magnitudes(product.b))
        rows, columns = planes(a, p), planes(b, q)
        sums = torch.zeros((product.batch, p * product.m, q * product.n), dtype=torch.int64, device=a.device)
        terms = self.terms(product)
        for first in range(0, product.k, terms):
            part = slice(first, first + terms)
            sums += self._slice(rows[..., part], columns[..., part]).to(torch.int64)
        by_plane = sums.view(product.batch, p, product.m, q, product.n)
        parts = [by_plane[:, i, :, j] * (1 << 8 * (i + j)) for i in range(p) for j in range(q)]
        return sum(parts[1:], start=parts[0])

    def _slice(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """float32 [B, M, N] from bf16 [B, M, K] and [B, N, K]."""
        if a.device.type == "cpu":
            return torch.bmm(a.to(torch.float32), b.to(torch.float32).transpose(1, 2))
        return torch.bmm(a, b.transpose(1, 2), out_dtype=torch.float32)
