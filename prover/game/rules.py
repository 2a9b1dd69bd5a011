"""The transitions of a dispute's walk: one table from phase to the rule that answers it (protocol, section 7.2).

Pure in (position, move). A move that breaks a rule raises IllegalMove and changes nothing; the step that
disagrees with the claimed value returns `REFUTED`. `contracts/src/Walk.sol` and `Referee.sol` mirror this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from prover import blake3_tree, encoding, merkle, operators, validity
from prover.errors import IllegalMove, InvalidProgram
from prover.game.moves import (
    ANSWERS,
    Move,
    OpenChunk,
    OpenLayer,
    OpenTensor,
    OpenTerms,
    OpenTrace,
    PickElement,
    PickOperator,
    PickTensor,
    PickTerms,
    PickTrace,
    RefuteProgram,
    Step,
)
from prover.game.moves import EMPTY as EMPTY_OPENING
from prover.game.openings import OpenedOperands, compute
from prover.game.position import Phase, Position
from prover.operators import ARGMAX, Partial
from prover.program import Opcode, Operator
from prover.views import is_wide, sub_ranges

_ZERO = bytes(32)


class Refuted:
    """The challenger has won: the executor's own commitment contradicts itself."""


REFUTED: Final = Refuted()


def apply(position: Position, move: Move) -> Position | Refuted:
    """The position after `move`, or REFUTED."""
    if isinstance(move, RefuteProgram):
        return _refute_program(position, move)
    if ANSWERS[position.phase] is not type(move):
        raise IllegalMove("WrongPhase", f"{type(move).__name__} does not answer {position.phase.name}")
    return _RULES[position.phase](position, move)


def _check_opened(position: Position, content: bytes) -> None:
    if merkle.keccak(content) != position.opened:
        raise IllegalMove("NotWhatWasOpened", "the content does not hash to what was opened")


# Trace


def _open_trace(position: Position, move: OpenTrace) -> Position:
    if merkle.fold_frontier(position.count, move.nodes) != position.node:
        raise IllegalMove("WrongNodes", "they do not hash to the node in dispute")
    return replace(position, phase=Phase.TRACE_PICK, opened=merkle.keccak(*move.nodes))


def _pick_child(position: Position, nodes: Sequence[bytes], child: int) -> Position:
    _check_opened(position, b"".join(nodes))
    if not 0 <= child < len(nodes):
        raise IllegalMove("NoSuchChild", f"child {child} of {len(nodes)}")
    first, size = merkle.frontier(position.count)[child]
    return replace(position, start=position.start + first, count=size, node=nodes[child], opened=_ZERO)


def _pick_trace(position: Position, move: PickTrace) -> Position:
    below = _pick_child(position, move.nodes, move.child)
    if below.count > 1:
        return replace(below, phase=Phase.TRACE_OPEN)
    return replace(below, phase=Phase.LAYER_OPEN, layer=below.start)


# Layer


def _open_layer(position: Position, move: OpenLayer) -> Position:
    leaf = merkle.leaf(move.record)
    if merkle.climb(leaf, position.layers, position.layer, move.path) != position.layers_root:
        raise IllegalMove("WrongLayerPath", f"the record is not layer {position.layer} of the model")
    try:
        count, outputs, operators_root = validity.check_layer_record(move.record)
    except InvalidProgram as error:
        raise IllegalMove(error.rule, error.detail) from error
    if len(move.roots) != count:
        raise IllegalMove("WrongRootCount", f"{len(move.roots)} roots for {count} operators")
    slots_root = merkle.root([move.roots[i] for i in outputs])
    if merkle.leaf(slots_root) != position.node:
        raise IllegalMove("WrongSlots", "the checkpointed outputs do not hash to the layer's leaf")
    return replace(
        position,
        phase=Phase.OPERATOR_PICK,
        node=_ZERO,
        opened=merkle.keccak(*move.roots),
        operators_root=operators_root,
        operators=count,
        tensors_root=merkle.root(move.roots),
    )


