"""The example of a consumer (`contracts/src/examples/Commission.sol`) pays by a final answer, and by nothing less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from contracts import calls
from contracts.abi import Abi, artifact
from contracts.asking import Reverted
from contracts.client import Client
from deploy.economics import payouts
from deploy.testkit.models import interpret, liar, small_model
from prover.game.adversaries import LyingDefender
from prover.game.players import Challenger
from prover.trace import Execution, tensor_bytes
from tests.game.arena import ETHER, Arena

PRIZE = ETHER
MODEL = small_model()
GIVEN = [np.arange(300).astype("<i1")]
HONEST, LIE = interpret(MODEL, GIVEN), liar(1, operator=1, delta=1000)(MODEL, GIVEN)
SCORE, LIED = (int(run.outputs[0][0]) for run in (HONEST, LIE))
OUTPUTS = [tensor_bytes(output) for output in HONEST.outputs]
ABI = Abi(artifact("Commission").abi)
ACCEPTED, CLAIMED, FINAL = 2, 3, 4


class Commissioned:
    """A commission on a chain: the arena's stranger is its sponsor, its other the worker."""

    def __init__(self, arena: Arena, bar: int = SCORE, prize: int = PRIZE) -> None:
        self.arena = arena
        self.deadline = arena.now + 100_000
        made = arena.deployment.refute, bytes(MODEL.id), bar, arena.other.address, self.deadline
        data = artifact("Commission").bytecode + ABI.encode_constructor(made)
        self.address: str | None = None
        self.address = self._send(arena.stranger, data, prize)

    def deliver(self, request: bytes, outputs: Sequence[bytes] = OUTPUTS) -> str:
        """The name of the contract's refusal; "" if it has paid the worker."""
        return self._ask("deliver", (request, list(outputs)), self.arena.other)

    def refund(self) -> str:
        """The name of the contract's refusal; "" if it has paid the sponsor."""
        return self._ask("refund", (), self.arena.stranger)

    def _ask(self, function: str, arguments: Sequence[object], paid: Client) -> str:
        chain, data = self.arena.chain, ABI.encode_call(function, arguments)
        held, before = chain.balance(str(self.address)), chain.balance(paid.address)
        try:
            chain.call(self.address, data)
        except Reverted as reason:
            return ABI.decode_error(reason.data)[0]
        self._send(self.arena.requester, data, 0)
        assert chain.balance(str(self.address)) == 0
        assert chain.balance(paid.address) == before + held
        return ""

    def _send(self, client: Client, data: bytes, value: int) -> str | None:
        receipt = self.arena.chain.transact(client.signer, self.address, data, value=value, gas=2_000_000)
        assert receipt.succeeded
        return receipt.contract


@pytest.fixture
def arena() -> Arena:
    return Arena()


def finalise(arena: Arena, claim: bytes) -> None:
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(calls.finalise(claim))


def answered(arena: Arena, run: Execution = HONEST, **options: object) -> bytes:
    """A request whose answer is final; its id."""
    request = arena.ask(MODEL.program, GIVEN, **options)
    finalise(arena, arena.claim(run, request))
    return request


def test_an_honest_answer_pays_once_it_is_final_and_not_before(arena: Arena) -> None:
    commission = Commissioned(arena)
    request = arena.ask(MODEL.program, GIVEN)
    assert commission.deliver(request) == "NotFinal", "nobody has answered"
    claim = arena.claim(HONEST, request)
    assert commission.deliver(request) == "NotFinal", "it may still be disputed"
    arena.pass_time(arena.deployment.parameters.window)
    assert commission.deliver(request) == "NotFinal", "nobody has made it final"
    arena.stranger.transact(calls.finalise(claim))
    assert commission.refund() == "NotOver"
    assert commission.deliver(request) == ""


def test_a_lie_that_has_fallen_does_not_pay_and_the_answer_after_it_does(arena: Arena) -> None:
    commission = Commissioned(arena, bar=SCORE)
    assert LIED > SCORE
    request = arena.ask(MODEL.program, GIVEN)
    claim = arena.claim(LIE, request)
    lied = [tensor_bytes(output) for output in LIE.outputs]
    assert arena.play(claim, MODEL.program, LyingDefender(LIE), Challenger(HONEST)).ending == "step"
    assert arena.executor.view("resultOf", request)[1] != bytes(32), "its outputs are still to be read"
    assert commission.deliver(request, lied) == "NotFinal"
    finalise(arena, arena.claim(HONEST, request))
    assert commission.deliver(request, lied) == "OutputsAreOthers"
    assert commission.deliver(request) == ""


def test_an_unanswered_request_pays_nobody_and_the_prize_goes_back(arena: Arena) -> None:
    commission = Commissioned(arena)
    request = arena.ask(MODEL.program, GIVEN)
    arena.executor.transact(calls.accept(request))
    assert commission.deliver(request) == "NotFinal"
    assert commission.deliver(bytes(32)) == "ModelIsAnother", "there is no such request"
    arena.set_time(commission.deadline - 1)
    assert commission.refund() == "NotOver"
    arena.set_time(commission.deadline)
    assert commission.deliver(request) == "IsOver"
    assert commission.refund() == ""


def test_a_final_answer_pays_only_what_was_commissioned(arena: Arena) -> None:
    request = answered(arena)
    assert Commissioned(arena, bar=SCORE + 1).deliver(request) == "ScoreTooLow"
    assert Commissioned(arena, bar=-(2**31)).deliver(request) == ""
    other = small_model(seed=8)
    foreign = arena.ask(other.program, GIVEN)
    finalise(arena, arena.claim(interpret(other, GIVEN), foreign))
    assert Commissioned(arena).deliver(foreign) == "ModelIsAnother"


def test_a_prize_needs_a_stake_of_which_more_is_burned(arena: Arena) -> None:
    """The devnet burns 5 of its 10 ether: a request for a larger prize asks for a larger stake."""
    parameters = arena.deployment.parameters
    burned = payouts.burned(parameters.executor_stake, parameters.burn_share)
    assert Commissioned(arena, prize=burned).deliver(answered(arena)) == "StakeTooLow"
    assert Commissioned(arena, prize=burned - 1).deliver(answered(arena)) == ""
    assert Commissioned(arena, prize=burned).deliver(answered(arena, min_stake=2 * burned + 2)) == ""
