"""The stateless contracts against the pure rules, move by move: the same positions, the same refusals, for any move."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from contracts import calls
from prover.game import rules
from prover.game.adversaries import (
    FaultyInterpretation,
    LyingDefender,
    LyingFactorDefender,
    MisopeningDefender,
    MistakenChallenger,
    WanderingChallenger,
)
from prover.game.moves import (
    Move,
    PickElement,
    PickTensor,
    RefuteChunk,
    RefuteFactor,
    RefuteNodes,
    RefuteProgram,
)
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position
from prover.game.simulator import Stage, initial_position, play
from prover.interpreter import Interpretation
from prover.operators import TABLE, row_of
from prover.program import Operator
from tests.contracts.machine import Refused, machine
from tests.damage import damaged
from tests.game import test_wrong_openings as factors
from tests.game.test_single_faults import random_fault
from tests.steps import DISPUTE, REFUTED, by_the_rules
from tests.strategies import random_operator, random_program

RULES = [machine(name) for name in ("Walk", "Referee", "Commitments")]

PROGRAMS = 24
MUTANTS_PER_MOVE = 6
MOST_GAS = 2_000_000


def on_chain(position: Position, move: Move) -> Position | str:
    call = calls.answer(DISPUTE, position, move)
    contract = next(rules for rules in RULES if rules.has(call.function))
    try:
        after = contract.call(call.function, *call.arguments)
    except Refused as refused:
        return refused.name
    assert contract.gas < MOST_GAS, (call.function, contract.gas)
    return position.with_words(after) if after else REFUTED


@cache
def stages(seed: int) -> list[Stage]:
    """Every move of some games of one random program: one against a liar, one of a challenger that wanders."""
    program, weights, inputs = random_program(seed)
    honest = Interpretation(program, weights, tuple(inputs))
    rng = random.Random(seed)
    wandering = WanderingChallenger(honest, rng.randrange)
    position = initial_position(program, honest.trace.root, tuple(inputs))
    games = [play(position, Defender(honest), wandering)]
    for _ in range(2):
        liar = FaultyInterpretation(program, weights, tuple(inputs), random_fault(program, rng))
        if liar.trace.root != honest.trace.root:
            position = initial_position(program, liar.trace.root, tuple(inputs))
            for executor in defenders(liar, honest):
                games.append(play(position, executor, Challenger(honest)))
    return [stage for game in games for stage in game.walk]


def defenders(liar: FaultyInterpretation, honest: Interpretation) -> Iterator[Defender]:
    """The strongest liar, and those whose openings are wrong."""
    yield LyingDefender(liar)
    yield LyingFactorDefender(liar)
    for phase in (Phase.TENSOR_OPEN, Phase.CHUNK_OPEN):
        yield MisopeningDefender(liar, honest, phase)


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_legal_moves_lead_to_the_same_positions(seed: int) -> None:
    for stage in stages(seed):
        assert on_chain(stage.position, stage.move) == by_the_rules(stage.position, stage.move)


def test_a_wrong_factor_is_refuted_alike() -> None:
    """Random programs have no long sums with m and c of their own; each damage to its refutation is compared too."""
    lying, honest, rng = LyingFactorDefender(factors.LIAR), Challenger(factors.HONEST), random.Random(1)
    position = initial_position(factors.PROGRAM, factors.LIAR.trace.root, factors.LIAR.inputs)
    *walk, last = play(position, lying, honest).walk
    assert isinstance(last.move, RefuteFactor)
    for stage in (*walk, last):
        for move in (stage.move, *damaged(stage.move, rng, 2 * MUTANTS_PER_MOVE)):
            assert on_chain(stage.position, move) == by_the_rules(stage.position, move)


def test_the_games_take_every_move() -> None:
    seen = Counter(stage.position.phase for seed in range(PROGRAMS) for stage in stages(seed))
    assert set(seen) == set(Phase)
    made = {type(stage.move) for seed in range(PROGRAMS) for stage in stages(seed)}
    assert made >= {RefuteNodes, RefuteChunk}


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_damaged_moves_are_refused_under_the_same_name(seed: int) -> None:
    rng = random.Random(seed)
    for stage in stages(seed):
        for move in damaged(stage.move, rng, MUTANTS_PER_MOVE):
            expected, got = by_the_rules(stage.position, move), on_chain(stage.position, move)
            assert got == expected, (move, stage.position)


@pytest.mark.parametrize("seed", range(3))
def test_a_move_answers_only_its_phase(seed: int) -> None:
    walk = stages(seed)
    by_phase = {stage.position.phase: stage for stage in walk}
    for phase, stage in by_phase.items():
        for other in by_phase.values():
            if other.position.phase is not phase:
                assert on_chain(other.position, stage.move) == "WrongPhase"


@pytest.mark.parametrize("seed", range(4))
def test_a_valid_record_cannot_be_refuted(seed: int) -> None:
    for stage in stages(seed):
        if stage.position.phase is Phase.OPERATOR_PICK:
            move = stage.move
            claim = RefuteProgram(move.operator, move.record, move.path)  # type: ignore[union-attr]
            assert on_chain(stage.position, claim) == "RecordIsValid"


@pytest.mark.parametrize("seed", range(8))
def test_a_right_opening_cannot_be_refuted(seed: int) -> None:
    """INVARIANT 1: for honest executors there is no proof that an opening is wrong."""
    for stage in stages(seed):
        match stage.move:
            case PickTensor(nodes, _):
                assert on_chain(stage.position, RefuteNodes(nodes)) == "OpeningHolds"
            case PickElement(_, chunk, _):
                assert on_chain(stage.position, RefuteChunk(chunk)) == "OpeningHolds"


# Steps of every operator, at random elements


@pytest.mark.parametrize("name", TABLE)
def test_the_step_computes_what_the_specification_says(name: str) -> None:
    """At each element the step agrees with the honest value, and refutes every other."""
    rng = random.Random(name)
    computed = 0
    for seed in range(12):
        program, weights, inputs = random_operator(seed, name)
        honest = Interpretation(program, weights, tuple(inputs))
        for _ in range(3):
            computed += compare_step(honest, rng)
    assert computed >= 12


def compare_step(honest: Interpretation, rng: random.Random) -> int:
    """Walk to a random element; 1 if its step could be compared."""
    position = initial_position(honest.program, honest.trace.root, honest.inputs)
    walk = play(position, Defender(honest), WanderingChallenger(honest, rng.randrange))
    last = walk.walk[-1]
    position = rules.apply(last.position, last.move)
    assert isinstance(position, Position)
    if position.phase is not Phase.STEP:
        return 0
    step = MistakenChallenger(honest).reply(position, ())
    assert on_chain(position, step) == "StepAgrees"
    operator = honest.program.operator(0, 0)
    for value in wrong_values(operator, position, rng):
        assert on_chain(replace(position, value=value), step) == REFUTED
    assert on_chain(replace(position, index=position.index + 1), step) == REFUTED
    assert row_of(operator).name in TABLE
    return 1


def wrong_values(operator: Operator, position: Position, rng: random.Random) -> Iterator[int]:
    for value in (position.value + 1, position.value - 1, -position.value, rng.randint(operator.lo, operator.hi)):
        if value != position.value:
            yield value
