"""Addresses of strided views, and the ranges of terms a dispute walks through (protocol, sections 3.2 and 7.3)."""

from __future__ import annotations

from collections.abc import Sequence

from prover.program import Opcode, Operator, View

CHUNK = 1024
"""Bytes of a tensor that are opened at once."""
MAX_STEP_TERMS = 1024
MAX_STEP_RUNS = 64
"""Runs of the innermost reduced axis that a step walks: each costs the chain as much as a hundred terms."""
MAX_SUBRANGES = 128


def coordinates(index: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major coordinates of element `index` in `shape`."""
    at = []
    for extent in reversed(shape):
        index, digit = divmod(index, extent)
        at.append(digit)
    return tuple(reversed(at))


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides of a contiguous tensor of `shape`, in elements."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def address(view: View, at: Sequence[int]) -> int:
    """The element of its tensor that a view shows at coordinates `at`."""
    return view.offset + sum(s * x for s, x in zip(view.strides, at, strict=True))


def bounds(view: View, extents: Sequence[int]) -> tuple[int, int]:
    """Lowest and highest address over coordinates 0 .. extent-1 of each axis."""
    spans = [s * (n - 1) for s, n in zip(view.strides, extents, strict=True)]
    return view.offset + sum(min(x, 0) for x in spans), view.offset + sum(max(x, 0) for x in spans)


def term_coordinates(operator: Operator, term: int) -> tuple[int, ...]:
    """Coordinates of a term in the reduced axes."""
    return coordinates(term, operator.term_shape)


def box(operator: Operator, start: int, count: int) -> list[tuple[int, int]]:
    """Per reduced axis, the first and last coordinate of the box around a range of terms."""
    first, last = term_coordinates(operator, start), term_coordinates(operator, start + count - 1)
    result: list[tuple[int, int]] = []
    split = False
    for low, high, extent in zip(first, last, operator.term_shape, strict=True):
        result.append((0, extent - 1) if split else (low, high))
        split = split or low != high
    return result


def term_bounds(operator: Operator, view: View, element: int, start: int, count: int) -> tuple[int, int]:
    """Lowest and highest address of a and b of dot and reduce over the box of a range of terms."""
    out = coordinates(element, operator.out_shape)
    low = high = view.offset + sum(s * x for s, x in zip(view.strides, out, strict=False))
    for stride, (first, last) in zip(view.strides[len(out) :], box(operator, start, count), strict=True):
        low += min(stride * first, stride * last)
        high += max(stride * first, stride * last)
    return low, high


def innermost(operator: Operator) -> int:
    """Extent of the innermost reduced axis, 1 if there is none."""
    return operator.term_shape[-1] if operator.reduced else 1


def is_wide(operator: Operator, element: int, start: int, count: int) -> bool:
    """Whether a range of terms must be narrowed before the step can open its operands."""
    if operator.opcode not in (Opcode.DOT, Opcode.REDUCE):
        return False
    if count > MAX_STEP_TERMS or count > MAX_STEP_RUNS * innermost(operator):
        return True
    for operand in operator.operands[:2]:
        if isinstance(operand, View):
            low, high = term_bounds(operator, operand, element, start, count)
            size = operand.dtype.size
            if low * size // CHUNK != high * size // CHUNK:
                return True
    return False


def sub_ranges(start: int, count: int) -> list[tuple[int, int]]:
    """The (start, count) of the sub-ranges of a range: at most 128, each a power of two long but the last."""
    size = 1
    while -(-count // size) > MAX_SUBRANGES:
        size *= 2
    return [(s, min(size, start + count - s)) for s in range(start, start + count, size)]
