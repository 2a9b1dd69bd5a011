"""Watchers that are wrong, ignorant or poor: none hurts an honest executor, each says what is the matter."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from contracts import calls
from contracts.errors import WrongSetup
from contracts.shelf import input_arrays
from contracts.snapshot import ClaimStatus, ClaimView, DisputeStatus, Reason, RequestView
from executor.service import ExecutorService
from prover import model_folder
from prover.game.adversaries import LyingDefender, MistakenChallenger, SilentDefender
from prover.game.position import Phase
from prover.model_folder import Model
from tests.agents.stage import ETHER, FEE, PARAMETERS, Stage, interpret, liar
from watcher.actions import Postpone
from watcher.chronicle import REPEAT, Chronicle
from watcher.service import WatcherService
from watcher.verdict import Refuted, TwoBackends, Verdict, WatcherAtFault


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def mistaken(claim: ClaimView, request: RequestView, model: Model) -> Verdict:
    """A judge that takes its own, wrong run for the truth and confirms nothing."""
    return Refuted(liar(1)(model, input_arrays(model.program, request.inputs)))


def test_a_mistaken_challenger_loses_its_bond_to_the_executor(stage: Stage) -> None:
    executor, watcher = stage.executor(), stage.watcher(mistaken, MistakenChallenger)
    request = stage.ask()
    stage.settle_down(executor, watcher)
    (dispute,) = stage.disputes_of(request)
    assert dispute.position.phase is Phase.STEP, "as far as it can get: the contract agrees with the executor"
    before = stage.chain.balance(stage.executor_client.address)
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(executor, watcher)
    (dispute,) = stage.disputes_of(request)
    assert (dispute.status, dispute.reason) == (DisputeStatus.LOST, Reason.TIMEOUT)
    assert stage.look().claims[dispute.claim].status is ClaimStatus.FINAL
    assert stage.account(stage.watcher_client).stake == 10 * ETHER - PARAMETERS.challenger_bond
    gained = stage.chain.balance(stage.executor_client.address) - before
    assert FEE + PARAMETERS.challenger_bond - ETHER // 100 < gained < FEE + PARAMETERS.challenger_bond


def test_a_refused_step_costs_gas_once_and_is_said_once(stage: Stage) -> None:
    stage.ask()
    watcher = stage.watcher(mistaken, MistakenChallenger)
    with capture_logs() as logs:
        stage.settle_down(stage.executor(), watcher)
        balance = stage.account(stage.watcher_client).balance
        for _ in range(5):
            stage.pass_time(60)
            watcher.round()
    refused = [e for e in logs if e["event"] == "action_refused"]
    assert [e["action"] for e in refused] == ["reply"]
    assert refused[0]["reason"].startswith("StepAgrees")
    assert stage.account(stage.watcher_client).balance == balance, "from then on it is only simulated"


def test_an_honest_challenger_with_a_wrong_machine_doubts_before_the_step(stage: Stage) -> None:
    """Both backends wrong in the same way: the scalar specification sees it at the element in dispute."""
    request = stage.ask()
    with capture_logs() as logs:
        stage.settle_down(stage.executor(), stage.watcher(TwoBackends(liar(1), liar(1))))
    assert [e["walk_level"] for e in logs if e["event"] == "dispute_doubted"] == ["step"]
    assert stage.disputes_of(request)[0].position.phase is Phase.STEP
    assert "action_refused" not in {e["event"] for e in logs}


@pytest.mark.parametrize(
    "judge",
    [TwoBackends(interpret, liar(0)), TwoBackends(liar(0), interpret), TwoBackends(liar(1, 1), liar(1, 1))],
    ids=["the second differs", "the first differs", "the scalar specification differs"],
)
def test_a_watcher_that_contradicts_itself_stops_and_challenges_nothing(stage: Stage, judge: TwoBackends) -> None:
    request = stage.ask()
    stage.settle_down(stage.executor(liar(2), LyingDefender))
    with pytest.raises(WatcherAtFault, match="nothing is challenged"):
        stage.settle_down(stage.watcher(judge))
    assert stage.claims_of(request)
    assert not stage.disputes_of(request)


def test_a_watcher_without_the_model_does_not_challenge_until_it_has_it(stage: Stage, tmp_path: Path) -> None:
    request = stage.ask()
    models = tmp_path / "the watcher's own"
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher(models=models)
    with capture_logs() as logs:
        stage.settle_down(executor, watcher)
    assert [e["event"] for e in logs].count("claim_unknown") == 1, "said once"
    assert not stage.disputes_of(request)
    model_folder.publish(stage.model, models)
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP


def test_a_model_that_arrived_half_is_looked_at_again_when_it_is_whole(stage: Stage, tmp_path: Path) -> None:
    request = stage.ask()
    models = tmp_path / "the watcher's own"
    (folder := models / stage.model.id.hex()).mkdir(parents=True)
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher(models=models)
    stage.settle_down(executor, watcher)
    assert not stage.disputes_of(request)
    folder.rmdir()
    model_folder.publish(stage.model, models)
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP


def test_a_watcher_whose_stake_is_bound_says_so_and_challenges_once_funded(stage: Stage) -> None:
    executor, watcher = stage.executor(liar(1), SilentDefender), stage.watcher(stake=PARAMETERS.challenger_bond)
    first, second = stage.ask(1), stage.ask(2)
    with capture_logs() as logs:
        stage.settle_down(executor, watcher)
    said = [e for e in logs if e["event"] == "challenge_not_funded"]
    assert [e["lacking_stake"] for e in said] == ["1 eth"]
    assert len(stage.disputes_of(first)) + len(stage.disputes_of(second)) == 1
    stage.watcher_client.transact(calls.deposit(PARAMETERS.challenger_bond))
    stage.settle_down(executor, watcher)
    assert len(stage.disputes_of(first)) + len(stage.disputes_of(second)) == 2


def test_a_lack_of_money_is_said_once_an_hour_or_when_it_is_another() -> None:
    claim, other = bytes([1]) * 32, bytes([2]) * 32
    said = [
        (Postpone(claim, 5, 0), 0),
        (Postpone(claim, 4, 0), 10),
        (Postpone(claim, 4, 7), 20),
        (Postpone(claim, 3, 8), 30),
        (Postpone(other, 3, 8), 40),
        (Postpone(claim, 3, 9), 20 + REPEAT - 1),
        (Postpone(claim, 2, 9), 20 + REPEAT),
    ]
    with capture_logs() as logs:
        chronicle = Chronicle("me", structlog.get_logger())
        for action, now in said:
            chronicle.say(action, now)
    assert [e["lacking_stake"] for e in logs] == ["5 wei", "4 wei", "3 wei", "2 wei"]


def test_a_watcher_that_wins_challenges_with_the_same_bond_again(stage: Stage) -> None:
    requests = [stage.ask(seed) for seed in range(3)]
    stage.settle_down(stage.executor(liar(1), LyingDefender), stage.watcher(stake=PARAMETERS.challenger_bond))
    assert [stage.disputes_of(request)[0].reason for request in requests] == [Reason.STEP] * 3


def test_less_than_one_bond_is_no_stake(stage: Stage) -> None:
    with pytest.raises(WrongSetup, match=r"0\.5 eth is too little.* 1 eth; give --stake 1eth or more"):
        stage.watcher(stake=ETHER // 2)


def test_less_than_one_executors_stake_is_none_either(stage: Stage) -> None:
    with pytest.raises(WrongSetup, match=r"9 eth is too little.* 10 eth; give --stake 10eth or more"):
        stage.executor(stake=9 * ETHER)


def spoil(folder: Path) -> None:
    """What a half-finished copy of another version leaves."""
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"?")


def test_a_model_folder_that_changes_under_a_running_agent_costs_no_game(stage: Stage, tmp_path: Path) -> None:
    """What was checked is in memory."""
    request = stage.ask()
    folders = [model_folder.publish(stage.model, tmp_path / name) for name in ("executor", "watcher")]
    executor = stage.executor(liar(0), LyingDefender, models=folders[0].parent)
    watcher = stage.watcher(models=folders[1].parent)
    stage.settle_down(executor, watcher, until=lambda: bool(stage.disputes_of(request)))
    for folder in folders:
        spoil(folder)
    with capture_logs() as logs:
        stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP
    assert [e["event"] for e in logs if e["log_level"] == "error"] == ["claim_fallen", "dispute_lost"], "the liar's"


@pytest.mark.parametrize("role", ["executor", "watcher"])
def test_an_agent_restarted_on_a_spoilt_model_folder_plays_when_it_is_whole(
    stage: Stage, tmp_path: Path, role: str
) -> None:
    """The watcher against a liar, the executor against a mistaken watcher; until then its clock runs."""
    request, folder = stage.ask(), model_folder.publish(stage.model, tmp_path / role)
    whole = {file: file.read_bytes() for file in folder.iterdir()}

    def agents() -> list[ExecutorService | WatcherService]:
        if role == "watcher":
            return [stage.executor(liar(0), LyingDefender), stage.watcher(models=folder.parent)]
        return [stage.executor(models=folder.parent), stage.watcher(mistaken, MistakenChallenger)]

    stage.settle_down(*agents(), until=lambda: bool(stage.disputes_of(request)))
    spoil(folder)
    later = agents()
    with capture_logs() as logs:
        stage.settle_down(*later)
    assert {"executor": "model_refused", "watcher": "claim_unknown"}[role] in {e["event"] for e in logs}
    assert stage.disputes_of(request)[0].status is DisputeStatus.ACTIVE
    for file, content in whole.items():
        file.write_bytes(content)
    stage.settle_down(*later)
    stage.pass_time(PARAMETERS.clock)
    stage.settle_down(*later)
    won = {"executor": DisputeStatus.LOST, "watcher": DisputeStatus.WON}[role]
    assert stage.disputes_of(request)[0].status is won
