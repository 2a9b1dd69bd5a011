"""Disputes in one process: whoever lies loses, at whatever level, by the ending that was intended."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from prover import validity
from prover.game.adversaries import (
    Fault,
    FaultyInterpretation,
    LyingDefender,
    MisopeningDefender,
    MistakenChallenger,
    SilentDefender,
    WanderingChallenger,
)
from prover.game.moves import Move, OpenChunk, OpenLayer, OpenTensor, OpenTerms, OpenTrace
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position, Side
from prover.game.simulator import Outcome, initial_position, play
from prover.interpreter import Interpretation
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
    ResultRef,
    TensorSpec,
    View,
    WeightRef,
)
from prover.trace import Execution, array_root

WIDTH = 520
"""Terms of the wide dot: a row of i16 crosses a chunk."""

ROWS = 260
"""Outputs of it: two chunks of i32."""

_RANDOM = np.random.default_rng(7)
WEIGHT = _RANDOM.integers(-128, 128, (ROWS, WIDTH), dtype=np.int8)
TABLE = _RANDOM.integers(-(1 << 15), 1 << 15, 64, dtype=np.int16)
WEIGHTS = {array_root(WEIGHT): WEIGHT, array_root(TABLE): TABLE}
INPUT = _RANDOM.integers(-(1 << 15), 1 << 15, WIDTH, dtype=np.int16)
ONE, ZERO = Immediate(1), Immediate(0)


def _program() -> Program:
    source = View(InputRef(0), DType.I16, WIDTH, 0, (0, 1))
    rows = View(WeightRef(array_root(WEIGHT)), DType.I8, WEIGHT.size, 0, (WIDTH, 1))
    wide = Operator(Opcode.DOT, 0, DType.I32, (ROWS, WIDTH), (source, rows, ONE, ZERO), -(1 << 30), 1 << 30, 1, 6)
    hidden = View(CheckpointRef(0, 0, 1), DType.I32, ROWS, 0, (1,))
    table = View(WeightRef(array_root(TABLE)), DType.I16, 64, 0, ())
    look_up = Operator(
        Opcode.MAP, 0, DType.I32, (ROWS,), (hidden, table, ONE, Immediate(1 << 14)), -(1 << 15), (1 << 15) - 1, 0, 10
    )
    looked = View(ResultRef(0), DType.I32, ROWS, 0, (1,))
    largest = Operator(Opcode.REDUCE, 2, DType.I32, (ROWS,), (looked,), 0, 1 << 20, 1)
    doubled = Operator(Opcode.ZIP, 0, DType.I32, (ROWS,), (looked, Immediate(2), ONE, ZERO), -(1 << 20), 1 << 20)
    third = View(CheckpointRef(1, 1, 2), DType.I32, ROWS, ROWS - 1, (-1,))
    back = Operator(Opcode.ZIP, 0, DType.I32, (ROWS,), (third, ONE, ONE, ZERO), -(1 << 20), 1 << 20)
    return Program(
        (TensorSpec(DType.I16, (WIDTH,)),),
        (Layer((wide,), (0,)), Layer((look_up, largest, doubled), (1, 2)), Layer((back,), (0,))),
        (OutputSpec(CheckpointRef(2, 0, 1), DType.I32, (ROWS,)),),
    )


PROGRAM = _program()
HONEST = Interpretation(PROGRAM, WEIGHTS, (INPUT,))


def liar(layer: int, operator: int, element: int, delta: int = 1) -> FaultyInterpretation:
    return FaultyInterpretation(PROGRAM, WEIGHTS, (INPUT,), Fault(layer, operator, element, delta))


def dispute(executor: Defender, challenger: Challenger) -> Outcome:
    position = initial_position(PROGRAM, executor.execution.trace.root, (INPUT,))
    return play(position, executor, challenger)


def test_the_program_is_valid() -> None:
    validity.check(PROGRAM, WEIGHTS)


@pytest.mark.parametrize(
    ("layer", "operator", "element", "levels"),
    [
        (0, 0, 0, "trace layer tensor chunk terms step"),
        (0, 0, ROWS - 1, "trace layer tensor chunk terms step"),
        (1, 0, 77, "trace layer tensor chunk step"),
        (1, 1, 0, "trace layer chunk terms step"),
        (1, 2, 200, "trace layer tensor chunk step"),
        (2, 0, 1, "trace layer tensor chunk step"),
    ],
)
def test_the_strongest_liar_is_refuted_at_the_step(layer: int, operator: int, element: int, levels: str) -> None:
    outcome = dispute(LyingDefender(liar(layer, operator, element)), Challenger(HONEST))
    assert (outcome.winner, outcome.ending) == (Side.CHALLENGER, "step")
    walked = [stage.position.phase.level for stage in outcome.walk]
    assert list(dict.fromkeys(walked)) == levels.split()


def test_a_liar_that_opens_honest_partial_sums_is_stuck() -> None:
    """INVARIANT 2: its own sums do not combine to its lie."""
    outcome = dispute(Defender(liar(0, 0, 3, 1 << 20)), Challenger(HONEST))
    assert (outcome.winner, outcome.ending) == (Side.CHALLENGER, "ValuesDoNotCombine")


@pytest.mark.parametrize("phase", [p for p in Phase if p.side is Side.EXECUTOR])
def test_silence_loses_at_every_level(phase: Phase) -> None:
    """INVARIANT 2: withholding an opening loses by the clock."""
    silent = SilentDefender(liar(0, 0, 3))
    silent.silent_from = phase
    outcome = dispute(silent, Challenger(HONEST))
    assert (outcome.winner, outcome.ending) == (Side.CHALLENGER, "silence")


def test_a_mistaken_challenger_loses() -> None:
    """INVARIANT 1: the step agrees with the honest value."""
    outcome = dispute(Defender(HONEST), MistakenChallenger(liar(1, 0, 5)))
    assert outcome.winner is Side.EXECUTOR


@pytest.mark.parametrize("seed", range(40))
def test_one_party_on_both_sides_cannot_make_the_honest_executor_lose(seed: int) -> None:
    """INVARIANT 1: whatever is picked, honest openings hash and the step agrees."""
    outcome = dispute(Defender(HONEST), WanderingChallenger(HONEST, random.Random(seed).randrange))
    assert (outcome.winner, outcome.ending) == (Side.EXECUTOR, "StepAgrees")


class Garbling(Defender):
    """Opens garbage in one phase."""

    def __init__(self, execution: Execution, phase: Phase) -> None:
        super().__init__(execution)
        self.phase = phase

    def answer(self, position: Position) -> Move:
        move = super().answer(position)
        if position.phase is not self.phase:
            return move
        match move:
            case OpenTrace(nodes) | OpenTensor(nodes):
                return replace(move, nodes=(bytes(32), *nodes[1:]))
            case OpenLayer(_, _, roots, _):
                return replace(move, roots=(*roots[:-1], bytes(32)))
            case OpenChunk(chunk):
                return OpenChunk(chunk[:-1])
            case OpenTerms(_, values):
                return replace(move, values=values + bytes(8))
        raise AssertionError(move)


@pytest.mark.parametrize(("phase", "refuted"), [(Phase.TENSOR_OPEN, "RefuteNodes"), (Phase.CHUNK_OPEN, "RefuteChunk")])
def test_an_executor_that_opens_the_truth_after_a_lie_is_refuted(phase: Phase, refuted: str) -> None:
    """INVARIANT 2 and 4: nothing differs, but what is opened does not hash to what is disputed."""
    lying = MisopeningDefender(liar(0, 0, ROWS - 1), HONEST, phase)
    outcome = dispute(lying, Challenger(HONEST))
    assert (outcome.winner, outcome.ending) == (Side.CHALLENGER, refuted)


@pytest.mark.parametrize("phase", [p for p in Phase if p.side is Side.EXECUTOR])
def test_a_garbage_opening_is_refused_at_every_level(phase: Phase) -> None:
    """INVARIANT 2 and 4: what is opened must hash to what is disputed."""
    outcome = dispute(Garbling(liar(0, 0, 3), phase), Challenger(HONEST))
    assert outcome.winner is Side.CHALLENGER
    refusals = {
        Phase.TRACE_OPEN: "WrongNodes",
        Phase.LAYER_OPEN: "WrongSlots",
        Phase.TENSOR_OPEN: "RefuteNodes",
        Phase.CHUNK_OPEN: "WrongChunkLength",
        Phase.TERMS_OPEN: "WrongValuesLength",
    }
    assert outcome.ending == refusals[phase]
