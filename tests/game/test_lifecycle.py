"""A request from its question to its end: cancelled, left unanswered, answered wrongly and asked again, answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import calls
from contracts.client import Client
from prover import posted
from prover.game.adversaries import LyingDefender
from prover.game.players import Challenger
from prover.trace import tensor_bytes
from tests.game.arena import ETHER, FEE, Arena
from tests.game.walks import HONEST, INPUTS, LIAR, PROGRAM

OPEN, ACCEPTED, CLAIMED, FINAL, ENDED = range(1, 6)
ANSWER_PERIOD = 600
"""Of the arena's requests, in seconds."""


@pytest.fixture
def arena() -> Arena:
    return Arena()


def status_of(arena: Arena, request: bytes) -> int:
    return int(arena.by_name("requestOf", request)[""]["status"])


def free_locked(arena: Arena, client: Client) -> tuple[int, int]:
    free, locked, _, _ = arena.executor.view("accountOf", client.address)
    return free, locked


def claim_by(arena: Arena, client: Client, request: bytes) -> bytes:
    """The honest answer of a client that has accepted."""
    done = client.transact(calls.claim_execution(request, HONEST))
    claim: bytes = done.event("Claimed").arguments["claim"]
    return claim


def fall(arena: Arena, claim: bytes) -> None:
    walked = arena.play(claim, PROGRAM, LyingDefender(LIAR), Challenger(HONEST))
    assert walked.ending == "step"


def test_a_request_that_nobody_answers_is_cancelled_and_its_fee_paid_back(arena: Arena) -> None:
    request = arena.ask(PROGRAM, INPUTS)
    assert arena.refuses(arena.stranger, calls.cancel(request)) == "NotTheRequester"
    arena.pass_time(100 * ANSWER_PERIOD)
    arena.requester.transact(calls.cancel(request))
    assert (status_of(arena, request), arena.credits(arena.requester)) == (ENDED, FEE)
    assert arena.refuses(arena.requester, calls.cancel(request)) == "RequestIsOver"
    assert arena.refuses(arena.executor, calls.accept(request)) == "RequestNotOpen"
    assert arena.refuses(arena.stranger, calls.lapse(request)) == "RequestNotAccepted"
    before = arena.chain.balance(arena.deployment.refute)
    arena.requester.transact(calls.collect())
    assert arena.chain.balance(arena.deployment.refute) == before - FEE
    assert arena.refuses(arena.requester, calls.collect()) == "NothingToCollect"
    arena.check_conservation()


