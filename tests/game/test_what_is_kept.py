"""What the contract keeps of requests, claims and disputes holds through falls, new answers and several disputes."""

from __future__ import annotations

import pytest

from contracts import calls
from contracts.calls import NOBODY
from contracts.snapshot import ClaimStatus
from prover import posted
from prover.game.adversaries import LyingDefender
from prover.game.players import Challenger, Defender
from prover.trace import tensor_bytes
from tests.game.arena import ETHER, Arena
from tests.game.walks import HONEST, INPUTS, LIAR, PROGRAM

NONE, PENDING, FINAL, FALLEN = range(4)


@pytest.fixture
def arena() -> Arena:
    return Arena()


def status_of(arena: Arena, claim: bytes) -> int:
    return int(arena.by_name("claimOf", claim)["status"])


def test_a_second_answer_takes_the_place_of_one_that_fell(arena: Arena) -> None:
    """The first claim stays fallen, whatever becomes of the request; its other dispute can only be settled."""
    request = arena.ask(PROGRAM, INPUTS)
    first = arena.claim(LIAR, request, delegate=arena.stranger.address)
    bystander, position = arena.challenge(first, PROGRAM, by=arena.other)
    opening = calls.answer(bystander, position, Defender(LIAR).answer(position))
    assert arena.play(first, PROGRAM, LyingDefender(LIAR), Challenger(HONEST)).ending == "step"
    assert (status_of(arena, first), status_of(arena, bytes(32))) == (FALLEN, NONE)
    second = arena.claim(HONEST, request)
    assert (status_of(arena, first), status_of(arena, second)) == (FALLEN, PENDING)
    assert arena.by_name("claimOf", second)["held"]["delegate"] == NOBODY
    for client in (arena.executor, arena.stranger):
        assert arena.refuses(client, opening) == "ClaimHasFallen"
    arena.pass_time(arena.deployment.parameters.window)
    assert arena.refuses(arena.stranger, calls.finalise(first)) == "ClaimHasFallen"
    arena.stranger.transact(calls.finalise(second))
    assert (status_of(arena, first), status_of(arena, second)) == (FALLEN, FINAL)
    assert arena.refuses(arena.other, arena.challenging(first, PROGRAM)) == "AlreadyChallenged"
    assert arena.refuses(arena.stranger, arena.challenging(first, PROGRAM)) == "ClaimHasFallen"
    arena.other.transact(arena.settlement(bystander))
    outputs = [tensor_bytes(output) for output in HONEST.outputs]
    assert arena.executor.view("resultOf", request)[1] == posted.commitment(outputs)
    assert arena.look().claims[first].status is ClaimStatus.FALLEN
    arena.check_conservation()


def test_bonds_of_lost_disputes_are_counted(arena: Arena) -> None:
    """Two challengers run out of time; the executor is paid both bonds with the fee."""
    claim = arena.claim(HONEST)
    disputes = [arena.challenge(claim, PROGRAM, by=by)[0] for by in (arena.challenger, arena.other)]
    for dispute in disputes:
        position = arena.look().disputes[dispute].position
        arena.executor.transact(calls.answer(dispute, position, Defender(HONEST).answer(position)))
    arena.pass_time(max(arena.deployment.parameters.clock, arena.deployment.parameters.window))
    arena.stranger.transact(arena.expiry(disputes))
    arena.check_conservation()
    assert arena.by_name("claimOf", claim)["held"]["docket"]["lost"] == 2
    before = arena.executor.view("creditsOf", arena.executor.address)
    arena.stranger.transact(calls.finalise(claim))
    paid = arena.executor.view("creditsOf", arena.executor.address) - before
    assert paid == ETHER // 10 + 2 * arena.deployment.parameters.challenger_bond
    arena.check_conservation()


def test_amounts_that_no_account_can_hold_are_refused_by_name(arena: Arena) -> None:
    arena.ask(PROGRAM, INPUTS, min_stake=2**96 - 1)
    with pytest.raises(Exception, match="AmountTooLarge"):
        arena.ask(PROGRAM, INPUTS, min_stake=2**96)
