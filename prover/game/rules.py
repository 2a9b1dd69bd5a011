"""The transitions of a dispute's walk: one table from phase to the rule that answers it (protocol, section 7.2).

Pure in (position, move). A move that breaks a rule raises IllegalMove and changes nothing; the step that
disagrees with the claimed value returns `REFUTED`. `contracts/src/Walk.sol` and `Referee.sol` mirror this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from prover import blake3_tree, merkle, operators, validity
from prover.errors import IllegalMove, InvalidProgram
from prover.game import refutations, terms
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
    Step,
)
from prover.game.openings import OpenedOperands, compute, opened_by_step, shown_node
from prover.game.position import Phase, Position
from prover.game.refutations import REFUTED, Refuted, check_opened, check_record_place, operator_of
from prover.operators import Partial
from prover.program import Immediate, Operator
from prover.views import is_wide, sub_ranges

_ZERO = bytes(32)


def apply(position: Position, move: Move) -> Position | Refuted:
    """The position after `move`, or REFUTED."""
    if type(move) in refutations.RULES:
        return refutations.apply(position, move)
    if ANSWERS[position.phase] is not type(move):
        raise IllegalMove("WrongPhase", f"{type(move).__name__} does not answer {position.phase.name}")
    return _RULES[position.phase](position, move)


# Trace


def _open_trace(position: Position, move: OpenTrace) -> Position:
    if merkle.fold_frontier(position.count, move.nodes) != position.node:
        raise IllegalMove("WrongNodes", "they do not hash to the node in dispute")
    return replace(position, phase=Phase.TRACE_PICK, opened=merkle.keccak(*move.nodes))


def _pick_child(position: Position, nodes: Sequence[bytes], child: int) -> Position:
    check_opened(position, b"".join(nodes))
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
    ground = position.ground
    if merkle.climb(leaf, ground.layers, position.layer, move.path) != ground.layers_root:
        raise IllegalMove("WrongLayerPath", f"the record is not layer {position.layer} of the model")
    try:
        count, outputs, records = validity.check_layer_record(move.record)
    except InvalidProgram as error:
        raise IllegalMove(error.rule, error.detail) from error
    if len(move.roots) != count:
        raise IllegalMove("WrongRootCount", f"{len(move.roots)} roots for {count} operators")
    slots_root = merkle.root([move.roots[i] for i in outputs])
    if merkle.leaf(slots_root) != position.node:
        raise IllegalMove("WrongSlots", "the checkpointed outputs do not hash to the layer's leaf")
    opened = replace(
        position,
        phase=Phase.OPERATOR_PICK,
        node=_ZERO,
        records=records,
        operators=count,
        tensors_root=merkle.root(move.roots),
    )
    if (move.only != b"") if count > 1 else (merkle.leaf(move.only) != records):
        raise IllegalMove("WrongRecordPath", "the record is not that of the layer's only operator")
    return opened if count > 1 else _pick_only(opened, move)


def _pick_only(position: Position, move: OpenLayer) -> Position:
    """Where there is nothing to pick. A record that breaks a rule is left to be refuted."""
    try:
        return _enter_tensor(position, move.only, 0, move.roots[0])
    except InvalidProgram:
        return position


def _pick_operator(position: Position, move: PickOperator) -> Position:
    top = merkle.climb(merkle.leaf(move.root), position.operators, move.operator, move.root_path)
    if top != position.tensors_root:
        raise IllegalMove("NotWhatWasOpened", f"the root is not the one that was opened for operator {move.operator}")
    check_record_place(position, move.operator, move.record, move.path)
    try:
        return _enter_tensor(position, move.record, move.operator, move.root)
    except InvalidProgram as error:
        raise IllegalMove(error.rule, error.detail) from error


def _enter_tensor(position: Position, record: bytes, number: int, root: bytes) -> Position:
    """Before the tensor of an operator; InvalidProgram if its record breaks a rule."""
    operator = validity.check_record(record, position.layer, number)
    chunks = blake3_tree.chunk_count(operator.nbytes)
    return replace(
        position,
        phase=Phase.CHUNK_OPEN if chunks == 1 else Phase.TENSOR_OPEN,
        start=0,
        count=chunks,
        node=root,
        operator=number,
        records=merkle.leaf(record),
        length=operator.nbytes,
    )


# Tensor and chunk


def _open_tensor(position: Position, move: OpenTensor) -> Position:
    if len(move.nodes) != (expected := len(merkle.frontier(position.count))):
        raise IllegalMove("WrongNodes", f"{len(move.nodes)} nodes where {expected} are asked")
    return replace(position, phase=Phase.TENSOR_PICK, opened=merkle.keccak(*move.nodes))


def _pick_tensor(position: Position, move: PickTensor) -> Position:
    below = _pick_child(position, move.nodes, move.child)
    return replace(below, phase=Phase.TENSOR_OPEN if below.count > 1 else Phase.CHUNK_OPEN)


def _open_chunk(position: Position, move: OpenChunk) -> Position:
    if len(move.chunk) != blake3_tree.chunk_length(position.length, position.start):
        raise IllegalMove("WrongChunkLength", f"{len(move.chunk)} bytes")
    return replace(position, phase=Phase.ELEMENT_PICK, opened=merkle.keccak(move.chunk))


def _descend(position: Position, operator: Operator) -> Position:
    """Phase 9 or 11, by whether the range of terms is wide."""
    wide = is_wide(operator, position.element, position.start, position.count)
    return replace(position, phase=Phase.TERMS_OPEN if wide else Phase.STEP)


def _pick_element(position: Position, move: PickElement) -> Position:
    check_opened(position, move.chunk)
    operator = operator_of(position, move.record)
    size = operator.dtype.size
    if not 0 <= move.item < len(move.chunk) // size:
        raise IllegalMove("NoSuchElement", f"element {move.item} of a chunk of {len(move.chunk)} bytes")
    value = int.from_bytes(move.chunk[move.item * size : (move.item + 1) * size], "little", signed=True)
    element = position.start * (blake3_tree.CHUNK // size) + move.item
    below = replace(position, start=0, count=operator.terms, node=_ZERO, opened=_ZERO, element=element, value=value)
    return _descend(below, operator)


# Terms


def _open_terms(position: Position, move: OpenTerms) -> Position:
    operator = operator_of(position, move.record)
    if len(move.values) != (expected := terms.length(position, operator)):
        raise IllegalMove("WrongValuesLength", f"{len(move.values)} bytes where {expected} are asked")
    partials, factors = terms.unpack(position, operator, move.values)
    whole = operators.combine(operator, partials)
    for operand, factor in zip(operator.operands[2:], factors, strict=False):
        if isinstance(operand, Immediate) and operand.value != factor:
            raise IllegalMove("WrongFactor", f"{factor} where the record has {operand.value}")
    if terms.is_whole(position, operator):
        whole = Partial(operators.finish(operator, position.element, whole, lambda slot, _: factors[slot - 2]))
    if whole != (claimed := Partial(position.value, position.index)):
        raise IllegalMove("ValuesDoNotCombine", f"{whole} where {claimed} is committed")
    return replace(position, phase=Phase.TERMS_PICK, opened=merkle.keccak(move.values))


def _pick_terms(position: Position, move: PickTerms) -> Position:
    check_opened(position, move.values)
    operator = operator_of(position, move.record)
    ranges = sub_ranges(position.start, position.count)
    if not 0 <= move.choice < len(ranges):
        raise IllegalMove("NoSuchRange", f"range {move.choice} of {len(ranges)}")
    start, count = ranges[move.choice]
    partial = terms.unpack(position, operator, move.values).partials[move.choice]
    below = replace(position, start=start, count=count, opened=_ZERO, value=partial.value, index=partial.index)
    below = _descend(below, operator)
    return replace(below, node=shown_node(below, operator, move.shown)) if move.shown else below


# Step


def _step(position: Position, move: Step) -> Refuted:
    operator = operator_of(position, move.record)
    expected = opened_by_step(operator, position)
    opened = OpenedOperands(position, operator, move.operands, expected)
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
