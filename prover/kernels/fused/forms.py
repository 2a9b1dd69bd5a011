"""How an operator can be computed row by row: which of its axes count rows, and which run inside a row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from prover.kernels.backend import Product
from prover.kernels.fused.graph import Node
from prover.program import Operator, View, WeightRef
from prover.views import contiguous

UNROLLED_TERMS = 8
"""Sums of at most so many terms are written out; longer ones are loops."""
MIN_INNER = 64
"""Elements worth having in a row of elementwise operators."""
SLICES = 8


class Kind(Enum):
    ELEMENT = "each element from the same place of its operands"
    REDUCTION = "one element per row, from a loop over the terms"
    ROW_PRODUCT = "a product with a small factor that stays in cache"
    PRODUCT = "the finish of a product made beforehand by a matmul backend"


@dataclass(frozen=True, slots=True)
class Form:
    """`rows` and `inner` are numbers of axes of the lean operator; `inner` are the terms of a reduction."""

    kind: Kind
    rows: tuple[int, ...]
    inner: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """The output axes of a product by what moves along them, with the product's form; `swapped`: b gives the rows."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    product: Product
    swapped: bool


def row_factor_slots(sort: Sorted) -> tuple[int, int]:
    """Operand numbers of the factor that gives the rows and of the one that gives the columns."""
    return (1, 0) if sort.swapped else (0, 1)


def sort_axes(node: Node) -> Sorted | None:
    """Output axes of a dot of two views; None for sums, and where no factor is shared between elements."""
    operator = node.lean
    if node.name != "dot" or operator.terms <= UNROLLED_TERMS:
        return None
    a, b = operator.operands[:2]
    if not isinstance(a, View) or not isinstance(b, View):
        return None
    swapped = isinstance(a.source, WeightRef) and not isinstance(b.source, WeightRef)
    row, column = (b, a) if swapped else (a, b)
    kinds: tuple[list[int], list[int], list[int]] = [], [], []
    for axis in range(len(operator.out_shape)):
        moves_row, moves_column = row.strides[axis] != 0, column.strides[axis] != 0
        kinds[0 if moves_row and moves_column else 2 if moves_column else 1].append(axis)
    batch, rows, columns = (tuple(kind) for kind in kinds)
    count, m, n = (math.prod(operator.shape[axis] for axis in kind) for kind in kinds)
    if m == n == 1:
        return None
    first, second = (node.ranges[1], node.ranges[0]) if swapped else node.ranges[:2]
    return Sorted(batch, rows, columns, Product(count, m, n, operator.terms, first, second), swapped)


def row_product_split(product: Product) -> tuple[bool, int] | None:
    """(take the rows' factor as two digits, terms whose sum fits an int32), or None if this route is not worth it."""
    if max(product.a.magnitude, product.b.magnitude) > 1 << 15 or product.n < 8 or product.k < 2:
        return None
    if product.m < 4 or product.n * product.k > 1 << 18:
        return None
    for split, magnitude in ((False, product.a.magnitude), (True, 128)):
        fits = ((1 << 31) - 1) // max(1, magnitude * product.b.magnitude)
        if fits >= product.k or (fits >= 64 and -(-product.k // (fits - fits % 2)) <= SLICES):
            return split, max(2, fits if fits < product.k else product.k + product.k % 2)
    return None


def forms(node: Node) -> Iterator[Form]:
    """Every way to compute a node by rows, the preferred ones first; none if it cannot be fused."""
    operator = node.lean
    outer = tuple(range(len(operator.out_shape)))
    terms = tuple(range(len(outer), operator.axes))
    if node.whole is None or node.name in ("place", "reduce_argmax"):
        return
    sort = sort_axes(node)
    if sort is not None:
        kind = Kind.ROW_PRODUCT if takes_row_product(sort) else Kind.PRODUCT
        for rows in itertools.permutations(sort.rows):
            yield Form(kind, (*sort.batch, *rows), sort.columns)
    elif operator.terms > UNROLLED_TERMS or node.name.startswith("reduce"):
        yield Form(Kind.REDUCTION, outer, terms)
    else:
        for count in _prefixes(operator.out_shape):
            yield Form(Kind.ELEMENT, outer[:count], outer[count:])


def takes_row_product(sort: Sorted) -> bool:
    """Small factors that belong to a batch, such as attention's; weights go to a matmul backend."""
    return sort.product.batch > 1 and row_product_split(sort.product) is not None


def _prefixes(shape: Sequence[int]) -> list[int]:
    """Numbers of leading axes, the longest that leaves a row worth computing first."""
    preferred = max((n for n in range(len(shape) + 1) if math.prod(shape[n:]) >= MIN_INNER), default=0)
    return [preferred, *(n for n in range(len(shape), -1, -1) if n != preferred)]


# Rows of different operators


def refined(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...] | None:
    """The coarsest extents into which both lists of extents (above 1) can be split; None if there are none."""
    left, right = list(a), list(b)
    result: list[int] = []
    while left and right:
        p, q = left.pop(), right.pop()
        small, large = min(p, q), max(p, q)
        if large % small:
            return None
        result.append(small)
        if p != q:
            (left if p > q else right).append(large // small)
    return None if left or right else tuple(reversed(result))


def spread(extents: Sequence[int], strides: Sequence[int], finer: Sequence[int]) -> tuple[int, ...]:
    """Strides over `finer` extents, of a tensor with strides over `extents`."""
    result: list[int] = []
    rest = list(finer)
    for extent, stride in zip(reversed(extents), reversed(strides), strict=True):
        covered = 1
        while covered < extent:
            result.append(stride * covered)
            covered *= rest.pop()
    return tuple(reversed(result))


def row_extents(operator: Operator, form: Form) -> tuple[int, ...]:
    return tuple(operator.shape[axis] for axis in form.rows)


def is_prefix(form: Form) -> bool:
    """Whether a row's elements lie side by side in the result, rows in order."""
    return form.rows == tuple(range(len(form.rows)))


def result_strides(operator: Operator) -> tuple[int, ...]:
    return contiguous(operator.out_shape)
