"""The operator table: one row per operator with its opcode, operands and scalar meaning.

The scalar meaning is the specification (protocol, section 3.3): plain unbounded integers, no torch.
Torch kernels (`prover.kernels`) and Solidity (`contracts/src/Operators.sol`) must agree with it bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from prover.program import Immediate, Opcode, Operator, View
from prover.views import address, coordinates, term_coordinates

Read = Callable[[int, int], int]
"""read(operand number, element address) -> the element of that operand's tensor."""


class Axes(Enum):
    """What the strides of an operand run over."""

    ALL = "all axes of the operator"
    OUT = "the axes that are not reduced"
    BOX = "all axes, over the box"
    ROW = "all axes, then one stride for the row"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Role:
    """One operand's place in an operator: its name, its strides, and whether it may be an immediate."""

    name: str
    axes: Axes
    immediate: bool = False

    def strides(self, operator: Operator) -> int:
        """How many strides a view in this role has."""
        n = operator.axes
        return {Axes.ALL: n, Axes.OUT: n - operator.reduced, Axes.BOX: n, Axes.ROW: n + 1, Axes.NONE: 0}[self.axes]

    def extents(self, operator: Operator) -> tuple[int, ...]:
        """The extent each stride runs over."""
        return {
            Axes.ALL: operator.shape,
            Axes.OUT: operator.out_shape,
            Axes.BOX: operator.box,
            Axes.ROW: (*operator.shape, operator.rows),
            Axes.NONE: (),
        }[self.axes]


@dataclass(frozen=True, slots=True)
class Partial:
    """The value of a range of terms: a sum, a maximum, or (argmax) a maximum and its lowest index."""

    value: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One operator: identity, operands, and its scalar meaning as fold over terms and finish."""

    name: str
    opcode: Opcode
    variant: int
    roles: tuple[Role, ...]
    element: Callable[[Operator, int, Read], int]
    rescales: bool = False
    """Whether shift and lift are used."""


def clamp(x: int, lo: int, hi: int) -> int:
    return min(max(x, lo), hi)


def requantise(operator: Operator, acc: int, m: int, c: int, lo: int, hi: int) -> int:
    """The one finish: clamp((acc*m + c*2^t + h) >> s, lo, hi), rounding half up."""
    half = 1 << (operator.shift - 1) if operator.shift else 0
    return clamp((acc * m + (c << operator.lift) + half) >> operator.shift, lo, hi)


def fetch(operator: Operator, slot: int, at: tuple[int, ...], read: Read) -> int:
    """Operand `slot` at coordinates `at` (as many as it has strides)."""
    operand = operator.operands[slot]
    if isinstance(operand, Immediate):
        return operand.value
    return read(slot, address(operand, at))


# Reductions: a range of terms has a partial value; partials combine; the whole range is finished.


def combine(operator: Operator, partials: list[Partial]) -> Partial:
    """The partial of a range from those of its sub-ranges, in order."""
    if operator.opcode is Opcode.DOT:
        return Partial(sum(p.value for p in partials))
    best = max(p.value for p in partials)
    first = next(p for p in partials if p.value == best)
    return Partial(best, first.index if operator.variant == ARGMAX else 0)


def partial(operator: Operator, element: int, start: int, count: int, read: Read) -> Partial:
    """The value of terms start .. start+count-1 of one output element of dot or reduce."""
    return combine(operator, list(_terms(operator, element, start, count, read)))


def _terms(operator: Operator, element: int, start: int, count: int, read: Read) -> Iterator[Partial]:
    out = coordinates(element, operator.out_shape)
    for j in range(start, start + count):
        at = (*out, *term_coordinates(operator, j))
        a = fetch(operator, 0, at, read)
        if operator.opcode is Opcode.DOT:
            yield Partial(a * fetch(operator, 1, at, read))
        elif operator.variant == ABSMAX:
            yield Partial(abs(a))
        else:
            yield Partial(a, j if operator.variant == ARGMAX else 0)


def finish(operator: Operator, element: int, whole: Partial, read: Read) -> int:
    """The output element of dot or reduce from the partial of all its terms."""
    if operator.opcode is Opcode.REDUCE:
        chosen = whole.index if operator.variant == ARGMAX else whole.value
        return clamp(chosen, operator.lo, operator.hi)
    out = coordinates(element, operator.out_shape)
    m, c = fetch(operator, 2, out, read), fetch(operator, 3, out, read)
    return requantise(operator, whole.value, m, c, operator.lo, operator.hi)


def _reduction(operator: Operator, element: int, read: Read) -> int:
    return finish(operator, element, partial(operator, element, 0, operator.terms, read), read)


def _zip(combine_pair: Callable[[int, int], int]) -> Callable[[Operator, int, Read], int]:
    def element(operator: Operator, e: int, read: Read) -> int:
        at = coordinates(e, operator.shape)
        a, b, m, c = (fetch(operator, slot, at, read) for slot in range(4))
        return requantise(operator, combine_pair(a, b), m, c, operator.lo, operator.hi)

    return element


def _divide(operator: Operator, e: int, read: Read) -> int:
    at = coordinates(e, operator.shape)
    a, b, m, c = (fetch(operator, slot, at, read) for slot in range(4))
    n, d = a * m + (c << operator.lift), max(b, 1)
    return clamp((2 * n + d) // (2 * d), operator.lo, operator.hi)


def _look_up(operator: Operator, e: int, read: Read) -> int:
    at = coordinates(e, operator.shape)
    table = operator.operands[1]
    assert isinstance(table, View)
    a, m, c = fetch(operator, 0, at, read), fetch(operator, 2, at, read), fetch(operator, 3, at, read)
    index = requantise(operator, a, m, c, 0, table.numel - 1)
    return clamp(read(1, index), operator.lo, operator.hi)


def _pointwise(function: Callable[[Operator, int], int]) -> Callable[[Operator, int, Read], int]:
    def element(operator: Operator, e: int, read: Read) -> int:
        a = fetch(operator, 0, coordinates(e, operator.shape), read)
        return clamp(function(operator, a), operator.lo, operator.hi)

    return element


def _reciprocal(operator: Operator, a: int) -> int:
    x = max(a, 1)
    return ((1 << operator.k) + x // 2) // x


def _reciprocal_root(operator: Operator, a: int) -> int:
    return math.isqrt((1 << (2 * operator.k)) // max(a, 1))


def _root(operator: Operator, a: int) -> int:
    return math.isqrt(max(a, 0))


def _gather(operator: Operator, e: int, read: Read) -> int:
    at = coordinates(e, operator.shape)
    row = clamp(fetch(operator, 0, at, read), 0, operator.rows - 1)
    return clamp(fetch(operator, 1, (*at, row), read), operator.lo, operator.hi)


def _place(operator: Operator, e: int, read: Read) -> int:
    at = coordinates(e, operator.shape)
    inside = place_coordinates(operator, at, fetch(operator, 2, (), read))
    chosen = fetch(operator, 0, inside, read) if inside is not None else fetch(operator, 1, at, read)
    return clamp(chosen, operator.lo, operator.hi)


def place_coordinates(operator: Operator, at: tuple[int, ...], position: int) -> tuple[int, ...] | None:
    """Coordinates within the box of place's a for output coordinates `at`, or None outside it."""
    start = [s + (position if axis == operator.k else 0) for axis, s in enumerate(operator.start)]
    inside = tuple(x - s for x, s in zip(at, start, strict=True))
    return inside if all(0 <= y < b for y, b in zip(inside, operator.box, strict=True)) else None


