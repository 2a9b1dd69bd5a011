"""What the contract refuses about time, order and money, by the name of its error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts import calls
from prover import encoding
from prover.game.adversaries import LyingDefender
from prover.game.moves import opened_content
from prover.game.openings import Opened
from prover.game.players import Challenger
from prover.game.position import Phase
from prover.trace import tensor_bytes
from tests.agents.stage import interpret, liar, small_model
from tests.game.arena import ETHER, Arena
from tests.game.walks import deadline_of

INPUTS = [np.arange(300, dtype="<i2").astype("<i1")]
MODEL = small_model()
HONEST, LYING = interpret(MODEL, INPUTS), liar(0)(MODEL, INPUTS)


@pytest.fixture
def arena() -> Arena:
    return Arena()


def test_a_side_that_is_not_to_move_cannot(arena: Arena) -> None:
    dispute, position = arena.challenge(arena.claim(LYING), MODEL.program)
    opening = LyingDefender(LYING).answer(position)
    pick = Challenger(HONEST).reply(
        replace(position, phase=Phase.TRACE_PICK), [Opened(position, opened_content(opening))]
    )
    assert arena.refuses(arena.challenger, calls.answer(dispute, position, pick)) == "WrongPhase"
    assert arena.refuses(arena.executor, calls.answer(dispute, position, pick)) == "NotTheChallenger"
    arena.executor.transact(calls.answer(dispute, position, opening))
    assert arena.refuses(arena.executor, calls.answer(dispute, position, opening)) == "StalePosition"


def test_no_move_counts_from_the_deadline_on_nor_after_the_end(arena: Arena) -> None:
    dispute, position = arena.challenge(arena.claim(LYING), MODEL.program)
    opening = calls.answer(dispute, position, LyingDefender(LYING).answer(position))
    assert arena.refuses(arena.stranger, arena.expiry([dispute])) == "NothingExpired"
    arena.set_time(deadline_of(arena, dispute))
    assert arena.refuses(arena.executor, opening) == "MoveAfterDeadline"
    arena.stranger.transact(arena.expiry([dispute]))
    assert arena.refuses(arena.executor, opening) == "DisputeIsResolved"
    assert arena.refuses(arena.stranger, arena.expiry([dispute])) == "NothingExpired"
    assert arena.refuses(arena.challenger, arena.settlement(dispute)) == "DisputeIsResolved"


def claim_on(request: bytes, outputs: list[bytes] | None = None) -> calls.Call:
    plain = [tensor_bytes(output) for output in HONEST.outputs]
    head, interface = encoding.encode_head(MODEL.program), encoding.encode_interface(MODEL.program)
    return calls.claim(request, head, interface, HONEST.trace.nodes, plain if outputs is None else outputs)


def test_a_request_has_one_acceptor_and_one_claim(arena: Arena) -> None:
    request = arena.ask(MODEL.program, INPUTS)
    assert arena.refuses(arena.executor, claim_on(request)) == "RequestNotAccepted"
    arena.executor.transact(calls.accept(request))
    assert arena.refuses(arena.other, calls.accept(request)) == "RequestNotOpen"
    assert arena.refuses(arena.other, claim_on(request)) == "NotTheAcceptor"
    arena.executor.transact(claim_on(request))
    assert arena.refuses(arena.executor, claim_on(request)) == "RequestNotAccepted"
    assert arena.refuses(arena.executor, calls.accept(request)) == "RequestNotOpen"


def test_an_answer_has_the_declared_form_and_is_in_time(arena: Arena) -> None:
    request = arena.ask(MODEL.program, INPUTS)
    arena.executor.transact(calls.accept(request))
    outputs = [tensor_bytes(output) for output in HONEST.outputs]
    for wrong in ([outputs[0][:-1], outputs[1]], [outputs[0], outputs[1] + b"\0"]):
        assert arena.refuses(arena.executor, claim_on(request, wrong)) == "WrongTensorLength"
    for wrong in ([], outputs[:1], [*outputs, b""]):
        assert arena.refuses(arena.executor, claim_on(request, wrong)) == "WrongNumberOfTensors"
    assert arena.refuses(arena.stranger, calls.lapse(request)) == "AnswerNotOverdue"
    arena.pass_time(600)
    assert arena.refuses(arena.executor, claim_on(request)) == "AnswerTooLate"
    arena.stranger.transact(calls.lapse(request))


def test_a_claim_is_challenged_once_by_each_and_only_in_its_window(arena: Arena) -> None:
    claim = arena.claim(HONEST)
    challenge = arena.challenging(claim, MODEL.program)
    arena.challenger.transact(challenge)
    assert arena.refuses(arena.challenger, challenge) == "AlreadyChallenged"
    assert arena.refuses(arena.stranger, challenge) == "FreeStakeTooLow"
    assert arena.refuses(arena.other, arena.challenging(claim, small_model(seed=8).program)) == "HeadNotOfModel"
    assert arena.refuses(arena.stranger, calls.finalise(claim)) == "WindowStillOpen"
    arena.pass_time(arena.deployment.parameters.window)
    assert arena.refuses(arena.other, challenge) == "WindowIsOver"
    assert arena.refuses(arena.stranger, calls.finalise(claim)) == "DisputesUnresolved"


def test_a_final_claim_is_final(arena: Arena) -> None:
    claim = arena.claim(HONEST)
    arena.pass_time(arena.deployment.parameters.window)
    arena.executor.transact(calls.finalise(claim))
    assert arena.refuses(arena.executor, calls.finalise(claim)) == "ClaimIsFinal"
    assert arena.refuses(arena.challenger, arena.challenging(claim, MODEL.program)) == "ClaimIsFinal"


def test_locked_stake_neither_leaves_nor_is_locked_twice(arena: Arena) -> None:
    parameters = arena.deployment.parameters
    arena.stranger.transact(calls.deposit(parameters.challenger_bond))
    arena.challenge(arena.claim(HONEST), MODEL.program, by=arena.stranger)
    assert arena.refuses(arena.stranger, calls.start_withdrawal(1)) == "FreeStakeTooLow"
    second = arena.challenging(arena.claim(HONEST), MODEL.program)
    assert arena.refuses(arena.stranger, second) == "FreeStakeTooLow"
    assert arena.refuses(arena.stranger, calls.withdraw()) == "NothingToWithdraw"
    assert arena.refuses(arena.stranger, calls.collect()) == "NothingToCollect"
    assert arena.refuses(arena.stranger, calls.deposit(0)) == "AmountIsZero"
    request = arena.ask(MODEL.program, INPUTS, min_stake=2000 * ETHER)
    assert arena.refuses(arena.executor, calls.accept(request)) == "FreeStakeTooLow"
    reserved = arena.ask(MODEL.program, INPUTS, only=arena.other.address)
    assert arena.refuses(arena.executor, calls.accept(reserved)) == "ReservedFor"