def _check_record_place(position: Position, operator: int, record: bytes, path: Sequence[bytes]) -> None:
    top = merkle.climb(merkle.leaf(record), position.operators, operator, path)
    if top != position.operators_root:
        raise IllegalMove("WrongRecordPath", f"the record is not operator {operator} of the layer")


def _pick_operator(position: Position, move: PickOperator) -> Position:
    _check_opened(position, b"".join(move.roots))
    _check_record_place(position, move.operator, move.record, move.path)
    try:
        operator = validity.check_record(move.record, position.layer, move.operator)
    except InvalidProgram as error:
        raise IllegalMove(error.rule, error.detail) from error
    chunks = blake3_tree.chunk_count(operator.nbytes)
    return replace(
        position,
        phase=Phase.CHUNK_OPEN if chunks == 1 else Phase.TENSOR_OPEN,
        start=0,
        count=chunks,
        node=move.roots[move.operator],
        opened=_ZERO,
        operator=move.operator,
        record=merkle.leaf(move.record),
        length=operator.nbytes,
    )


def _refute_program(position: Position, move: RefuteProgram) -> Refuted:
    if position.phase is not Phase.OPERATOR_PICK:
        raise IllegalMove("WrongPhase", f"RefuteProgram does not answer {position.phase.name}")
    _check_record_place(position, move.operator, move.record, move.path)
    try:
        validity.check_record(move.record, position.layer, move.operator)
    except InvalidProgram:
        return REFUTED
    raise IllegalMove("RecordIsValid", f"operator {move.operator} breaks no rule")


# Tensor and chunk


def _open_tensor(position: Position, move: OpenTensor) -> Position:
    whole = position.start == 0 and position.count == blake3_tree.chunk_count(position.length)
    top = blake3_tree.root_parent if whole else None
    if merkle.fold_frontier(position.count, move.nodes, blake3_tree.parent, top) != position.node:
        raise IllegalMove("WrongNodes", "they do not hash to the node in dispute")
    return replace(position, phase=Phase.TENSOR_PICK, opened=merkle.keccak(*move.nodes))


def _pick_tensor(position: Position, move: PickTensor) -> Position:
    below = _pick_child(position, move.nodes, move.child)
    return replace(below, phase=Phase.TENSOR_OPEN if below.count > 1 else Phase.CHUNK_OPEN)


def _open_chunk(position: Position, move: OpenChunk) -> Position:
    if len(move.chunk) != blake3_tree.chunk_length(position.length, position.start):
        raise IllegalMove("WrongChunkLength", f"{len(move.chunk)} bytes")
    only = blake3_tree.chunk_count(position.length) == 1
    if blake3_tree.chunk_value(move.chunk, position.start, root=only) != position.node:
        raise IllegalMove("WrongChunk", "it does not hash to the chunk in dispute")
    return replace(position, phase=Phase.ELEMENT_PICK, opened=merkle.keccak(move.chunk))


def _operator(position: Position, record: bytes) -> Operator:
    if merkle.leaf(record) != position.record:
        raise IllegalMove("WrongRecord", "it is not the record of the operator in dispute")
    return encoding.decode_operator(record)


def _descend(position: Position, operator: Operator) -> Position:
    """Phase 9 or 11, by whether the range of terms is wide."""
    wide = is_wide(operator, position.element, position.start, position.count)
    return replace(position, phase=Phase.TERMS_OPEN if wide else Phase.STEP)


