"""The last pick may show the path of b's chunk, which the step does not hash then: the rules, and the contracts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from prover.game import operand_source
from prover.game.adversaries import FaultyInterpretation, LyingDefender
from prover.game.moves import Opening, PickTerms, Step
from prover.game.players import Challenger
from prover.game.position import Phase
from prover.game.refutations import REFUTED
from prover.game.rules import apply
from prover.game.simulator import Stage, initial_position, play
from prover.interpreter import Interpretation
from prover.merkle import node
from prover.program import CheckpointRef, DType, InputRef, Layer, OutputSpec, Program, TensorSpec, View, WeightRef
from prover.trace import Array, array_root
from tests.contracts.test_moves import on_chain
from tests.damage import damaged
from tests.game import test_wrong_openings as factors
from tests.game.arena import Arena
from tests.game.test_partials import dot
from tests.steps import REFUTED as REFUTED_ON_CHAIN
from tests.steps import by_the_rules

NOT_SHOWN = bytes(32)


@pytest.fixture(autouse=True)
def _every_path_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operand_source, "SHOWN_FROM", 1)


def walk(honest: Interpretation) -> tuple[Stage, ...]:
    """A dispute about the last element of the first operator's result, down to the step."""
    program, weights, inputs = honest.program, honest.weights, honest.inputs
    element = program.operator(0, 0).numel - 1
    liar = FaultyInterpretation(program, weights, inputs, factors.simple.Fault(0, 0, element))
    outcome = play(initial_position(program, liar.trace.root, inputs), LyingDefender(liar), Challenger(honest))
    assert outcome.ending == "step"
    return tuple(outcome.walk)


def one_dot(terms: int, *, weight_second: bool = True) -> Interpretation:
    """A program of one long dot, of an input and a weight, i8 by i8."""
    rng = np.random.default_rng(terms)
    a, b = (rng.integers(-128, 128, terms, np.int8) for _ in range(2))
    views = [View(source, DType.I8, terms, 0, (1,)) for source in (InputRef(0), WeightRef(array_root(b)))]
    operator = dot(*(views if weight_second else reversed(views)), (terms,), 1)
    output = OutputSpec(CheckpointRef(0, 0, 1), DType.I32, ())
    program = Program((TensorSpec(DType.I8, (terms,)),), (Layer((operator,), (0,)),), (output,))
    held: dict[bytes, Array] = {array_root(b): b}
    return Interpretation(program, held, (a,))


def pick_and_step(stages: tuple[Stage, ...]) -> tuple[Stage, Stage]:
    pick, step = stages[-2:]
    assert isinstance(pick.move, PickTerms)
    assert isinstance(step.move, Step)
    return pick, step


def test_the_pick_shows_a_path_and_the_step_opens_none() -> None:
    pick, step = pick_and_step(walk(factors.HONEST))
    value, *_ = pick.move.shown
    (_, rows, *_) = factors.PROGRAM.operator(0, 0).operands
    assert step.position.node == node(value, rows.source.root)
    assert step.move.operands[1].chunk_path == ()
    assert step.move.operands[1].chunk
    for stage in (pick, step):
        assert on_chain(stage.position, stage.move) == by_the_rules(stage.position, stage.move)
    assert by_the_rules(step.position, step.move) == REFUTED_ON_CHAIN


def test_damaged_moves_are_refused_alike() -> None:
    rng = random.Random(1)
    for stage in pick_and_step(walk(factors.HONEST)):
        for move in damaged(stage.move, rng, 60):
            assert on_chain(stage.position, move) == by_the_rules(stage.position, move), move


def test_a_step_whose_path_was_shown_gives_no_other() -> None:
    """Neither the path once more, nor another chunk, nor another tensor of the same bytes."""
    pick, step = pick_and_step(walk(factors.HONEST))
    a, b = step.move.operands
    flipped = bytes([b.chunk[0] ^ 1]) + b.chunk[1:]
    for wrong in (replace(b, chunk_path=pick.move.shown[1:]), replace(b, chunk=flipped)):
        move = replace(step.move, operands=(a, wrong))
        assert on_chain(step.position, move) == by_the_rules(step.position, move) == "WrongChunkPath"


def test_a_path_that_does_not_lead_to_b_helps_nobody() -> None:
    """INVARIANT 1: the pick is taken, whatever it shows, and no step from there wins."""
    pick, step = pick_and_step(walk(factors.HONEST))
    value, *siblings = pick.move.shown
    for shown in ((value, *siblings[:-1], NOT_SHOWN), (NOT_SHOWN, *siblings)):
        below = apply(pick.position, replace(pick.move, shown=shown))
        assert below is not REFUTED
        assert on_chain(pick.position, replace(pick.move, shown=shown)) == below
        for move in (step.move, replace(step.move, operands=with_path(step.move, pick.move))):
            assert on_chain(below, move) == by_the_rules(below, move) == "WrongChunkPath"


def with_path(step: Step, pick: PickTerms) -> tuple[Opening, ...]:
    a, b = step.operands
    return a, replace(b, chunk_path=pick.shown[1:])


def refused_picks() -> Iterator[tuple[str, Stage, tuple[bytes, ...]]]:
    """Picks with something shown that has no place there."""
    pick, _ = pick_and_step(walk(factors.HONEST))
    for shown in (pick.move.shown[:-1], (*pick.move.shown, NOT_SHOWN)):
        yield "WrongChunkPath", pick, shown
    wide = next(s for s in walk(one_dot(1 << 18)) if isinstance(s.move, PickTerms))
    assert apply(wide.position, wide.move).phase is Phase.TERMS_OPEN  # type: ignore[union-attr]
    yield "NothingToShow", wide, (NOT_SHOWN,)
    posted, _ = pick_and_step(walk(one_dot(5_000, weight_second=False)))
    assert posted.move.shown == ()
    yield "NothingToShow", posted, (NOT_SHOWN,)


def test_what_has_no_place_is_refused_by_name() -> None:
    for name, stage, shown in refused_picks():
        move = replace(stage.move, shown=shown)
        assert on_chain(stage.position, move) == by_the_rules(stage.position, move) == name


def test_a_step_costs_less_by_the_path(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """132 chunks: eight parents of 4,495 gas and more are hashed by the pick and not by the step."""
    honest, fault, spent = factors.simple.HONEST, factors.simple.Fault(0, 0, 0), []
    liar = FaultyInterpretation(honest.program, honest.weights, honest.inputs, fault)
    for least in (1, 1 << 20):
        monkeypatch.setattr(operand_source, "SHOWN_FROM", least)
        walked = arena.play(arena.claim(liar), honest.program, LyingDefender(liar), Challenger(honest))
        assert walked.ending == "step"
        spent.append(walked.gas)
    (*_, pick, step), (*_, plain_pick, plain_step) = spent
    assert plain_step - step > 8 * 4_495
    assert pick + step < plain_pick + plain_step + 15_000


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena()
