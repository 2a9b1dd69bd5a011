"""Partial values of many terms at once, in numpy, exactly; `prover.operators.partial` says what they are.

A dispute may ask for 2^21 terms while a clock runs; one term after the other takes minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prover.operators import ABSMAX, ARGMAX, Partial
from prover.program import Immediate, Opcode, Operand, Operator, View
from prover.trace import Array
from prover.views import coordinates, sub_ranges

Integers = NDArray[np.int64]


def partials(
    operator: Operator, element: int, start: int, count: int, tensors: Sequence[Array | None]
) -> list[Partial]:
    """The value of each sub-range of terms start .. start+count-1 of an output element of dot or reduce.

    `tensors` are the flat tensors that the operands look at, None for immediates.
    """
    terms = np.unravel_index(np.arange(start, start + count), operator.term_shape)
    a = _values(operator, 0, element, terms, tensors)
    if operator.opcode is Opcode.DOT:
        a = a * _values(operator, 1, element, terms, tensors)
    elif operator.variant == ABSMAX:
        a = np.abs(a)
    ranges = [(first - start, size) for first, size in sub_ranges(start, count)]
    pieces = [(first + start, a[first : first + size]) for first, size in ranges]
    if operator.opcode is Opcode.DOT:
        return [Partial(_sum(piece)) for _, piece in pieces]
    if operator.variant == ARGMAX:
        # numpy's argmax is the first one, as the protocol asks
        best = [(first, piece, int(piece.argmax())) for first, piece in pieces]
        return [Partial(int(piece[at]), first + at) for first, piece, at in best]
    return [Partial(int(piece.max())) for _, piece in pieces]


def _values(
    operator: Operator, slot: int, element: int, terms: Sequence[Integers], tensors: Sequence[Array | None]
) -> Integers:
    """Operand `slot` at each term, as int64: products of two i32 are below 2^63."""
    operand: Operand = operator.operands[slot]
    if isinstance(operand, Immediate):
        return np.full(len(terms[0]), operand.value, np.int64)
    tensor = tensors[slot]
    assert tensor is not None
    return tensor[_addresses(operator, operand, element, terms)].astype(np.int64)


def _addresses(operator: Operator, view: View, element: int, terms: Sequence[Integers]) -> Integers:
    out = coordinates(element, operator.out_shape)
    # In Python integers: an axis of length 1 may have any stride.
    base = view.offset + sum(s * x for s, x in zip(view.strides, out, strict=False))
    addresses = np.full(len(terms[0]), base, np.int64)
    for stride, extent, at in zip(view.strides[len(out) :], operator.term_shape, terms, strict=True):
        if extent > 1:
            addresses += stride * at
    return addresses


def _sum(products: Integers) -> int:
    """The exact sum of at most 2^21 values below 2^63 in magnitude: neither half can leave int64."""
    high, low = int((products >> 32).sum()), int((products & 0xFFFFFFFF).sum())
    return (high << 32) + low
