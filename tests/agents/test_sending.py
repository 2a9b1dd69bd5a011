"""What goes wrong with one action stays with that one: it is said, it is tried again, and the others go out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account
from structlog.testing import capture_logs
from web3.types import RPCEndpoint, RPCResponse

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.errors import ChainUnavailable, NotFunded
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider
from contracts.snapshot import DisputeStatus, RequestStatus
from prover import model_folder
from prover.game.adversaries import LyingDefender
from prover.game.position import Phase
from prover.model_folder import Model
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
    Operator,
    OutputSpec,
    Program,
    TensorSpec,
    View,
)
from tests.agents import stage as stages
from tests.agents.stage import ETHER, PARAMETERS, Stage, liar


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


class Choosy(LocalProvider):
    """A node that will not take some transactions, or logs of more than so many blocks or entries at once."""

    def __init__(self, chain: DevnetChain) -> None:
        super().__init__(chain)
        self.most_bytes = 1 << 20
        self.most_logs = 1 << 20
        self.pages: list[int] = []

    def make_request(self, method: RPCEndpoint, params: object) -> RPCResponse:
        if method == "eth_sendRawTransaction" and len(params[0]) // 2 > self.most_bytes:  # type: ignore[index]
            return self._refusal("oversized data: transaction size exceeds the limit")
        answer = super().make_request(method, params)
        if method == "eth_getLogs":
            asked = params[0]  # type: ignore[index]
            self.pages.append(int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1)
            if len(answer["result"]) > self.most_logs:
                return self._refusal(f"query returned more than {self.most_logs} results")
        return answer

    def _refusal(self, message: str) -> RPCResponse:
        return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": message}}


def through(stage: Stage, node: LocalProvider, number: int) -> Client:
    """The client of a devnet account behind another node."""
    return Client(Chain(node), stage.deployment, Account.from_key(DEVNET_KEYS[number]))


def one_layer(outputs: int = 300) -> Model:
    """A copy of the first input number, `outputs` times."""
    given = View(InputRef(0), DType.I8, 300, 0, (0,))
    one, zero = Immediate(1), Immediate(0)
    copy = Operator(Opcode.ZIP, 0, DType.I8, (outputs,), (given, one, one, zero), -128, 127)
    output = OutputSpec(CheckpointRef(0, 0, 1), DType.I8, (outputs,))
    return Model(Program((TensorSpec(DType.I8, (300,)),), (Layer((copy,), (0,)),), (output,), ("copy",)), {})


def ask_for(stage: Stage, model: Model) -> bytes:
    """Register a model as a stranger, and request it; the request's id."""
    stage.other.transact(calls.register_model(model.program, "local"))
    call = calls.request_run(model.program, [np.ones(300, "<i1")], 0, 600)
    request: bytes = stage.other.transact(call).event("Requested").arguments["request"]
    return request


# A node that says no


def test_what_the_node_will_not_take_does_not_hold_up_what_comes_behind_it(stage: Stage) -> None:
    node = Choosy(stage.devnet)
    executor = stage.executor(client=through(stage, node, 2))
    large, plain = one_layer(6_000), stage.ask()
    model_folder.publish(large, stage.models)
    refused = ask_for(stage, large)
    node.most_bytes = 6_000
    with capture_logs() as logs:
        stage.settle_down(executor)
    assert stage.request(refused).status is RequestStatus.ACCEPTED
    assert stage.request(plain).status is RequestStatus.CLAIMED
    (said,) = [e for e in logs if e["event"] == "action_refused"]
    assert (said["action"], "oversized data" in said["reason"]) == ("postclaim", True)
    node.most_bytes = 1 << 20
    stage.pass_time(60)
    stage.settle_down(executor)
    assert stage.request(refused).status is RequestStatus.CLAIMED, "tried again later"


