"""Requests among several agents: who answers, who is passed over, and what becomes of a request nobody answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts import calls
from contracts.shelf import Shelf
from contracts.snapshot import ClaimStatus, Reason, RequestStatus
from executor import decide, requester
from prover import model_folder
from prover.game.adversaries import LyingDefender
from tests.agents.stage import ETHER, FEE, PARAMETERS, Stage, liar

ANSWER_PERIOD = 600


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def test_a_liar_and_an_honest_executor_at_once(stage: Stage) -> None:
    """Six requests, three for each; every lie falls, every honest answer is final, and all six are completed."""
    honest = stage.executor(stake=100 * ETHER)
    dishonest = stage.executor(liar(2), LyingDefender, client=stage.other, stake=100 * ETHER)
    watcher = stage.watcher()
    requests = [stage.ask(seed) for seed in range(6)]
    for request in requests[::2]:
        stage.other.transact(calls.deposit(PARAMETERS.executor_stake))
        stage.other.transact(calls.accept(request))
    stage.settle_down(honest, dishonest, watcher)
    for number, request in enumerate(requests):
        executors = [(claim.executor, claim.status) for claim in stage.claims_of(request)]
        lies = [(stage.other.address, ClaimStatus.FALLEN)] if number % 2 == 0 else []
        assert executors == [*lies, (stage.executor_client.address, ClaimStatus.PENDING)]
    assert {d.reason for d in stage.look().disputes.values()} == {Reason.STEP}
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(honest, dishonest, watcher)
    assert {stage.request(request).status for request in requests} == {RequestStatus.FINAL}
    assert stage.account(stage.executor_client).free == 100 * ETHER


def test_two_watchers_dispute_the_same_claim_side_by_side(stage: Stage) -> None:
    request = stage.ask()
    executor = stage.executor(liar(1), LyingDefender)
    watchers = stage.watcher(), stage.watcher(client=stage.another)
    stage.settle_down(executor, *watchers)
    assert sorted(d.reason.name for d in stage.disputes_of(request) if d.reason) == ["OTHER", "STEP"]
    for client in (stage.watcher_client, stage.another):
        assert (stage.account(client).free, stage.account(client).locked) == (10 * ETHER, 0)


def test_a_dispute_that_is_dead_does_not_thin_the_winners_pay(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its challenger began it and left; nobody has recorded that its time is over, least of all the executor."""
    monkeypatch.setattr(decide, "_close", lambda *arguments: iter(()))
    executor = stage.executor(liar(1), LyingDefender)
    request = stage.ask()
    stage.settle_down(executor)
    (claim,) = stage.claims_of(request)
    stage.other.transact(calls.deposit(PARAMETERS.challenger_bond))
    stage.other.transact(calls.challenge(claim.id, stage.model.program, claim.trace_root))
    stage.settle_down(executor)
    stage.pass_time(PARAMETERS.clock)
    before = stage.chain.balance(stage.watcher_client.address)
    stage.settle_down(executor, stage.watcher())
    dead, won = sorted(stage.disputes_of(request), key=lambda d: d.challenger == stage.watcher_client.address)
    assert (dead.reason, won.reason) == (Reason.TIMEOUT, Reason.STEP)
    paid = stage.chain.balance(stage.watcher_client.address) + 10 * ETHER - before
    gas = ETHER // 100
    assert PARAMETERS.executor_stake // 2 - gas < paid, "all that is not burned"


def test_an_executor_that_does_not_answer_is_barred_and_another_completes(stage: Stage) -> None:
    request = stage.ask()
    stage.other.transact(calls.deposit(PARAMETERS.executor_stake))
    stage.other.transact(calls.accept(request))
    executor, idle = stage.executor(), stage.executor(client=stage.other)
    stage.settle_down(executor)
    assert stage.request(request).executor == stage.other.address
    stage.pass_time(ANSWER_PERIOD)
    executor.round()
    assert stage.request(request).barred == {stage.other.address}
    stage.settle_down(idle)
    assert stage.request(request).status is RequestStatus.OPEN, "whoever let it lapse keeps away from it"
    stage.settle_down(executor)
    (claim,) = stage.claims_of(request)
    assert claim.executor == stage.executor_client.address
    assert stage.account(stage.requester).credits == PARAMETERS.acceptance_bond // 2


