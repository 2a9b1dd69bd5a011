"""Nobody has powers over money: every function that changes something, tried by a stranger and by the deployer.

Neither may gain by any of them: they are refused by name, or their own account stays empty and who is entitled is paid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from eth_account import Account

from contracts import calls
from contracts.abi import artifact
from contracts.calls import Call
from contracts.client import Client
from contracts.provider import DEVNET_KEYS
from prover.game.adversaries import LyingDefender
from prover.game.moves import EMPTY, RefuteChunk, RefuteFactor, RefuteNodes, RefuteProgram
from prover.game.openings import Opened
from prover.game.players import Challenger
from prover.game.position import Phase, Side
from prover.model_folder import Model
from prover.trace import tensor_bytes
from tests.agents.stage import interpret, liar, small_model
from tests.game.arena import Arena, moved_to
from tests.game.test_wrong_moves_on_chain import broad_model

INPUTS = [np.arange(300, dtype="<i2").astype("<i1")]
MODEL = small_model()
HONEST, LYING = interpret(MODEL, INPUTS), liar(0, 0, 2)(MODEL, INPUTS)


@pytest.fixture(params=["stranger", "deployer"])
def arena(request: pytest.FixtureRequest) -> Arena:
    """The one who tries is `stranger`."""
    made = Arena()
    if request.param == "deployer":
        made.stranger = Client(made.chain, made.deployment, Account.from_key(DEVNET_KEYS[0]))
    return made


def holds_nothing(arena: Arena) -> bool:
    address = arena.stranger.address
    return not any(arena.executor.view("accountOf", address)) and not arena.executor.view("creditsOf", address)


@dataclass(frozen=True)
class Scene:
    """An open request, an accepted one, and one with a claim in dispute."""

    arena: Arena
    open: bytes
    accepted: bytes
    claim: bytes
    dispute: bytes

    @classmethod
    def set(cls, arena: Arena) -> Scene:
        open_, accepted = (arena.ask(MODEL.program, INPUTS) for _ in range(2))
        arena.executor.transact(calls.accept(accepted))
        claim = arena.claim(LYING)
        dispute, _ = arena.challenge(claim, MODEL.program)
        return cls(arena, open_, accepted, claim, dispute)

    def answer(self) -> Call:
        return calls.claim_execution(self.accepted, HONEST)

    def proof(self) -> Call:
        outputs = [tensor_bytes(output) for output in LYING.outputs]
        return calls.prove_output(self.claim, HONEST, outputs, 0, 0)

    def challenge_at(self) -> Call:
        return calls.challenge_at(self.claim, MODEL.program, LYING.trace.nodes, 0)


REFUSED: dict[str, tuple[Callable[[Scene], Call], str]] = {
    "startWithdrawal": (lambda s: calls.start_withdrawal(1), "FreeStakeTooLow"),
    "withdraw": (lambda s: calls.withdraw(), "NothingToWithdraw"),
    "collect": (lambda s: calls.collect(), "NothingToCollect"),
    "accept": (lambda s: calls.accept(s.open), "FreeStakeTooLow"),
    "cancel": (lambda s: calls.cancel(s.open), "NotTheRequester"),
    "lapse": (lambda s: calls.lapse(s.accepted), "AnswerNotOverdue"),
    "claim": (lambda s: s.answer(), "NotTheAcceptor"),
    "finalise": (lambda s: calls.finalise(s.claim), "WindowStillOpen"),
    "challenge": (lambda s: s.arena.challenging(s.claim, MODEL.program), "FreeStakeTooLow"),
    "challengeAt": (lambda s: s.challenge_at(), "FreeStakeTooLow"),
    "proveOutput": (lambda s: s.proof(), "OutputsAgree"),
    "expire": (lambda s: s.arena.expiry([s.dispute]), "NothingExpired"),
    "settle": (lambda s: s.arena.settlement(s.dispute), "ClaimHasNotFallen"),
}
"""What somebody without a part in it tries, and the refusal."""
MOVES = {
    *("openTrace", "openLayer", "openTensor", "openChunk", "openTerms"),
    *("pickTrace", "pickOperator", "pickTensor", "pickElement", "pickTerms"),
    *("step", "refuteNodes", "refuteChunk", "refuteFactor", "refuteProgram"),
}
OWN_MONEY = {"deposit", "request"}
"""They take the caller's, and are paid from by others or back to the caller only."""
NO_MONEY = {"registerModel", "addUri"}