def test_a_model_whose_answers_cannot_be_posted_is_refused_before_a_stake_is_risked(stage: Stage) -> None:
    executor, large = stage.executor(), one_layer(140_000)
    model_folder.publish(large, stage.models)
    refused, plain = ask_for(stage, large), stage.ask()
    with capture_logs() as logs:
        stage.settle_down(executor)
        stage.pass_time(600)
        stage.settle_down(executor)
    assert stage.request(refused).status is RequestStatus.OPEN
    assert stage.claims_of(plain)
    (said,) = [e for e in logs if e["event"] == "model_refused"]
    assert "its outputs make a claim of 140," in said["reason"]


def test_pages_of_logs_that_the_node_refuses_are_halved_and_grow_again(stage: Stage) -> None:
    for _ in range(30):
        stage.other.transact(calls.add_uri(bytes(stage.model.id), "u"))
    node = Choosy(stage.devnet)
    node.most_logs = 4
    watcher = stage.watcher(client=through(stage, node, 3))
    watcher.round()
    assert node.pages[0] > 16
    assert 1 < min(node.pages) <= 4
    assert sum(node.pages[n] > node.pages[n - 1] for n in range(1, len(node.pages))) > 2
    assert stage.account(stage.watcher_client).stake == 10 * ETHER


def test_a_node_that_refuses_a_single_block_of_logs_is_waited_for(stage: Stage) -> None:
    node = Choosy(stage.devnet)
    node.most_logs = 0
    watcher = stage.watcher(client=through(stage, node, 3))
    with pytest.raises(ChainUnavailable, match="more than 0 results"):
        watcher.round()
    node.most_logs = 1
    watcher.round()


# An account that cannot pay for everything


def test_a_deposit_that_leaves_nothing_for_its_gas_holds_up_no_challenge(stage: Stage) -> None:
    request = stage.ask()
    stage.watcher_client.transact(calls.deposit(PARAMETERS.challenger_bond))
    executor = stage.executor(liar(1), LyingDefender)
    stage.settle_down(executor)
    balance = stage.chain.balance(stage.watcher_client.address)
    watcher = stage.watcher(stake=balance + PARAMETERS.challenger_bond - 1_000)
    with pytest.raises(NotFunded):
        watcher.round()  # said to its operator when it starts, and has nothing else to do yet
    with capture_logs() as logs:
        stage.settle_down(executor, watcher, until=lambda: _won(stage, request))
    assert _won(stage, request)
    assert not [e for e in logs if e["event"] == "action_refused"]


def _won(stage: Stage, request: bytes) -> bool:
    return any(d.status is DisputeStatus.WON for d in stage.disputes_of(request))


# A chain that goes back while an opening is on its way


@pytest.mark.parametrize("layers", [1, 3])
def test_an_executor_is_not_muted_by_a_reorganisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layers: int
) -> None:
    """The block of the challenge is dropped while the executor's opening is sent: the opening fails, and with it
    nothing but this attempt. With several layers both land in one block, the opening first."""
    if layers == 1:
        monkeypatch.setattr(stages, "small_model", one_layer)
    stage = Stage(tmp_path / "models")
    executor = stage.executor()
    request = stage.ask()
    stage.settle_down(executor)
    (claim,) = stage.claims_of(request)
    stage.other.transact(calls.deposit(10 * ETHER))
    before = stage.snapshot()

    def challenge() -> None:
        stage.other.transact(calls.challenge(claim.id, stage.model.program, claim.trace_root))

    challenge()
    _once_before_sending(executor._client.chain, lambda: stage.revert(before))
    executor.round()
    assert not stage.disputes_of(request)
    challenge()
    for _ in range(3):
        stage.pass_time(1)
        executor.round()
    (dispute,) = stage.disputes_of(request)
    assert dispute.position.phase is (Phase.ELEMENT_PICK if layers == 1 else Phase.TRACE_PICK)


def _once_before_sending(chain: Chain, happens: Callable[[], object]) -> None:
    send, done = chain.send, list[bool]()

    def racing(account: object, *arguments: object, **options: object) -> bytes:
        if not done:
            done.append(True)
            happens()
            options["nonce"] = chain.nonce(account.address)  # type: ignore[attr-defined]
        return send(account, *arguments, **options)  # type: ignore[arg-type]

    chain.send = racing  # type: ignore[method-assign]
