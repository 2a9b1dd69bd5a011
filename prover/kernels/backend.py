"""What a route to an exact integer matrix product is: one batched product, and who can compute it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from prover.kernels.digits import Range

MAX_PASSES = 4
"""Digit products worth making before a wider type is cheaper."""


@dataclass(frozen=True, slots=True)
class Product:
    """The form of one batched product: its extents, and the ranges of both factors."""

    batch: int
    m: int
    n: int
    k: int
    a: Range
    b: Range

    @property
    def passes(self) -> int:
        """Products of single digits that make up the whole."""
        return self.a.digits * self.b.digits


@dataclass(frozen=True)
class Backend(ABC):
    """One route to the exact product, by its name."""

    name: str

    @abstractmethod
    def supports(self, product: Product) -> bool:
        """Whether this route is exact for these ranges, and worth taking."""

    @abstractmethod
    def multiply(self, a: torch.Tensor, b: torch.Tensor, product: Product) -> torch.Tensor:
        """[B, M, N] int64 from a [B, M, K] and b [B, N, K] in their stored dtypes."""
