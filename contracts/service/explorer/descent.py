"""The stages of a dispute in words and proportions: what was opened, what was picked, and out of how much."""

from __future__ import annotations

from typing import Any

from contracts.agent import hexed
from contracts.service.walk import Stage
from contracts.snapshot import Reason
from prover.blake3_tree import CHUNK
from prover.game.position import Position, Side
from prover.operators import row_of
from prover.program import Program

ENDINGS = {
    Reason.STEP: "the contract computed the number, and it is not what the executor committed to",
    Reason.OUTPUT: "the posted output is not the committed one",
    Reason.PROGRAM: "a record of the model breaks a rule",
    Reason.TIMEOUT: "the side to move ran out of time",
    Reason.OPENING: "what the executor opened is not what it committed to",
    Reason.OTHER: "another dispute on the claim was won first",
}


def place(position: Position, program: Program | None) -> str:
    """What a number is: an element of an operator's result, or a part of its terms."""
    where = f"element {position.element} of {operator_name(position, program)}"
    return f"{where} in {layer_name(position.layer, program)}"


def layer_name(layer: int, program: Program | None) -> str:
    if program is not None and layer < len(program.names):
        return program.names[layer]
    return f"layer {layer}"


def operator_name(position: Position, program: Program | None) -> str:
    if program is None:
        return f"operator {position.operator}"
    return f"operator {position.operator} ({row_of(program.operator(position.layer, position.operator)).name})"


def stage(one: Stage, program: Program | None) -> dict[str, Any]:
    """One event; of a pick also the side and the cut: which part of how much was picked."""
    shown: dict[str, Any] = {
        "event": one.event,
        "mover": one.mover,
        "block": one.block,
        "transaction": hexed(one.transaction),
        "gas": one.gas,
        "size": one.size,
        "before": None if one.before is None else _position(one.before),
        "after": None if one.after is None else _position(one.after),
    }
    if one.reason is not None:
        winner = "challenger" if one.challenger_won else "executor"
        return {**shown, "level": "end", "text": f"{winner} wins: {ENDINGS[one.reason]}"}
    if one.event == "Challenged":
        return {**shown, "level": "claim", "text": "challenges the claim"}
    if one.event != "Moved" or one.before is None or one.after is None:
        return {**shown, "level": "end", "text": "pays the stakes out"}
    before, after = one.before, one.after
    # A claim comes with nodes of its trace, so a challenger picks one at once, where the executor would open them.
    picks = before.phase.side is Side.CHALLENGER or one.mover == before.ground.challenger
    if not picks:
        text = _opened(before, one.opened)
        return {**shown, "level": before.phase.level, "side": "executor", "text": text}
    text, cut = _picked(before, after, program)
    return {**shown, "level": before.phase.level, "side": "challenger", "text": text, "cut": cut}


def _opened(before: Position, opened: bytes) -> str:
    size = len(opened)
    match before.phase.level:
        case "layer":
            return f"opens {_some(size // 32, 'operator root')}"
        case "chunk":
            return f"opens a chunk of {_some(size, 'byte')}"
        case "terms":
            return f"opens {_some(size, 'byte')} of partial values"
    return f"opens {_some(size // 32, 'node')}"


def _picked(before: Position, after: Position, program: Program | None) -> tuple[str, dict[str, int] | None]:
    """What the challenger picked, and where it lies in what was there to pick from."""
    within = _cut(before.count, after.start - before.start, after.count)
    match before.phase.level:
        case "trace":
            return f"picks {layer_name(after.layer, program)}" if after.count == 1 else _range("layer", after), within
        case "layer":
            return f"picks {operator_name(after, program)}", _cut(before.operators or 1, after.operator, 1)
        case "tensor":
            return _range("chunk", after), within
        case "chunk":
            return f"picks element {after.element:,}, committed as {after.value:,}", _of_chunk(before, after, program)
        case "terms":
            return f"{_range('term', after)}, claimed as {after.value:,}", within
    return "moves", None


def _of_chunk(before: Position, after: Position, program: Program | None) -> dict[str, int] | None:
    """Which of a chunk's elements was picked; only the program knows how many there are."""
    if program is None:
        return None
    operator = program.operator(before.layer, before.operator)
    each = CHUNK // operator.dtype.size
    first = before.start * each
    return _cut(min(each, operator.numel - first), after.element - first, 1)


def _range(what: str, after: Position) -> str:
    if after.count == 1:
        return f"picks {what} {after.start:,}"
    return f"picks {what}s {after.start:,} to {after.start + after.count - 1:,}"


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _cut(total: int, start: int, count: int) -> dict[str, int]:
    """A part of a whole: `count` of `total` from `start` on."""
    return {"total": total, "start": start, "count": count}


def _position(position: Position) -> dict[str, Any]:
    return {
        "phase": position.phase.name.lower().replace("_", " "),
        "layer": position.layer,
        "operator": position.operator,
        "element": position.element,
        "start": position.start,
        "count": position.count,
        "value": str(position.value),
    }
