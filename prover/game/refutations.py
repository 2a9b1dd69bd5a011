"""Moves that win without a step: each shows that the executor, or the program, broke a rule (protocol, section 7.2).

What is dear to check about an opening is not checked when it is made, but here, when the challenger says that it is
wrong. `contracts/src/Commitments.sol`, `Referee.sol` and `Walk.sol` mirror this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from prover import blake3_tree, encoding, merkle, operators, validity
from prover.errors import IllegalMove, InvalidProgram
from prover.game import terms
from prover.game.moves import EMPTY, Move, RefuteChunk, RefuteFactor, RefuteNodes, RefuteProgram
from prover.game.openings import OpenedOperands
from prover.game.position import Phase, Position
from prover.program import Operator
from prover.views import coordinates


class Refuted:
    """The challenger has won: the executor's own commitment contradicts itself."""


REFUTED: Final = Refuted()


def apply(position: Position, move: Move) -> Refuted:
    """REFUTED, or IllegalMove if the move proves nothing."""
    phase, rule = RULES[type(move)]
    if position.phase is not phase:
        raise IllegalMove("WrongPhase", f"{type(move).__name__} does not answer {position.phase.name}")
    rule(position, move)
    return REFUTED


# What other moves check too


def check_opened(position: Position, content: bytes) -> None:
    if merkle.keccak(content) != position.opened:
        raise IllegalMove("NotWhatWasOpened", "the content does not hash to what was opened")


def check_record_place(position: Position, operator: int, record: bytes, path: Sequence[bytes]) -> None:
    top = merkle.climb(merkle.leaf(record), position.operators, operator, path)
    if top != position.records:
        raise IllegalMove("WrongRecordPath", f"the record is not operator {operator} of the layer")


def operator_of(position: Position, record: bytes) -> Operator:
    """The operator in dispute, from its record."""
    if merkle.leaf(record) != position.records:
        raise IllegalMove("WrongRecord", "it is not the record of the operator in dispute")
    return encoding.decode_operator(record)


# Is the opening wrong?


def folds(position: Position, nodes: Sequence[bytes]) -> bool:
    """Whether the nodes opened below a node of a tensor hash to it."""
    whole = position.start == 0 and position.count == blake3_tree.chunk_count(position.length)
    top = blake3_tree.root_parent if whole else None
    return merkle.fold_frontier(position.count, nodes, blake3_tree.parent, top) == position.node


def hashes_to_chunk(position: Position, chunk: bytes) -> bool:
    """Whether the bytes opened as the chunk in dispute hash to it."""
    only = blake3_tree.chunk_count(position.length) == 1
    return blake3_tree.chunk_value(chunk, position.start, root=only) == position.node


def _refute_nodes(position: Position, move: RefuteNodes) -> None:
    check_opened(position, b"".join(move.nodes))
    if folds(position, move.nodes):
        raise IllegalMove("OpeningHolds", "the nodes hash to the node in dispute")


def _refute_chunk(position: Position, move: RefuteChunk) -> None:
    check_opened(position, move.chunk)
    if hashes_to_chunk(position, move.chunk):
        raise IllegalMove("OpeningHolds", "the bytes hash to the chunk in dispute")


def _refute_factor(position: Position, move: RefuteFactor) -> None:
    check_opened(position, move.values)
    operator = operator_of(position, move.record)
    factors = terms.unpack(position, operator, move.values).factors
    if move.number >= len(factors):
        raise IllegalMove("NoSuchFactor", f"number {move.number} of {len(factors)}")
    if len(move.operand) != 1:
        raise IllegalMove("WrongOpeningCount", f"{len(move.operand)} for one factor")
    slot = 2 + move.number
    openings = [EMPTY] * len(operator.operands)
    openings[slot] = move.operand[0]
    opened = OpenedOperands(position, operator, openings, len(openings))
    out = coordinates(position.element, operator.out_shape)
    value = operators.fetch(operator, slot, out, opened.read)
    opened.finish()
    if value == factors[move.number]:
        raise IllegalMove("OpeningHolds", f"operand {slot} is {value}, as stated")


def _refute_program(position: Position, move: RefuteProgram) -> None:
    check_record_place(position, move.operator, move.record, move.path)
    try:
        validity.check_record(move.record, position.layer, move.operator)
    except InvalidProgram:
        return
    raise IllegalMove("RecordIsValid", f"operator {move.operator} breaks no rule")


RULES: dict[type[Move], tuple[Phase, Callable[[Position, Any], None]]] = {
    RefuteProgram: (Phase.OPERATOR_PICK, _refute_program),
    RefuteNodes: (Phase.TENSOR_PICK, _refute_nodes),
    RefuteChunk: (Phase.ELEMENT_PICK, _refute_chunk),
    RefuteFactor: (Phase.TERMS_PICK, _refute_factor),
}
