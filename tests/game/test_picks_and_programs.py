"""Picks come only from their dispute's challenger, and a program that breaks a rule falls once it is opened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import calls
from prover import encoding
from prover.game.adversaries import LyingDefender, WanderingChallenger
from prover.game.moves import RefuteProgram
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position
from prover.interpreter import Interpretation
from prover.merkle import leaf, path
from tests.game.arena import Arena
from tests.game.walks import HONEST, INPUTS, LIAR, PROGRAM, WEIGHTS, walk_to


@pytest.fixture
def arena() -> Arena:
    return Arena()


def test_picks_come_only_from_the_disputes_challenger(arena: Arena) -> None:
    claim = arena.claim(LIAR)
    dispute, position, history = walk_to(arena, claim, Phase.TRACE_PICK, LyingDefender(LIAR), Challenger(HONEST))
    pick = calls.answer(dispute, position, Challenger(HONEST).reply(position, history))
    for stranger in (arena.executor, arena.stranger):
        assert arena.refuses(stranger, pick) == "NotTheChallenger"
    opening = calls.answer(dispute, replace(position, phase=Phase.TRACE_OPEN), Defender(LIAR).answer(_open(position)))
    assert arena.refuses(arena.executor, opening) == "StalePosition"


def _open(position: Position) -> Position:
    return replace(position, phase=Phase.TRACE_OPEN)


def test_a_program_that_breaks_a_rule_falls_when_it_is_opened(arena: Arena) -> None:
    """A publisher who registers an invalid program gains nothing by executing it."""
    layer = PROGRAM.layers[0]
    broken = replace(layer.operators[0], hi=layer.operators[0].dtype.hi + 1)
    program = replace(PROGRAM, layers=(replace(layer, operators=(broken, *layer.operators[1:])), *PROGRAM.layers[1:]))
    execution = Interpretation(program, WEIGHTS, tuple(INPUTS))
    claim = arena.claim(execution)
    dispute, position, _ = walk_to(arena, claim, Phase.OPERATOR_PICK, Defender(execution), AlwaysFirst(execution))
    roots = Defender(execution).roots(0)
    records = [encoding.encode_operator(o) for o in program.layers[0].operators]
    leaves = [leaf(record) for record in records]
    proof = calls.answer(dispute, position, RefuteProgram(0, records[0], tuple(path(leaves, 0))))
    assert arena.refuses(arena.stranger, proof) == "NotTheChallenger"
    pick = calls.answer(dispute, position, AlwaysFirst(execution).pick_operator(position, roots, 0))
    assert arena.refuses(arena.challenger, pick) == "WrongClamp"
    assert arena.challenger.transact(proof).event("Resolved").arguments["challengerWon"]
    arena.check_conservation()


class AlwaysFirst(WanderingChallenger):
    """Picks the first of everything."""

    def __init__(self, execution: Interpretation) -> None:
        super().__init__(execution, lambda _: 0)
