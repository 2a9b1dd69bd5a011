"""Wrong moves at every level of a dispute are refused by the name of the rule; the right one still counts after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from contracts import calls
from prover.game.adversaries import LyingDefender
from prover.game.moves import EMPTY, Move, Opening, RefuteChunk, RefuteFactor, RefuteNodes, opened_content
from prover.game.openings import Opened
from prover.game.players import Challenger
from prover.game.position import Phase, Position, Side
from prover.model_folder import Model
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
    Operator,
    OutputSpec,
    Program,
    TensorSpec,
    View,
)
from tests.agents.stage import interpret, liar, small_model
from tests.game.arena import Arena, moved_to, refusal_of

ZERO = bytes(32)
TRACE = {Phase.TRACE_OPEN, Phase.TRACE_PICK}
TENSOR = {Phase.TENSOR_OPEN, Phase.TENSOR_PICK}
TERMS = {Phase.TERMS_OPEN, Phase.TERMS_PICK}
INPUTS = [np.arange(300, dtype="<i2").astype("<i1")]


def broad_model() -> Model:
    """A layer of two operators whose results have two chunks: its dispute goes through pick and levels of a tensor."""
    lo, hi = DType.I32.lo, DType.I32.hi
    given = View(InputRef(0), DType.I8, 300, 0, (1,))
    plus = Operator(Opcode.ZIP, 0, DType.I32, (300,), (given, Immediate(3), Immediate(1), Immediate(0)), lo, hi)
    again = replace(plus, operands=(given, Immediate(2), Immediate(1), Immediate(0)))
    output = OutputSpec(CheckpointRef(0, 0, 1), DType.I32, (300,))
    return Model(Program((TensorSpec(DType.I8, (300,)),), (Layer((plus, again), (0,)),), (output,)), {})


def with_opening(openings: tuple[Opening, ...], **changes: object) -> tuple[Opening, ...]:
    """The first opening that shows a chunk, changed."""
    at = next(i for i, opening in enumerate(openings) if opening.chunk)
    return (*openings[:at], replace(openings[at], **changes), *openings[at + 1 :])


def spoiled(position: Position, move: Move) -> Iterator[tuple[str, Move]]:
    """Wrong versions of the right move, with the name of the rule that each breaks."""
    match position.phase:
        case Phase.TRACE_OPEN | Phase.TENSOR_OPEN:
            nodes = move.nodes
            others = ((ZERO, *nodes[1:]), nodes[::-1]) if position.phase is Phase.TRACE_OPEN else ()
            for wrong in (*others, nodes[:-1], (*nodes, ZERO), ()):
                yield "WrongNodes", replace(move, nodes=wrong)
        case Phase.TRACE_PICK | Phase.TENSOR_PICK:
            nodes = move.nodes
            yield "NotWhatWasOpened", replace(move, nodes=(ZERO, *nodes[1:]))
            yield "NotWhatWasOpened", replace(move, nodes=())
            yield "NoSuchChild", replace(move, child=len(nodes))
            if position.phase is Phase.TENSOR_PICK:
                yield "OpeningHolds", RefuteNodes(nodes)
                yield "NotWhatWasOpened", RefuteNodes(nodes[1:])
        case Phase.LAYER_OPEN:
            roots = move.roots
            yield "WrongRecordPath", replace(move, only=b"" if move.only else b"\0")
            yield "WrongSlots", replace(move, roots=(ZERO, *roots[1:]))
            yield "WrongRootCount", replace(move, roots=(*roots, ZERO))
            yield "WrongRootCount", replace(move, roots=())
            yield "WrongLayerPath", replace(move, path=(*move.path, ZERO))
            yield "WrongLayerPath", replace(move, record=move.record + b"\0")
        case Phase.OPERATOR_PICK:
            record = move.record
            yield "NotWhatWasOpened", replace(move, root=ZERO)
            yield "NotWhatWasOpened", replace(move, root_path=(*move.root_path, ZERO))
            yield "NotWhatWasOpened", replace(move, operator=position.operators)
            yield "WrongRecordPath", replace(move, record=record[:-1])
            yield "WrongRecordPath", replace(move, path=(*move.path, ZERO))
        case Phase.CHUNK_OPEN:
            chunk = move.chunk
            for wrong in (chunk[:-1], chunk + b"\0", b"", bytes(2048)):
                yield "WrongChunkLength", replace(move, chunk=wrong)
        case Phase.ELEMENT_PICK:
            chunk, record = move.chunk, move.record
            yield "NotWhatWasOpened", replace(move, chunk=chunk + b"\0")
            yield "NoSuchElement", replace(move, item=len(chunk) // 4)
            yield "WrongRecord", replace(move, record=record[:-1])
            yield "OpeningHolds", RefuteChunk(chunk)
            yield "NotWhatWasOpened", RefuteChunk(chunk[:-1])
        case Phase.TERMS_OPEN:
            values = move.values
            one_more = bytes([values[0] ^ 1]) + values[1:]
            yield "ValuesDoNotCombine", replace(move, values=one_more)
            yield "WrongFactor", replace(move, values=values[:-1] + bytes([values[-1] ^ 1]))
            for wrong in (values[:-8], values + bytes(8), values[:-1], b""):
                yield "WrongValuesLength", replace(move, values=wrong)
        case Phase.TERMS_PICK:
            values = move.values
            yield "NotWhatWasOpened", replace(move, values=values + bytes(8))
            yield "NoSuchRange", replace(move, choice=len(values) // 8)
            factor = RefuteFactor(move.record, values, 0, (EMPTY,))
            yield "OpeningHolds", factor
            yield "NoSuchFactor", replace(factor, number=2)
            yield "WrongOpeningCount", replace(factor, operand=())
            yield "UnreadOpening", replace(factor, operand=(Opening(b"\0"),))
        case Phase.STEP:
            yield from spoiled_steps(move)


def spoiled_steps(move: Move) -> Iterator[tuple[str, Move]]:
    """The first operand of both models is the posted input, of 300 bytes in one chunk."""
    openings = move.operands
    chunk = openings[0].chunk
    for wrong in (chunk[:-1], chunk + b"\0", bytes(2048), b""):
        yield "WrongChunkLength", replace(move, operands=with_opening(openings, chunk=wrong))
    flipped = bytes([chunk[0] ^ 1]) + chunk[1:]
    yield "WrongChunkPath", replace(move, operands=with_opening(openings, chunk=flipped))
    yield "WrongChunkPath", replace(move, operands=with_opening(openings, chunk_path=(ZERO,)))
    yield "WrongPostedList", replace(move, operands=with_opening(openings, posted=bytes(40)))
    yield "WrongOpeningCount", replace(move, operands=openings[:-1])
    yield "WrongOpeningCount", replace(move, operands=(*openings, EMPTY))
    if openings[-1] == EMPTY:
        yield "UnreadOpening", replace(move, operands=(*openings[:-1], Opening(b"\0")))
    yield "WrongRecord", replace(move, record=move.record[:-1])


@pytest.mark.parametrize(
    ("model", "element", "phases"),
    [(small_model(), 2, {*Phase} - TENSOR - {Phase.OPERATOR_PICK}), (broad_model(), 290, {*Phase} - TRACE - TERMS)],
    ids=["to the terms", "through a tensor"],
)
def test_wrong_moves_are_refused_by_name_at_every_level(model: Model, element: int, phases: set[Phase]) -> None:
    """Beside the right move of each phase every wrong version of it, and every move of another phase, is tried."""
    arena = Arena()
    lying = liar(0, 0, element)(model, INPUTS)
    executor, challenger = LyingDefender(lying), Challenger(interpret(model, INPUTS))
    dispute, position = arena.challenge(arena.claim(lying), model.program)
    history: list[Opened] = []
    made: dict[Phase, Move] = {}
    while True:
        executors = position.phase.side is Side.EXECUTOR
        mover = arena.executor if executors else arena.challenger
        move = executor.answer(position) if executors else challenger.reply(position, history)
        for name, wrong in spoiled(position, move):
            assert (arena.refuses(mover, calls.answer(dispute, position, wrong)), refusal_of(position, wrong)) == (
                name,
                name,
            )
        for phase, other in made.items():
            sender = arena.executor if phase.side is Side.EXECUTOR else arena.challenger
            if phase is not position.phase:
                assert arena.refuses(sender, calls.answer(dispute, position, other)) == "WrongPhase"
        made[position.phase] = move
        done = mover.transact(calls.answer(dispute, position, move))
        if position.phase is Phase.STEP:
            break
        if content := opened_content(move):
            history.append(Opened(position, content))
        position = moved_to(position, done)
    assert done.event("Resolved").arguments["challengerWon"]
    assert set(made) == phases
