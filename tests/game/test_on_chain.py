"""The same games on a real chain: the contract and the pure rules agree move by move, and the liar loses."""

from __future__ import annotations

import random

import pytest

from prover.game.adversaries import FaultyInterpretation, LyingDefender, WanderingChallenger
from prover.game.players import Challenger, Defender
from prover.game.position import Side
from prover.interpreter import Interpretation
from tests.game.arena import Arena
from tests.game.test_single_faults import random_fault
from tests.strategies import random_program

PROGRAMS = 16


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena()


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_the_challenger_of_a_single_fault_wins_on_chain(arena: Arena, seed: int) -> None:
    """INVARIANT 2 and 4, with the contract as referee."""
    program, weights, inputs = random_program(1000 + seed)
    honest = Interpretation(program, weights, tuple(inputs))
    rng = random.Random(seed)
    played = 0
    while played < 3:
        liar = FaultyInterpretation(program, weights, tuple(inputs), random_fault(program, rng))
        if liar.trace.root == honest.trace.root:
            continue
        walked = arena.play(arena.claim(liar), program, LyingDefender(liar), Challenger(honest))
        assert walked.winner is Side.CHALLENGER
        assert walked.ending in ("step", "ValuesDoNotCombine")
        assert walked.largest <= 16_384
        assert max(walked.gas) <= 2_000_000
        played += 1


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_the_honest_executor_never_loses_on_chain(arena: Arena, seed: int) -> None:
    """INVARIANT 1: whatever is picked, the step agrees and the challenger's clock runs out."""
    program, weights, inputs = random_program(2000 + seed)
    honest = Interpretation(program, weights, tuple(inputs))
    choose = random.Random(seed).randrange
    walked = arena.play(arena.claim(honest), program, Defender(honest), WanderingChallenger(honest, choose))
    assert (walked.winner, walked.ending) == (Side.EXECUTOR, "StepAgrees")