def _pick_element(position: Position, move: PickElement) -> Position:
    _check_opened(position, move.chunk)
    operator = _operator(position, move.record)
    size = operator.dtype.size
    if not 0 <= move.item < len(move.chunk) // size:
        raise IllegalMove("NoSuchElement", f"element {move.item} of a chunk of {len(move.chunk)} bytes")
    value = int.from_bytes(move.chunk[move.item * size : (move.item + 1) * size], "little", signed=True)
    element = position.start * (blake3_tree.CHUNK // size) + move.item
    below = replace(position, start=0, count=operator.terms, node=_ZERO, opened=_ZERO, element=element, value=value)
    return _descend(below, operator)


# Terms


def pack_partials(operator: Operator, partials: Sequence[Partial]) -> bytes:
    """Partial values as they are opened: i64, and for argmax a u64 index after each."""
    argmax = _is_argmax(operator)
    return b"".join(
        p.value.to_bytes(8, "big", signed=True) + (p.index.to_bytes(8, "big") if argmax else b"") for p in partials
    )


def unpack_partials(operator: Operator, values: bytes) -> list[Partial]:
    """The inverse of `pack_partials`; a trailing piece of a value is dropped."""
    size = 16 if _is_argmax(operator) else 8
    parts = [values[i : i + size] for i in range(0, len(values) - size + 1, size)]
    return [Partial(int.from_bytes(p[:8], "big", signed=True), int.from_bytes(p[8:], "big")) for p in parts]


def _is_argmax(operator: Operator) -> bool:
    return operator.opcode is Opcode.REDUCE and operator.variant == ARGMAX


def _open_terms(position: Position, move: OpenTerms) -> Position:
    operator = _operator(position, move.record)
    expected = len(sub_ranges(position.start, position.count)) * (16 if _is_argmax(operator) else 8)
    if len(move.values) != expected:
        raise IllegalMove("WrongValuesLength", f"{len(move.values)} bytes where {expected} are asked")
    whole = operators.combine(operator, unpack_partials(operator, move.values))
    if len(move.finish) != 2:
        raise IllegalMove("WrongOpeningCount", f"{len(move.finish)} for m and c")
    if operator.opcode is not Opcode.DOT and move.finish != (EMPTY_OPENING, EMPTY_OPENING):
        raise IllegalMove("UnreadOpening", "a reduction has no m and c")
    slots = (EMPTY_OPENING,) * 2 + move.finish if operator.opcode is Opcode.DOT else (EMPTY_OPENING,)
    opened = OpenedOperands(position, operator, slots)
    claimed = Partial(position.value, position.index)
    if position.start == 0 and position.count == operator.terms:
        whole = Partial(operators.finish(operator, position.element, whole, opened.read))
    if whole != claimed:
        raise IllegalMove("ValuesDoNotCombine", f"{whole} where {claimed} is committed")
    opened.finish()
    return replace(position, phase=Phase.TERMS_PICK, opened=merkle.keccak(move.values))


def _pick_terms(position: Position, move: PickTerms) -> Position:
    _check_opened(position, move.values)
    operator = _operator(position, move.record)
    ranges = sub_ranges(position.start, position.count)
    if not 0 <= move.choice < len(ranges):
        raise IllegalMove("NoSuchRange", f"range {move.choice} of {len(ranges)}")
    start, count = ranges[move.choice]
    partial = unpack_partials(operator, move.values)[move.choice]
    below = replace(position, start=start, count=count, opened=_ZERO, value=partial.value, index=partial.index)
    return _descend(below, operator)


# Step


def _step(position: Position, move: Step) -> Refuted:
    operator = _operator(position, move.record)
    opened = OpenedOperands(position, operator, move.operands)
    computed = compute(operator, position.element, position.start, position.count, opened.read)
    opened.finish()
    if computed == Partial(position.value, position.index):
        raise IllegalMove("StepAgrees", f"the operands give the claimed value {position.value}")
    return REFUTED


_RULES: dict[Phase, Callable[[Position, Any], Position | Refuted]] = {
    Phase.TRACE_OPEN: _open_trace,
    Phase.TRACE_PICK: _pick_trace,
    Phase.LAYER_OPEN: _open_layer,
    Phase.OPERATOR_PICK: _pick_operator,
    Phase.TENSOR_OPEN: _open_tensor,
    Phase.TENSOR_PICK: _pick_tensor,
    Phase.CHUNK_OPEN: _open_chunk,
    Phase.ELEMENT_PICK: _pick_element,
    Phase.TERMS_OPEN: _open_terms,
    Phase.TERMS_PICK: _pick_terms,
    Phase.STEP: _step,
}
