"""The worst cases of exact matrix products: what a backend has to get right before it is used on a machine.

Saturating pairs of products, extremes and random values in many forms; and sums that climb to where an accumulator
runs out of bits, in both signs and there and back, with an odd unit to lose, for tails of every kind in every axis.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from prover.errors import lacks_memory
from prover.kernels.backend import Backend, Product
from prover.kernels.digits import Range
from prover.program import DType

I8 = Range(DType.I8.lo, DType.I8.hi)
TWO_DIGITS = Range(-32_768, 32_639)
I16 = Range(DType.I16.lo, DType.I16.hi)
I32 = Range(DType.I32.lo, DType.I32.hi)

_FORMS = ((1, 1, 1, 1), (1, 7, 9, 1), (1, 17, 9, 3), (2, 5, 3, 1025), (1, 33, 16, 64), (1, 64, 32, 768), (3, 1, 2, 200))
_LONG = (1, 2, 3, 131_073)
"""One more than twice the terms of the longest slice of int8, at one more than a slice of float32."""
_RANGES = ((I8, I8), (TWO_DIGITS, I8), (I16, I8), (I8, TWO_DIGITS), (TWO_DIGITS, I16), (I32, I8), (I32, I16))


_EDGES = (1, 2, 3, 7, 8, 9, 15, 16, 17)
_TERMS = (1, 2, 3, 7, 9, 15, 17, 31, 33, 63, 65, 127, 129, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049, 3073)
"""Around vectors, tiles and slices, and slices twice too long."""
_STEEP = ((I8, (-128, 127)), (TWO_DIGITS, (-32_640, 32_639)))
"""Values with the largest magnitude in every digit."""

Case = tuple[np.ndarray, np.ndarray, Product]
"""Factors as int64 arrays [B, M, K] and [B, N, K]."""


def _cases() -> Iterator[Case]:
    yield from _extremes()
    yield from _climbs()


def _extremes() -> Iterator[Case]:
    """Saturating pairs, alternating extremes, random."""
    random = np.random.default_rng(0)
    forms = [(form, ranges) for form in _FORMS for ranges in _RANGES]
    forms += [(_LONG, ranges) for ranges in _RANGES[:2]]
    for (batch, m, n, k), (a, b) in forms:
        product = Product(batch, m, n, k, a, b)
        shapes = (batch, m, k), (batch, n, k)
        extremes = [(a.lo, b.lo), (a.hi, b.hi), (a.lo, b.hi), (a.hi, b.lo)]
        for x, y in extremes:
            yield np.full(shapes[0], x), np.full(shapes[1], y), product
        alternating = np.where(np.arange(k) % 2, a.lo, a.hi), np.where(np.arange(k) % 2, b.hi, b.lo)
        yield np.broadcast_to(alternating[0], shapes[0]), np.broadcast_to(alternating[1], shapes[1]), product
        drawn = [random.integers(r.lo, r.hi, s, endpoint=True) for r, s in zip((a, b), shapes, strict=True)]
        yield drawn[0], drawn[1], product


def _climbs() -> Iterator[Case]:
    """Sums as high as they get in each sign, and there and back, with a unit somewhere: the last bit counts."""
    for number, k in enumerate(_TERMS):
        m, n = _EDGES[number % len(_EDGES)], _EDGES[(4 * number + 5) % len(_EDGES)]
        unit = (0, k // 2, k - 1)[number % 3]
        for held, (low, high) in _STEEP:
            product = Product(1, m, n, k, held, I8)
            a = np.where(np.arange(m) % 2, high, low)[None, :, None].repeat(k, 2)
            up = np.where(np.arange(n) % 2, 127, -128)[None, :, None].repeat(k, 2)
            back = np.where(np.arange(k) < k // 2, up, -1 - up)
            a[..., unit] = 1
            for b in (up, back):
                b[..., unit] = np.where(np.arange(n) % 2, -1, 1)
                yield a, b, product


def _stored(values: np.ndarray, held: Range, device: torch.device) -> torch.Tensor:
    """Values in the narrowest stored dtype of their range."""
    dtype = torch.int8 if held.magnitude <= 128 else torch.int16 if held.magnitude <= 1 << 15 else torch.int32
    return torch.from_numpy(np.array(values)).to(device=device, dtype=dtype)


def why_inexact(backend: Backend, device: torch.device) -> str | None:
    """The first worst case that a backend gets wrong on this machine, or None if it gets all right."""
    for a, b, product in _cases():
        if not backend.supports(product):
            continue
        expected = np.matmul(a, b.swapaxes(1, 2))
        try:
            result = backend.multiply(_stored(a, product.a, device), _stored(b, product.b, device), product)
        except (RuntimeError, TypeError) as error:  # a device or a torch without this product
            if lacks_memory(error):
                raise
            return f"{product} fails: {str(error).splitlines()[0]}"
        got = result.cpu().numpy()
        if not np.array_equal(got, expected):
            at = tuple(int(i) for i in np.argwhere(got != expected)[0])
            return f"{product} gives {got[at]} instead of {expected[at]}"
    return None
