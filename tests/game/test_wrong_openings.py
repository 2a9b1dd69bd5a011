"""Openings that are not checked when they are made: a wrong one loses to the challenger's proof, a right one holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts import calls
from contracts.snapshot import DisputeStatus, Reason
from prover import validity
from prover.game.adversaries import LyingFactorDefender, MisopeningDefender, WanderingChallenger
from prover.game.moves import EMPTY, OpenChunk, OpenTerms, RefuteFactor, opened_content
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position, Side
from prover.game.refutations import REFUTED
from prover.game.rules import apply
from prover.game.simulator import initial_position, play
from prover.interpreter import Interpretation
from prover.merkle import keccak
from prover.program import DType, Layer, Program, TensorRoot, View, WeightRef
from prover.trace import Array, array_root
from tests.game import test_simulator as simple
from tests.game.arena import Arena, refusal_of
from tests.game.walks import walk_to

FACTORS = tuple(np.random.default_rng(3).integers(low, 99, simple.ROWS, "<i4") for low in (1, -99))
"""m and c, one of each per output."""


def _model() -> tuple[Program, dict[TensorRoot, Array]]:
    """The program of the simulator's tests, its wide dot with m and c of its own per output."""
    first, *others = simple.PROGRAM.layers
    wide = first.operators[0]
    views = tuple(View(WeightRef(array_root(f)), DType.I32, f.size, 0, (1,)) for f in FACTORS)
    layer = Layer((replace(wide, operands=(*wide.operands[:2], *views)),), (0,))
    weights = simple.WEIGHTS | {array_root(f): f for f in FACTORS}
    return replace(simple.PROGRAM, layers=(layer, *others)), weights


PROGRAM, WEIGHTS = _model()
HONEST = Interpretation(PROGRAM, WEIGHTS, (simple.INPUT,))
FAULT = simple.Fault(0, 0, simple.ROWS - 1)
LIAR = simple.FaultyInterpretation(PROGRAM, WEIGHTS, (simple.INPUT,), FAULT)


LIARS = {
    "nodes": (MisopeningDefender(LIAR, HONEST, Phase.TENSOR_OPEN), "RefuteNodes"),
    "chunk": (MisopeningDefender(LIAR, HONEST, Phase.CHUNK_OPEN), "RefuteChunk"),
    "c": (LyingFactorDefender(LIAR), "RefuteFactor"),
}


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena()


def test_the_program_is_valid() -> None:
    validity.check(PROGRAM, WEIGHTS)


@pytest.mark.parametrize("name", LIARS)
def test_a_wrong_opening_loses_on_chain(arena: Arena, name: str) -> None:
    """INVARIANT 2 and 4: it leaves nothing to pick, and is proven wrong in one move."""
    executor, ending = LIARS[name]
    claim = arena.claim(LIAR)
    walked = arena.play(claim, PROGRAM, executor, Challenger(HONEST))
    assert (walked.winner, walked.ending) == (Side.CHALLENGER, ending)
    assert max(walked.gas) < 500_000
    (dispute,) = (d for d in arena.look().disputes.values() if d.claim == claim)
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.OPENING)
    arena.check_conservation()


def at_terms(executor: Defender, execution: Interpretation) -> tuple[Position, bytes]:
    """A position where the terms of the wide dot are to be picked, and what was opened there."""
    position = initial_position(PROGRAM, execution.trace.root, execution.inputs)
    walk = play(position, executor, WanderingChallenger(HONEST, lambda _: 0)).walk
    at = next(n for n, stage in enumerate(walk) if stage.position.phase is Phase.TERMS_PICK)
    opening = walk[at - 1].move
    assert isinstance(opening, OpenTerms)
    return walk[at].position, opening.values


@pytest.mark.parametrize("number", [0, 1])
def test_a_factor_is_refuted_exactly_if_it_is_not_the_operand(number: int) -> None:
    """INVARIANT 1: a right statement holds against the same opening that refutes a wrong one."""
    position, values = at_terms(Defender(HONEST), HONEST)
    source = Challenger(HONEST).operands(position)
    assert Challenger(HONEST).factors(position, source) == tuple(int(f[0]) for f in FACTORS)
    record = Defender(HONEST).record(position)
    refutation = RefuteFactor(record, values, number, (source.openings()[2 + number],))
    assert refusal_of(position, refutation) == "OpeningHolds"
    at = len(values) - 8 + 4 * number
    wrong = values[: at + 3] + bytes([values[at + 3] ^ 1]) + values[at + 4 :]
    lied = replace(position, opened=keccak(wrong))
    assert apply(lied, replace(refutation, values=wrong)) is REFUTED
    assert refusal_of(lied, replace(refutation, values=wrong, operand=(EMPTY,))) == "WrongChunkLength"


@pytest.mark.parametrize("phase", [Phase.TENSOR_OPEN, Phase.CHUNK_OPEN, Phase.TERMS_OPEN])
def test_invariant_5_what_is_not_hashed_when_it_is_opened_is_the_executors_own(arena: Arena, phase: Phase) -> None:
    """A stranger can lose no dispute in the executor's name: not even what is right counts from it unless signed."""
    claim = arena.claim(HONEST)
    chooser = WanderingChallenger(HONEST, lambda _: 0)
    dispute, position, _ = walk_to(arena, claim, phase, Defender(HONEST), chooser)
    right = Defender(HONEST).answer(position)
    for by, signature in ((arena.stranger, b""), (arena.challenger, b""), (arena.stranger, bytes(65))):
        assert arena.refuses(by, calls.answer(dispute, position, right, signature)) == "NotTheExecutorsOpening"
    signed = arena.executor.sign_opening(claim, position, keccak(opened_content(right)))
    if isinstance(right, OpenChunk):
        wrong = replace(right, chunk=bytes([right.chunk[0] ^ 1]) + right.chunk[1:])
        assert arena.refuses(arena.stranger, calls.answer(dispute, position, wrong, signed)) == "NotTheExecutorsOpening"
    arena.stranger.transact(calls.answer(dispute, position, right, signed))