def test_every_function_that_changes_something_is_tried_here() -> None:
    changing = {
        e["name"]
        for e in artifact("Refute").abi
        if e["type"] == "function" and e["stateMutability"] not in ("view", "pure")
    }
    assert changing == {*REFUSED, *MOVES, *OWN_MONEY, *NO_MONEY}
    assert not [e for e in artifact("Refute").abi if e["type"] in ("receive", "fallback")]


def test_who_has_no_part_in_it_is_refused_by_name(arena: Arena) -> None:
    scene = Scene.set(arena)
    held = arena.held_by_contract()
    for function, (call, name) in REFUSED.items():
        assert arena.refuses(arena.stranger, call(scene)) == name, function
    assert holds_nothing(arena)
    assert arena.held_by_contract() == held
    arena.check_conservation()


def test_what_anyone_may_do_pays_only_who_is_entitled(arena: Arena) -> None:
    """Lapse, expire, settle and finalise, in time for them, all by somebody without a part in it."""
    parameters = arena.deployment.parameters
    scene = Scene.set(arena)
    bystander, _ = arena.challenge(scene.claim, MODEL.program, by=arena.other)
    stands = arena.claim(HONEST)
    arena.pass_time(parameters.window)
    credits = lambda client: arena.executor.view("creditsOf", client.address)  # noqa: E731
    entitled = (
        (calls.lapse(scene.accepted), arena.requester, parameters.acceptance_bond // 2),
        (arena.expiry([scene.dispute]), arena.challenger, None),
        (arena.settlement(bystander), arena.other, None),
        (calls.finalise(stands), arena.executor, arena.by_name("requestOf", scene.open)[""]["fee"]),
    )
    for call, client, amount in entitled:
        before = {c: credits(c) for c in (arena.executor, arena.challenger, arena.other, arena.requester)}
        arena.stranger.transact(call)
        changed = {c: credits(c) - before[c] for c in before if credits(c) != before[c]}
        assert list(changed) == [client], call.function
        assert amount is None or changed[client] == amount
        assert holds_nothing(arena), call.function
    arena.check_conservation()


@pytest.mark.parametrize(("model", "element"), [(MODEL, 2), (broad_model(), 290)], ids=["terms", "tensor"])
def test_a_stranger_moves_for_nobody_and_is_paid_for_nothing(arena: Arena, model: Model, element: int) -> None:
    """At every level of a dispute, with the very move of the side to move, and with every refutation."""
    lying = liar(0, 0, element)(model, INPUTS)
    executor, challenger = LyingDefender(lying), Challenger(interpret(model, INPUTS))
    claim = arena.claim(lying)
    dispute, position = arena.challenge(claim, model.program)
    history: list[Opened] = []
    while True:
        executors = position.phase.side is Side.EXECUTOR
        call = calls.answer(
            dispute, position, executor.answer(position) if executors else challenger.reply(position, history)
        )
        empty = (RefuteNodes(()), RefuteChunk(b""), RefuteFactor(b"", b"", 0, (EMPTY,)), RefuteProgram(0, b"", ()))
        for refutation in empty:
            assert arena.refuses(arena.stranger, calls.answer(dispute, position, refutation)) == "NotTheChallenger"
        if position.phase is Phase.STEP:
            break
        if position.phase is Phase.TRACE_OPEN:
            done = arena.stranger.transact(call)
        else:
            refused = "NotTheExecutorsOpening" if executors else "NotTheChallenger"
            assert arena.refuses(arena.stranger, call) == refused
            done = (arena.executor if executors else arena.challenger).transact(call)
        if content := done.event("Moved").arguments["opened"]:
            history.append(Opened(position, content))
        position = moved_to(position, done)
        assert holds_nothing(arena)
    arena.stranger.transact(call)
    assert holds_nothing(arena), "the proof of another's dispute"
    assert arena.executor.view("creditsOf", arena.challenger.address) == arena.deployment.parameters.executor_stake // 2
    arena.check_conservation()
