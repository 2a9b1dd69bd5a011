"""Which matmul backends this machine computes exactly: each is tested with the worst cases before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import structlog
import torch

from prover.errors import InexactBackend
from prover.kernels.digits import Range
from prover.kernels.matmul import BACKENDS, Backend, Product
from prover.program import DType

_log = structlog.get_logger(__name__)

I8 = Range(DType.I8.lo, DType.I8.hi)
TWO_DIGITS = Range(-32_768, 32_639)
I16 = Range(DType.I16.lo, DType.I16.hi)
I32 = Range(DType.I32.lo, DType.I32.hi)

_FORMS = ((1, 1, 1, 1), (1, 7, 9, 1), (1, 17, 9, 3), (2, 5, 3, 1025), (1, 33, 16, 64), (1, 64, 32, 768), (3, 1, 2, 200))
_LONG = (1, 2, 3, 131_073)
"""One more than twice the terms of the longest slice of int8, at one more than a slice of float32."""
_RANGES = ((I8, I8), (TWO_DIGITS, I8), (I16, I8), (I8, TWO_DIGITS), (TWO_DIGITS, I16), (I32, I8), (I32, I16))


def _cases() -> Iterator[tuple[np.ndarray, np.ndarray, Product]]:
    """Factors as int64 arrays [B, M, K] and [B, N, K]: saturating pairs, alternating extremes, random."""
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
        except RuntimeError as error:
            return f"{product} fails: {str(error).splitlines()[0]}"
        got = result.cpu().numpy()
        if not np.array_equal(got, expected):
            at = tuple(int(i) for i in np.argwhere(got != expected)[0])
            return f"{product} gives {got[at]} instead of {expected[at]}"
    return None


@cache
def _tested(backend: Backend, device: str) -> bool:
    reason = why_inexact(backend, torch.device(device))
    if reason:
        _log.warning("matmul.backend_refused", backend=backend.name, device=device, reason=reason)
    else:
        _log.debug("matmul.backend_ready", backend=backend.name, device=device)
    return reason is None


@dataclass(frozen=True)
class Selection:
    """Backends in the order in which a product is offered to them; each is tested when it is first wanted."""

    candidates: tuple[Backend, ...]
    device: str

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All that pass."""
        return tuple(self._passing())

    def _passing(self) -> Iterator[Backend]:
        return (backend for backend in self.candidates if _tested(backend, self.device))

    @property
    def second(self) -> str:
        """The name of a backend that takes another route than the one preferred here; InexactBackend if none does."""
        passing = self._passing()
        next(passing, None)
        other = next(passing, None)
        if other is None:
            raise InexactBackend("only one matmul backend is exact on this machine; nothing can confirm its results")
        return other.name

    def choose(self, product: Product) -> Backend:
        """The first exact backend that supports a product."""
        for backend in self.candidates:
            if backend.supports(product) and _tested(backend, self.device):
                return backend
        raise InexactBackend(f"no backend of {[b.name for b in self.candidates]} multiplies {product} exactly")


def select(preferred: str | None = None, device: str = "cpu", candidates: Sequence[Backend] = BACKENDS) -> Selection:
    """The exact backends of this machine; with `preferred`, that one first and int64 for what it cannot do.

    InexactBackend if `preferred` is unknown or fails its test, or if no backend passes.
    """
    names = [backend.name for backend in candidates]
    if preferred is not None and preferred not in names:
        raise InexactBackend(f"there is no matmul backend {preferred!r}; choose one of {', '.join(names)}")
    wanted = tuple(b for b in candidates if preferred is None or b.name in (preferred, candidates[-1].name))
    if preferred is not None and not _tested(wanted[0], device):
        raise InexactBackend(f"matmul backend {preferred!r} is not exact on this machine; leave the choice open")
    if not any(_tested(backend, device) for backend in wanted):
        raise InexactBackend(f"none of the matmul backends {', '.join(names)} is exact on {device}")
    return Selection(wanted, device)