def test_a_cancel_while_somebody_works_takes_effect_when_the_work_comes_to_nothing(arena: Arena) -> None:
    """The executor keeps its right to answer until it lets the request lapse."""
    bond = arena.deployment.parameters.acceptance_bond
    request = arena.ask(PROGRAM, INPUTS)
    arena.executor.transact(calls.accept(request))
    arena.requester.transact(calls.cancel(request))
    assert (status_of(arena, request), arena.credits(arena.requester)) == (ACCEPTED, 0)
    assert arena.refuses(arena.requester, calls.cancel(request)) == "AlreadyCancelled"
    arena.pass_time(ANSWER_PERIOD)
    arena.stranger.transact(calls.lapse(request))
    assert (status_of(arena, request), arena.credits(arena.requester)) == (ENDED, FEE + bond - bond // 2)
    assert arena.refuses(arena.other, calls.accept(request)) == "RequestNotOpen"
    arena.check_conservation()


def test_a_cancelled_request_is_paid_for_when_its_answer_stands(arena: Arena) -> None:
    request = arena.ask(PROGRAM, INPUTS)
    claim = arena.claim(HONEST, request)
    arena.requester.transact(calls.cancel(request))
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(calls.finalise(claim))
    assert (status_of(arena, request), arena.credits(arena.requester)) == (FINAL, 0)
    assert arena.credits(arena.executor) == FEE
    assert arena.refuses(arena.requester, calls.cancel(request)) == "RequestIsOver"
    arena.check_conservation()


def test_an_executor_that_does_not_answer_pays_for_it_and_is_barred_for_good(arena: Arena) -> None:
    bond = arena.deployment.parameters.acceptance_bond
    request = arena.ask(PROGRAM, INPUTS)
    free, _ = free_locked(arena, arena.executor)
    for number, client in enumerate((arena.executor, arena.other), start=1):
        client.transact(calls.accept(request))
        due = arena.now + ANSWER_PERIOD
        assert free_locked(arena, client)[1] == arena.deployment.parameters.executor_stake
        arena.set_next_time(due - 1)
        lapse = replace(calls.lapse(request), simulated=False)
        assert arena.refuses(arena.stranger, lapse) == "AnswerNotOverdue"
        arena.set_next_time(due)
        arena.stranger.transact(lapse)
        assert status_of(arena, request) == OPEN
        assert free_locked(arena, client) == (free - bond, 0), "the rest of the stake is free again"
        assert arena.credits(arena.requester) == number * (bond - bond // 2)
        assert arena.executor.view("burned") == number * (bond // 2)
    for client in (arena.executor, arena.other):
        assert arena.refuses(client, calls.accept(request)) == "ExecutorBarred"
        assert arena.executor.view("isBarred", request, client.address)
    arena.challenger.transact(calls.accept(request))
    claim = claim_by(arena, arena.challenger, request)
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(calls.finalise(claim))
    assert arena.credits(arena.challenger) == FEE
    arena.check_conservation()


def test_whoever_was_barred_once_is_barred_from_that_request_only(arena: Arena) -> None:
    request = arena.ask(PROGRAM, INPUTS)
    arena.executor.transact(calls.accept(request))
    arena.pass_time(ANSWER_PERIOD)
    arena.executor.transact(calls.lapse(request))
    assert arena.refuses(arena.executor, calls.accept(request)) == "ExecutorBarred"
    arena.executor.transact(calls.accept(arena.ask(PROGRAM, INPUTS)))


def test_a_claim_that_fell_opens_its_request_again_to_everyone(arena: Arena) -> None:
    """Another answers it and is paid the fee. The loser may, too: each wrong answer costs another stake."""
    stake = arena.deployment.parameters.executor_stake
    request = arena.ask(PROGRAM, INPUTS)
    for number in (1, 2):
        fall(arena, arena.claim(LIAR, request))
        assert status_of(arena, request) == OPEN
        assert arena.executor.view("burned") == number * stake // 2
        assert not arena.executor.view("isBarred", request, arena.executor.address)
        assert free_locked(arena, arena.executor) == (1000 * ETHER - number * stake, 0)
    arena.other.transact(calls.accept(request))
    claim = claim_by(arena, arena.other, request)
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(calls.finalise(claim))
    assert arena.credits(arena.other) == FEE
    assert arena.executor.view("resultOf", request) == (
        FINAL,
        posted.commitment([tensor_bytes(output) for output in HONEST.outputs]),
    )
    arena.check_conservation()


def test_who_let_a_request_lapse_stays_barred_when_anothers_claim_on_it_falls(arena: Arena) -> None:
    request = arena.ask(PROGRAM, INPUTS)
    arena.other.transact(calls.accept(request))
    arena.pass_time(ANSWER_PERIOD)
    arena.stranger.transact(calls.lapse(request))
    fall(arena, arena.claim(LIAR, request))
    assert arena.refuses(arena.other, calls.accept(request)) == "ExecutorBarred"
    arena.challenger.transact(calls.accept(request))


def test_a_restricted_request_stays_restricted_when_it_opens_again(arena: Arena) -> None:
    """`minStake` is what a wrong answer costs, each time; `only` holds after a fall and after a lapse."""
    least = 3 * arena.deployment.parameters.executor_stake
    request = arena.ask(PROGRAM, INPUTS, only=arena.executor.address, min_stake=least)
    claim = arena.claim(LIAR, request)
    assert free_locked(arena, arena.executor)[1] == least
    fall(arena, claim)
    assert free_locked(arena, arena.executor) == (1000 * ETHER - least, 0)
    assert arena.executor.view("burned") == least // 2
    assert arena.refuses(arena.other, calls.accept(request)) == "ReservedFor"
    arena.executor.transact(calls.accept(request))
    assert free_locked(arena, arena.executor)[1] == least
    arena.pass_time(ANSWER_PERIOD)
    arena.stranger.transact(calls.lapse(request))
    assert free_locked(arena, arena.executor)[1] == 0
    assert arena.refuses(arena.other, calls.accept(request)) == "ReservedFor"
    assert arena.refuses(arena.executor, calls.accept(request)) == "ExecutorBarred"
    arena.requester.transact(calls.cancel(request))
    assert status_of(arena, request) == ENDED, "the requester is not held up by its own restriction"
    arena.check_conservation()


def test_a_cancelled_request_ends_when_its_claim_falls_and_the_fee_goes_back(arena: Arena) -> None:
    request = arena.ask(PROGRAM, INPUTS)
    claim = arena.claim(LIAR, request)
    arena.requester.transact(calls.cancel(request))
    fall(arena, claim)
    assert (status_of(arena, request), arena.credits(arena.requester)) == (ENDED, FEE)
    assert arena.refuses(arena.other, calls.accept(request)) == "RequestNotOpen"
    arena.check_conservation()
