"""The loop around an agent: it waits out a chain that is gone and an account that is dry, and stops for all else."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from eth_account import Account
from structlog.testing import capture_logs

from contracts import agent
from contracts.chain import Chain
from contracts.client import Client
from contracts.errors import NotFunded
from contracts.provider import DEVNET_KEYS
from contracts.shelf import Shelf
from contracts.signers import Signer
from contracts.snapshot import RequestStatus
from executor.policy import Policy
from executor.service import ExecutorService
from prover.errors import RefuteError
from prover.game.adversaries import LyingDefender
from tests.agents.stage import ETHER, PARAMETERS, Faltering, Stage, interpret, liar
from watcher.verdict import TwoBackends, WatcherAtFault


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


class UntilClaimed(ExecutorService):
    """An executor that runs models in the background, and has finished when it has posted a claim."""

    def __init__(self, stage: Stage, client: Client) -> None:
        super().__init__(client, Shelf(stage.models), interpret, Policy(PARAMETERS.executor_stake), interval=0.01)
        self.stage = stage

    def finished(self) -> bool:
        return bool(self.stage.look().claims)


def run(service: agent.Agent) -> list[str]:
    """Run an agent until it has finished; the events it logged."""

    async def serve() -> None:
        await asyncio.wait_for(agent.run(service, asyncio.Event()), timeout=30)

    with capture_logs() as logs:
        asyncio.run(serve())
    return [entry["event"] for entry in logs]


def pay(stage: Stage, to: str, amount: int, payer: Signer | None = None) -> None:
    rich = payer or Account.from_key(DEVNET_KEYS[9])
    stage.chain.transact(rich, to, b"", value=amount, gas=0)


def test_what_takes_long_runs_beside_the_rounds(stage: Stage) -> None:
    stage.ask()
    events = run(UntilClaimed(stage, stage.executor_client))
    assert [e for e in events if e in ("stake_deposited", "request_accepted", "model_run", "claim_posted")] == [
        "stake_deposited",
        "request_accepted",
        "model_run",
        "claim_posted",
    ]


@pytest.mark.parametrize("good", [3, 10, 16])
def test_a_chain_that_is_gone_for_a_while_is_waited_for(stage: Stage, good: int) -> None:
    stage.ask()
    provider = Faltering(stage.devnet)
    service = UntilClaimed(stage, Client(Chain(provider), stage.deployment, Account.from_key(DEVNET_KEYS[2])))
    provider.good = good
    events = run(service)
    assert events.count("chain_unavailable") == 1
    assert events.count("back_at_work") == 1
    assert len(stage.look().claims) == 1


def test_an_account_that_runs_dry_at_work_is_waited_for(stage: Stage) -> None:
    stage.ask()
    poor = Account.create()
    pay(stage, poor.address, PARAMETERS.executor_stake + ETHER)

    class Rescued(UntilClaimed):
        dry = False

        def round(self) -> bool:
            busy, balance = super().round(), stage.chain.balance(poor.address)
            if not self.dry and any(r.executor for r in stage.look().requests.values()):
                self.dry = True
                pay(stage, stage.other.address, balance - 10**15, poor)  # its operator had other plans
            elif self.dry and not busy and not self._workshop.jobs.waiting and balance < ETHER // 2:
                pay(stage, poor.address, ETHER)
            return busy

    events = run(Rescued(stage, Client(stage.chain, stage.deployment, poor)))
    assert events.index("request_accepted") < events.index("action_not_funded") < events.index("claim_posted")


def test_what_could_not_be_defended_to_the_end_is_not_accepted(stage: Stage) -> None:
    """A stake is not risked where moves cannot be paid for."""
    request = stage.ask()
    poor = Account.create()
    pay(stage, poor.address, PARAMETERS.executor_stake + 5 * 10**15)
    executor = stage.executor(client=Client(stage.chain, stage.deployment, poor), stake=PARAMETERS.executor_stake)
    with capture_logs() as logs:
        stage.settle_down(executor)
        assert stage.request(request).status is RequestStatus.OPEN
        pay(stage, poor.address, ETHER)
        stage.settle_down(executor)
    assert [e["event"] for e in logs].count("defence_not_funded") == 1
    assert stage.request(request).status is RequestStatus.CLAIMED


def test_an_account_that_cannot_pay_at_the_start_is_a_mistake_of_its_operator(stage: Stage) -> None:
    with pytest.raises(NotFunded, match="has 0 eth; 10 eth are needed"):
        run(UntilClaimed(stage, Client(stage.chain, stage.deployment, Account.create())))


def test_a_job_that_ends_after_its_agent_disturbs_nobody(stage: Stage) -> None:
    service = UntilClaimed(stage, stage.executor_client)
    stage.ask()
    run(service)
    service._workshop.jobs.wake()  # the event loop it would have woken is closed


def test_an_agent_at_fault_ends(stage: Stage) -> None:
    stage.ask()
    stage.settle_down(stage.executor(liar(1), LyingDefender))
    with pytest.raises(WatcherAtFault):
        run(stage.watcher(TwoBackends(interpret, liar(0))))


def test_an_error_in_the_background_ends_the_agent_too() -> None:
    def fail() -> None:
        raise RefuteError("out of tune")

    jobs: agent.Jobs[str, None] = agent.Jobs()
    woken = threading.Event()
    jobs.wake = woken.set
    assert jobs.start("a", fail)
    assert woken.wait(10)
    with pytest.raises(RefuteError, match="out of tune"):
        jobs.collect()
    assert jobs.start("a", fail), "it may be tried again"
