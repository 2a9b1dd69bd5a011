"""Any single changed element anywhere in the trace of any program: the challenger wins. And the honest never lose."""

from __future__ import annotations

import functools
import random
from collections import Counter

import pytest

from prover.game.adversaries import Fault, FaultyInterpretation, LyingDefender, WanderingChallenger
from prover.game.players import Challenger, Defender
from prover.game.position import Side
from prover.game.simulator import Outcome, initial_position, play
from prover.interpreter import Interpretation
from prover.operators import TABLE, row_of
from prover.program import Program
from tests.strategies import random_program

PROGRAMS = 60
FAULTS_PER_PROGRAM = 8


def random_fault(program: Program, rng: random.Random) -> Fault:
    layer = rng.randrange(len(program.layers))
    operator = rng.randrange(len(program.layers[layer].operators))
    numel = program.operator(layer, operator).numel
    return Fault(layer, operator, rng.randrange(numel), rng.choice([1, -1, 7, 1 << 30]))


@functools.cache
def single_fault_games(seed: int) -> list[tuple[str, Outcome]]:
    """(operator name, outcome) of the games that changed elements of one random program give rise to."""
    program, weights, inputs = random_program(seed)
    held = tuple(inputs)
    honest = Interpretation(program, weights, held)
    rng = random.Random(seed)
    games = []
    for _ in range(FAULTS_PER_PROGRAM):
        fault = random_fault(program, rng)
        liar = FaultyInterpretation(program, weights, held, fault)
        if liar.trace.root == honest.trace.root:
            continue  # the changed element was clamped away, or nothing checkpointed depends on it
        position = initial_position(program, liar.trace.root, held)
        name = row_of(program.operator(fault.layer, fault.operator)).name
        games.append((name, play(position, LyingDefender(liar), Challenger(honest))))
    return games


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_the_challenger_of_a_single_fault_wins(seed: int) -> None:
    """INVARIANT 2: whatever element is changed, and however well the rest of the lie is played."""
    for name, outcome in single_fault_games(seed):
        assert outcome.winner is Side.CHALLENGER, (name, outcome.ending)
        assert outcome.ending in ("step", "ValuesDoNotCombine"), (name, outcome.ending)


def test_the_games_end_at_the_step_for_every_operator() -> None:
    """Coverage of the property above: each operator was disputed to its step."""
    endings = Counter(
        name for seed in range(PROGRAMS) for name, game in single_fault_games(seed) if game.ending == "step"
    )
    assert set(endings) == set(TABLE)
    assert sum(endings.values()) >= 200


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_the_honest_executor_never_loses(seed: int) -> None:
    """INVARIANT 1: one party picks at random on every level against honest openings."""
    program, weights, inputs = random_program(seed)
    honest = Interpretation(program, weights, tuple(inputs))
    rng = random.Random(seed)
    for _ in range(3):
        position = initial_position(program, honest.trace.root, tuple(inputs))
        outcome = play(position, Defender(honest), WanderingChallenger(honest, rng.randrange))
        assert (outcome.winner, outcome.ending) == (Side.EXECUTOR, "StepAgrees")
