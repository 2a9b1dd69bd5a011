"""Products made beforehand by a matmul backend: what they read, and how their sums lie for the kernel that finishes.

With the int8 backend all digits of the rows' factor are the rows of one product with the weights, which gives
sums of digits in int32; the kernel combines them. Other backends give the int64 sums themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from prover.kernels.backend import MAX_PASSES, Backend
from prover.kernels.digits import split
from prover.kernels.dot import factor
from prover.kernels.fused.bindings import Buffer, Digits
from prover.kernels.fused.forms import Sorted, row_factor_slots, sort_axes
from prover.kernels.fused.graph import Node
from prover.kernels.matmul import Int8
from prover.kernels.selection import Selection
from prover.program import DType, View, WeightRef
from prover.views import contiguous


@dataclass(frozen=True, slots=True)
class RawForm:
    """Sums of a product: `strides` over the node's output axes, and where each plane begins, in elements.

    A plane counts 256^weight.
    """

    bits: int
    strides: tuple[int, ...]
    offsets: tuple[int, ...]
    weights: tuple[int, ...]
    elements: int


@dataclass(frozen=True)
class ProductPlan:
    """One product: its axes, its backend, and whether it multiplies digits side by side."""

    node: Node
    sort: Sorted
    backend: Backend
    by_digits: bool

    @property
    def row_view(self) -> View:
        """The operand that gives the rows."""
        return self.node.view(row_factor_slots(self.sort)[0])

    @property
    def row_factor(self) -> Buffer:
        """The buffer from which the rows' factor is read."""
        tensor = self.node.tensors[row_factor_slots(self.sort)[0]]
        assert tensor is not None
        plain = not self.by_digits or self.row_view.dtype is DType.I8
        return tensor if plain else Digits(tensor)

    @property
    def column_factor(self) -> Buffer:
        tensor = self.node.tensors[row_factor_slots(self.sort)[1]]
        assert tensor is not None
        return tensor

    @property
    def raw(self) -> RawForm:
        product = self.sort.product
        p, q = (product.a.digits, product.b.digits) if self.by_digits else (1, 1)
        order = (*self.sort.batch, *self.sort.rows, *self.sort.columns)
        sizes = [product.batch, product.m, product.n]
        row = q * product.n
        shape = self.node.lean.shape
        groups = (self.sort.batch, self.sort.rows, self.sort.columns)
        steps = (row * product.m, row, 1)
        by_axis: dict[int, int] = {}
        for axes, step in zip(groups, steps, strict=True):
            for axis, stride in zip(axes, contiguous([shape[a] for a in axes]), strict=True):
                by_axis[axis] = stride * step
        planes = [(i, j) for i in range(p) for j in range(q)]
        return RawForm(
            32 if self.by_digits else 64,
            tuple(by_axis[axis] for axis in sorted(order)),
            tuple(i * product.m * row + j * product.n for i, j in planes),
            tuple(i + j for i, j in planes),
            p * q * math.prod(sizes),
        )

    def weight_matrix(self, weight: torch.Tensor) -> torch.Tensor:
        """The columns' factor [digits * N, K] as the product takes it, i8; a view of the weight where it can be one."""
        product = self.sort.product
        columns = self._factor(1, weight).reshape(product.n, product.k)
        return columns if columns.dtype == torch.int8 else torch.cat(split(columns, product.b.digits))

    def _factor(self, which: int, stored: torch.Tensor) -> torch.Tensor:
        slots = row_factor_slots(self.sort)
        held: list[torch.Tensor | None] = [None, None]
        held[slots[which]] = stored
        axes = self.sort.columns if which else self.sort.rows
        return factor(self.node.lean, held, slots[which], (*self.sort.batch, *axes))

    def prepared(self, digits: torch.Tensor, columns: torch.Tensor, raw: torch.Tensor) -> Callable[[], None]:
        """The product of digits [digits, elements] that always lie here with a weight matrix, into i32 sums."""
        assert isinstance(self.backend, Int8)
        product, multiply = self.sort.product, self.backend.multiplier
        planes = digits.view(product.a.digits, -1)
        out = raw.view(product.a.digits * product.m, -1)
        first = self._factor(0, planes[0])
        if planes.shape[1] == product.m * product.k and first.is_contiguous():
            return multiply(planes.view(-1, product.k), columns, out)
        return lambda: self._by_digit(planes, columns, out)

    def _by_digit(self, planes: torch.Tensor, columns: torch.Tensor, out: torch.Tensor) -> None:
        """One product per digit, for a factor whose rows do not lie one after another."""
        assert isinstance(self.backend, Int8)
        product = self.sort.product
        for number, plane in enumerate(planes):
            rows = self._factor(0, plane).reshape(product.m, product.k)
            self.backend.multiplier(rows, columns, out[number * product.m : (number + 1) * product.m])()

    def run(self, rows: torch.Tensor, columns: torch.Tensor, raw: torch.Tensor) -> None:
        """Write int64 sums, by any backend, from factors as they are stored."""
        product = self.sort.product
        a = self._factor(0, rows).reshape(product.batch, product.m, product.k)
        b = self._factor(1, columns).reshape(product.batch, product.n, product.k)
        raw.view(product.batch, product.m, product.n).copy_(self.backend.multiply(a, b, product))


def plan_product(node: Node, selection: Selection) -> ProductPlan:
    """The backend for a node's product, by the ranges of its factors."""
    sort = sort_axes(node)
    assert sort is not None
    product = sort.product
    backend = selection.choose(product)
    by_digits = (
        isinstance(backend, Int8)
        and product.batch == 1
        and product.passes <= MAX_PASSES
        and product.k <= backend.terms
        and isinstance(node.tensors[row_factor_slots(sort)[1]], WeightRef)
    )
    return ProductPlan(node, sort, backend, by_digits)
