"""What is opened about the terms of long sums: partial values, and m and c of a dot (protocol, section 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prover.game.position import Position
from prover.operators import ARGMAX, Partial
from prover.program import Opcode, Operator
from prover.views import sub_ranges

FACTORS = 2
"""m and c, four bytes each."""


class Stated(NamedTuple):
    """The values of the sub-ranges, and (m, c) where the range is all terms of a dot."""

    partials: list[Partial]
    factors: tuple[int, ...]


def is_whole(position: Position, operator: Operator) -> bool:
    return position.start == 0 and position.count == operator.terms


def states_factors(position: Position, operator: Operator) -> bool:
    """Whether m and c are stated with the values of the range in dispute."""
    return operator.opcode is Opcode.DOT and is_whole(position, operator)


def length(position: Position, operator: Operator) -> int:
    """Bytes that are opened."""
    factors = 4 * FACTORS if states_factors(position, operator) else 0
    return len(sub_ranges(position.start, position.count)) * _size(operator) + factors


def pack(operator: Operator, partials: Sequence[Partial], factors: Sequence[int] = ()) -> bytes:
    """Values as they are opened: i64, for argmax a u64 index after each; then the factors, i32 each. Big-endian."""
    argmax = _size(operator) == 16
    values = (
        p.value.to_bytes(8, "big", signed=True) + (p.index.to_bytes(8, "big") if argmax else b"") for p in partials
    )
    return b"".join((*values, *(factor.to_bytes(4, "big", signed=True) for factor in factors)))


def unpack(position: Position, operator: Operator, values: bytes) -> Stated:
    """The inverse of `pack` for values of the right length."""
    factors: tuple[int, ...] = ()
    if states_factors(position, operator):
        values, tail = values[: -4 * FACTORS], values[-4 * FACTORS :]
        factors = tuple(int.from_bytes(tail[i : i + 4], "big", signed=True) for i in range(0, len(tail), 4))
    size = _size(operator)
    parts = [values[i : i + size] for i in range(0, len(values), size)]
    partials = [Partial(int.from_bytes(p[:8], "big", signed=True), int.from_bytes(p[8:], "big")) for p in parts]
    return Stated(partials, factors)


def _size(operator: Operator) -> int:
    return 16 if operator.opcode is Opcode.REDUCE and operator.variant == ARGMAX else 8
