"""What matters is on the chain: agents are replaced at any moment, and the chain itself goes back, and nobody loses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.errors import ChainUnavailable
from contracts.observer import Observer
from contracts.snapshot import DisputeStatus, Reason, RequestStatus, Snapshot
from executor.service import ExecutorService
from prover.game.adversaries import LyingDefender, MistakenChallenger
from prover.game.position import Phase
from tests.agents.stage import ETHER, PARAMETERS, Faltering, Stage, liar
from tests.agents.test_mistakes import mistaken
from watcher.service import WatcherService

Service = ExecutorService | WatcherService


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


class Restarted:
    """An agent that is replaced by a new one after every transaction of its own."""

    def __init__(self, stage: Stage, make: Callable[[], Service]) -> None:
        self._stage, self._make = stage, make
        self._agent = make()
        self.restarts = 0

    def round(self) -> bool:
        before = self._stage.chain.block()
        busy = self._agent.round()
        if self._stage.chain.block() != before:
            self._agent = self._make()
            self.restarts += 1
        return busy


def test_a_watcher_restarted_after_every_move_wins(stage: Stage) -> None:
    watcher = Restarted(stage, stage.watcher)
    request = stage.ask()
    stage.settle_down(stage.executor(liar(0), LyingDefender), watcher)
    (dispute,) = stage.disputes_of(request)
    assert (dispute.status, dispute.reason) == (DisputeStatus.WON, Reason.STEP)
    assert watcher.restarts >= 5, "deposit, challenge, element, terms, step"


def test_an_executor_restarted_after_every_move_wins(stage: Stage) -> None:
    executor = Restarted(stage, stage.executor)
    request = stage.ask()
    watcher = stage.watcher(mistaken, MistakenChallenger)
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].position.phase is Phase.STEP
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(executor, watcher)
    assert stage.request(request).status is RequestStatus.FINAL
    assert executor.restarts >= 7, "deposit, accept, claim, layer, chunk, expiry and end"


def test_both_are_restarted_by_turns(stage: Stage) -> None:
    request = stage.ask()
    liars = Restarted(stage, lambda: stage.executor(liar(0), LyingDefender))
    stage.settle_down(liars, Restarted(stage, stage.watcher))
    assert stage.disputes_of(request)[0].reason is Reason.STEP


def test_a_watcher_that_cannot_pay_its_stake_again_still_plays_its_disputes(stage: Stage) -> None:
    """It lost a bond elsewhere and has spent its ether: a restart must not cost it the dispute it is in."""
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher(stake=2 * ETHER)
    request = stage.ask()
    stage.settle_down(executor, watcher, until=lambda: bool(stage.disputes_of(request)))
    stage.watcher_client.transact(calls.start_withdrawal(ETHER))
    stage.settle_down(executor, stage.watcher(stake=2_000_000 * ETHER), until=lambda: _over(stage, request))
    assert stage.disputes_of(request)[0].reason is Reason.STEP


def _over(stage: Stage, request: bytes) -> bool:
    return stage.disputes_of(request)[0].status is not DisputeStatus.ACTIVE


# The chain goes back


def fresh(stage: Stage) -> Snapshot:
    """What an observer sees that never saw anything else."""
    return Observer(stage.requester).observe()


def test_an_observer_follows_the_chain_back(stage: Stage) -> None:
    request = stage.ask()
    point = stage.snapshot()
    stage.requester.transact(calls.cancel(request))
    assert stage.request(request).status is RequestStatus.ENDED
    stage.revert(point)
    assert stage.request(request).status is RequestStatus.OPEN
    assert stage.look() == fresh(stage)


def test_an_observer_sees_another_history_of_the_same_length(stage: Stage) -> None:
    first, second = stage.ask(1), stage.ask(2)
    point = stage.snapshot()
    stage.requester.transact(calls.cancel(first))
    height = stage.look().block
    stage.revert(point)
    stage.requester.transact(calls.cancel(second))
    assert stage.look().block == height
    assert [stage.request(r).status for r in (first, second)] == [RequestStatus.OPEN, RequestStatus.ENDED]
    assert stage.look() == fresh(stage)


def test_an_observer_sees_another_history_that_is_longer(stage: Stage) -> None:
    first, second = stage.ask(1), stage.ask(2)
    point = stage.snapshot()
    stage.requester.transact(calls.cancel(first))
    stage.look()
    stage.revert(point)
    stage.requester.transact(calls.cancel(second))
    third = stage.ask(3)
    stage.pass_time(1)
    statuses = [stage.request(r).status for r in (first, second, third)]
    assert statuses == [RequestStatus.OPEN, RequestStatus.ENDED, RequestStatus.OPEN]
    assert stage.look() == fresh(stage)


@pytest.mark.parametrize("good", range(6))
def test_a_look_that_fails_half_way_spoils_nothing(stage: Stage, good: int) -> None:
    """Wherever it fails, the next look is a whole one: events and money are of the same block."""
    provider = Faltering(stage.devnet)
    client = Client(Chain(provider), stage.deployment)
    observer = Observer(client, stage.executor_client.address)
    observer.observe()
    stage.executor_client.transact(calls.deposit(ETHER))
    request = stage.ask()
    provider.good = good
    with pytest.raises(ChainUnavailable, match="the node hung up"):
        observer.observe()
    seen = observer.observe()
    assert (seen.account.free, list(seen.requests)) == (ETHER, [request])


def test_agents_start_over_when_everything_they_did_is_undone(stage: Stage) -> None:
    """Deposits, requests, claims and disputes vanish; what is asked afterwards is served, and checked."""
    point = stage.snapshot()
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher()
    stage.ask(1)
    stage.settle_down(executor, watcher, until=lambda: bool(stage.look().disputes))
    watcher.round()
    stage.revert(point)
    request = stage.ask(2)
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP
    assert stage.account(stage.watcher_client).stake == 10 * ETHER


def test_a_watcher_challenges_again_when_its_challenge_is_undone(stage: Stage) -> None:
    executor, watcher = stage.executor(liar(1), LyingDefender), stage.watcher()
    request = stage.ask()
    stage.settle_down(executor)
    stage.settle_down(watcher, until=lambda: stage.account(stage.watcher_client).stake > 0)
    point = stage.snapshot()
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP
    stage.revert(point)
    assert not stage.disputes_of(request)
    stage.settle_down(executor, watcher)
    assert stage.disputes_of(request)[0].reason is Reason.STEP