MAX, ABSMAX, ARGMAX = 0, 1, 2
NO_AXIS = 255

_A = Role("a", Axes.ALL)
_BMC = tuple(Role(name, Axes.ALL, immediate=True) for name in "bmc")

TABLE: dict[str, Row] = {
    row.name: row
    for row in (
        Row(
            "dot",
            Opcode.DOT,
            0,
            (_A, _BMC[0], Role("m", Axes.OUT, True), Role("c", Axes.OUT, True)),
            _reduction,
            rescales=True,
        ),
        Row("mul", Opcode.ZIP, 0, (_A, *_BMC), _zip(lambda a, b: a * b), rescales=True),
        Row("min", Opcode.ZIP, 1, (_A, *_BMC), _zip(min), rescales=True),
        Row("max", Opcode.ZIP, 2, (_A, *_BMC), _zip(max), rescales=True),
        Row("div", Opcode.ZIP, 3, (_A, *_BMC), _divide, rescales=True),
        Row("table", Opcode.MAP, 0, (_A, Role("table", Axes.NONE), *_BMC[1:]), _look_up, rescales=True),
        Row("recip", Opcode.MAP, 1, (_A,), _pointwise(_reciprocal)),
        Row("rsqrt", Opcode.MAP, 2, (_A,), _pointwise(_reciprocal_root)),
        Row("isqrt", Opcode.MAP, 3, (_A,), _pointwise(_root)),
        Row("reduce_max", Opcode.REDUCE, MAX, (_A,), _reduction),
        Row("reduce_absmax", Opcode.REDUCE, ABSMAX, (_A,), _reduction),
        Row("reduce_argmax", Opcode.REDUCE, ARGMAX, (_A,), _reduction),
        Row("gather", Opcode.GATHER, 0, (Role("index", Axes.ALL), Role("table", Axes.ROW)), _gather),
        Row(
            "place",
            Opcode.PLACE,
            0,
            (Role("a", Axes.BOX), Role("base", Axes.ALL, True), Role("position", Axes.NONE, True)),
            _place,
        ),
    )
}

BY_CODE: dict[tuple[int, int], Row] = {(row.opcode, row.variant): row for row in TABLE.values()}


def row_of(operator: Operator) -> Row:
    return BY_CODE[operator.opcode, operator.variant]


def element(operator: Operator, index: int, read: Read) -> int:
    """Output element `index` (row-major over the output's shape) of an operator."""
    return row_of(operator).element(operator, index, read)
