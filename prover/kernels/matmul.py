"""Exact integer matrix products by several routes, in order of preference.

Each backend computes the same [B, M, N] int64 sums of a [B, M, K] times b [B, N, K]. Which routes are exact
depends on the machine (x86 int8 kernels without VNNI saturate), so `prover.kernels.selection` tests each first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from prover.kernels.backend import MAX_PASSES, Backend, Product
from prover.kernels.bf16 import BFloat16
from prover.kernels.digits import split

MAX_LOOPED_BATCH = 64
_BLOCK_ELEMENTS = 1 << 22


def _by_digits(
    a: torch.Tensor,
    b: torch.Tensor,
    product: Product,
    terms: int,
    multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Sum over digit pairs and slices of `terms` terms of 256^(i+j) * multiply(digit_i, digit_j).

    int64 wraps, so only the whole sum, which validity bounds, must fit; powers from 256^8 on vanish.
    """
    total = torch.zeros((product.batch, product.m, product.n), dtype=torch.int64, device=a.device)
    b_digits = split(b, product.b.digits)
    for i, a_digit in enumerate(split(a, product.a.digits)):
        for j, b_digit in enumerate(b_digits):
            if i + j >= 8:
                continue
            for first in range(0, product.k, terms):
                part = slice(first, first + terms)
                # 2^56 is the largest power; Python's int would not fit only from 2^63 on.
                total += multiply(a_digit[..., part], b_digit[..., part]).to(torch.int64) * (1 << 8 * (i + j))
    return total


@dataclass(frozen=True)
class Int8(Backend):
    """torch._int_mm, i8 digits with i32 sums; K-slices that fit an i32: 2^31 / 2^14, less one."""

    name: str = "int8"
    terms: int = (1 << 17) - 1

    def supports(self, product: Product) -> bool:
        return product.passes <= MAX_PASSES and product.batch <= MAX_LOOPED_BATCH

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        return _by_digits(a, b, product, self.terms, self._slice)

    def _slice(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.stack([self._matrix(x, y) for x, y in zip(a, b, strict=True)])

    def _matrix(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        m, n, k = len(a), len(b), a.shape[1]
        if a.device.type == "cuda":  # wants more than 16 rows and multiples of 8
            a, b = _padded(a, max(24, -(-m // 8) * 8), -(-k // 8) * 8), _padded(b, -(-n // 8) * 8, -(-k // 8) * 8)
        elif k == 1:  # one term with several columns is wrong on CPU (torch 2.13 mistakes the transposed strides)
            a, b = _padded(a, m, 2), _padded(b, n, 2)
        out = torch.empty((len(a), len(b)), dtype=torch.int32, device=a.device)
        self.multiplier(a, b, out)()
        return out[:m, :n]

    def multiplier(self, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> Callable[[], None]:
        """Writes i32 [M, N] from i8 [M, K] and [N, K] when called; K > 1, and what CUDA wants, is the caller's part."""
        rows, columns, multiply = _canonical(a), _canonical(b).t(), torch._int_mm

        def run() -> None:
            multiply(rows, columns, out=out)

        return run


def _padded(matrix: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """With rows and columns of zeros, which add nothing to a product."""
    return torch.nn.functional.pad(matrix, (0, columns - matrix.shape[1], 0, rows - matrix.shape[0]))


def _canonical(matrix: torch.Tensor) -> torch.Tensor:
    """Contiguous, also in the strides of axes of extent 1, which `contiguous` leaves as they are."""
    return matrix.contiguous().view(-1).view(matrix.shape)


@dataclass(frozen=True)
class Float32(Backend):
    """float32 products of i8 digits; 1,024 terms of at most 2^14 sum to at most 2^24, exactly."""

    name: str = "float32"
    terms: int = 1024

    def supports(self, product: Product) -> bool:
        return product.passes <= MAX_PASSES // 2

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        return _by_digits(a, b, product, self.terms, self._slice)

    def _slice(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.bmm(a.to(torch.float32), b.to(torch.float32).transpose(1, 2))


@dataclass(frozen=True)
class Float64(Backend):
    """float64 products, in K-slices whose sums stay within 2^53."""

    name: str = "float64"

    def _terms(self, product: Product) -> int:
        return int((1 << 53) // max(product.a.magnitude * product.b.magnitude, 1))

    def supports(self, product: Product) -> bool:
        return self._terms(product) >= min(product.k, 16)

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        total = torch.zeros((product.batch, product.m, product.n), dtype=torch.int64, device=a.device)
        terms = self._terms(product)
        for first in range(0, product.k, terms):
            part = slice(first, first + terms)
            wide_a, wide_b = a[..., part].to(torch.float64), b[..., part].to(torch.float64)
            total += torch.bmm(wide_a, wide_b.transpose(1, 2)).to(torch.int64)
        return total


@dataclass(frozen=True)
class Int64(Backend):
    """Plain int64 multiply and add, on any device, for whatever is left; slow."""

    name: str = "int64"

    def supports(self, product: Product) -> bool:
        return True

    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        wide_b = b.to(torch.int64).unsqueeze(1)
        rows = max(1, _BLOCK_ELEMENTS // max(product.batch * product.n * product.k, 1))
        blocks = [(block.to(torch.int64).unsqueeze(2) * wide_b).sum(-1) for block in torch.split(a, rows, dim=1)]
        return torch.cat(blocks, dim=1)


BACKENDS: tuple[Backend, ...] = (Int8(), Float32(), Float64(), BFloat16(), Int64())
"""In order of preference on a CPU (decision 15); on CUDA `prover.kernels.selection` puts the faster of int8 and bf16
first."""
