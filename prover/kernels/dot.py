"""The torch kernel of dot: any pair of strided views becomes one batched matrix product.

An output axis along which only a moves is a row axis, only b a column axis, both a batch axis. So a linear layer
([.., O | K]), a convolution (im2col by strides) and attention scores and values are the same few lines; what has
neither rows nor columns to share (rotary pairs, depthwise sums) is multiplied and added element by element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from prover.kernels.backend import Backend, Product
from prover.kernels.digits import Range
from prover.kernels.finish import finished
from prover.kernels.selection import Selection
from prover.kernels.views import Stored, shown_tensor
from prover.program import Immediate, Operator, View

_BLOCK_ELEMENTS = 1 << 22


@dataclass(frozen=True)
class DotPlan:
    """How one dot is computed: its output axes by kind, and the backend (None: element by element)."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    product: Product | None = None
    backend: Backend | None = None


def plan(operator: Operator, ranges: Sequence[Range], selection: Selection) -> DotPlan:
    """Sort the output axes and choose a backend; `ranges` are those of a and b."""
    a, b = operator.operands[:2]
    if isinstance(b, Immediate):
        return DotPlan((), (), ())
    assert isinstance(a, View)
    kinds: tuple[list[int], list[int], list[int]] = [], [], []
    for axis, extent in enumerate(operator.out_shape):
        moves_a, moves_b = a.strides[axis] != 0 and extent > 1, b.strides[axis] != 0 and extent > 1
        kinds[0 if moves_a and moves_b else 2 if moves_b else 1].append(axis)
    batch, rows, columns = (tuple(kind) for kind in kinds)
    sizes = [math.prod(operator.shape[axis] for axis in kind) for kind in (batch, rows, columns)]
    product = Product(sizes[0], sizes[1], sizes[2], operator.terms, ranges[0], ranges[1])
    if product.m == product.n == 1 and product.batch > 1:
        return DotPlan(batch, rows, columns)
    return DotPlan(batch, rows, columns, product, selection.choose(product))


def dot(operator: Operator, stored: Sequence[Stored], planned: DotPlan) -> torch.Tensor:
    """The result of a dot, over its output shape in its dtype."""
    if planned.backend is None:
        acc = _element_by_element(operator, stored)
    else:
        acc = _matrix_product(operator, stored, planned)
    return finished(operator, acc, stored[2], stored[3])


def _matrix_product(operator: Operator, stored: Sequence[Stored], planned: DotPlan) -> torch.Tensor:
    assert planned.product is not None
    assert planned.backend is not None
    batch, m, n, k = planned.product.batch, planned.product.m, planned.product.n, planned.product.k
    a = factor(operator, stored, 0, (*planned.batch, *planned.rows)).reshape(batch, m, k)
    b = factor(operator, stored, 1, (*planned.batch, *planned.columns)).reshape(batch, n, k)
    order = (*planned.batch, *planned.rows, *planned.columns)
    product = planned.backend.multiply(a, b, planned.product).reshape([operator.shape[axis] for axis in order])
    return product.permute([order.index(axis) for axis in range(len(order))])


def factor(operator: Operator, stored: Sequence[Stored], slot: int, axes: tuple[int, ...]) -> torch.Tensor:
    """Operand `slot` over the given output axes, in order, then the terms; axes along which it rests are dropped."""
    whole = shown_tensor(operator.operands[slot], stored[slot], operator.shape)
    outer = len(operator.out_shape)
    at = [slice(None) if axis in axes or axis >= outer else 0 for axis in range(operator.axes)]
    kept = [axis for axis in range(outer) if axis in axes]
    return whole[tuple(at)].permute(
        [*(kept.index(axis) for axis in axes), *range(len(axes), len(axes) + operator.reduced)]
    )


def _element_by_element(operator: Operator, stored: Sequence[Stored]) -> torch.Tensor:
    """Sums of a*b in int64, a block of the outermost axis at a time."""
    shape, outer = operator.shape, len(operator.out_shape)
    a = shown_tensor(operator.operands[0], stored[0], shape)
    b = operator.operands[1]
    other = b.value if isinstance(b, Immediate) else shown_tensor(b, stored[1], shape)
    axes = tuple(range(outer, operator.axes))
    if not axes:
        return a.to(torch.int64) * other
    if isinstance(other, int):
        return a.sum(axes, dtype=torch.int64) * other
    if not outer:
        return (a.to(torch.int64) * other).sum(axes)
    step = max(1, _BLOCK_ELEMENTS // max(math.prod(shape[1:]), 1))
    blocks = zip(torch.split(a, step), torch.split(other, step), strict=True)
    return torch.cat([(x.to(torch.int64) * y).sum(axes) for x, y in blocks])