def test_an_executor_that_comes_back_too_late_frees_what_is_left_of_its_stake(stage: Stage) -> None:
    request = stage.ask()
    stage.executor_client.transact(calls.deposit(50 * ETHER))
    stage.executor_client.transact(calls.accept(request))
    stage.pass_time(ANSWER_PERIOD)
    stage.settle_down(stage.executor())
    assert stage.request(request).barred == {stage.executor_client.address}
    assert stage.account(stage.executor_client).locked == 0


def test_a_request_cancelled_in_time_is_left_alone(stage: Stage) -> None:
    request = stage.ask()
    stage.requester.transact(calls.cancel(request))
    stage.settle_down(stage.executor(), stage.watcher())
    assert stage.request(request).status is RequestStatus.ENDED
    assert not stage.claims_of(request)
    assert stage.account(stage.requester).credits == FEE


def test_a_request_cancelled_after_it_was_accepted_is_answered_and_paid(stage: Stage) -> None:
    executor, watcher = stage.executor(), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor, until=lambda: stage.request(request).status is RequestStatus.ACCEPTED)
    stage.requester.transact(calls.cancel(request))
    stage.settle_down(executor, watcher)
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(executor, watcher)
    assert stage.request(request).status is RequestStatus.FINAL


def test_a_cancelled_request_ends_when_its_claim_falls(stage: Stage) -> None:
    dishonest, watcher = stage.executor(liar(1), LyingDefender, client=stage.other), stage.watcher()
    request = stage.ask()
    stage.settle_down(dishonest)
    stage.requester.transact(calls.cancel(request))
    stage.settle_down(dishonest, watcher, stage.executor())
    assert stage.request(request).status is RequestStatus.ENDED
    assert [claim.status for claim in stage.claims_of(request)] == [ClaimStatus.FALLEN]
    assert stage.account(stage.requester).credits == FEE


def test_what_an_executor_cannot_or_may_not_take_is_left_to_others(stage: Stage) -> None:
    for options in ({"only": stage.other.address}, {"min_stake": 51 * ETHER}):
        request = stage.ask(**options)
        stage.settle_down(stage.executor())
        assert stage.request(request).status is RequestStatus.OPEN


def test_a_corrupt_model_is_refused_before_anything_is_accepted(stage: Stage, tmp_path: Path) -> None:
    folder = model_folder.publish(stage.model, tmp_path / "own")
    weights = folder / model_folder.WEIGHTS_FILE
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    request = stage.ask()
    executor = stage.executor(models=folder.parent)
    with capture_logs() as logs:
        stage.settle_down(executor)
    (refused,) = [e for e in logs if e["event"] == "model_refused"]
    assert "fetch the model again" in refused["reason"]
    assert stage.request(request).status is RequestStatus.OPEN
    assert stage.account(stage.executor_client).locked == 0
    weights.write_bytes(sound)
    stage.settle_down(executor)
    assert stage.claims_of(request), "fetched again, it is served"


def test_an_answer_is_read_with_the_time_that_is_left_to_dispute_it(stage: Stage) -> None:
    def line(id: bytes) -> str:
        said = requester.read(stage.requester, Shelf(stage.models), id.hex())
        return next(line for line in said if line.startswith("not final"))

    id = stage.ask()
    executor = stage.executor(liar(0), LyingDefender)
    stage.settle_down(executor)
    left = f"{stage.claims_of(id)[0].window_end - stage.look().timestamp:,} s"
    assert re.fullmatch(rf"not final: may be disputed until \S+\+00:00, in {left}; no dispute running", line(id))
    stage.pass_time(PARAMETERS.window - 60)
    stage.settle_down(stage.watcher(), until=lambda: bool(stage.disputes_of(id)))
    assert line(id).endswith("; 1 dispute running")
    stage.pass_time(60)
    assert line(id) == "not final yet, though its window is over: 1 dispute running"
    other = stage.ask(seed=1)
    stage.settle_down(stage.executor(), until=lambda: bool(stage.claims_of(other)))
    stage.pass_time(PARAMETERS.window + 1)
    assert line(other) == "not final yet, though its window is over: its executor is to finalise it"
