"""Dishonest and mistaken challengers, friends of liars, and whoever moves at the wrong time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from contracts import calls
from contracts.client import Client
from contracts.shelf import Run, input_arrays
from contracts.snapshot import ClaimStatus, ClaimView, DisputeStatus, DisputeView, RequestStatus, RequestView
from deploy.economics import payouts
from deploy.testkit.adversary import Played, adversary
from deploy.testkit.books import Books
from deploy.testkit.executors import LONG_SUM
from deploy.testkit.models import interpret, liar
from deploy.testkit.participant import Conduct, Participant
from deploy.testkit.stage import PARAMETERS, Stage, Steps
from executor.service import ExecutorService
from prover.game.adversaries import LyingDefender, MistakenChallenger, ReplacedOutput, WanderingChallenger
from prover.game.players import Challenger
from prover.game.position import Party, Side
from prover.model_folder import Model
from prover.trace import Array, Execution
from watcher.service import WatcherService
from watcher.verdict import Judge, Refuted, TwoBackends, Verdict

BOND = PARAMETERS.challenger_bond


def mistaken(run: Run) -> Judge:
    """A judge that takes its own run for the truth and confirms nothing."""

    def judge(claim: ClaimView, request: RequestView, model: Model) -> Verdict:
        return Refuted(run(model, input_arrays(model.program, request.inputs)))

    return judge


class Few:
    """An agent that has only so many rounds."""

    def __init__(self, agent: Steps, rounds: int) -> None:
        self._agent = agent
        self._left = rounds

    def round(self) -> bool:
        self._left -= 1
        return self._left >= 0 and self._agent.round()


def withstood(stage: Stage, *challengers: Client, enter: Callable[[Client], Sequence[Steps]]) -> Played:
    """The adversaries dispute an honest answer, which becomes final all the same; all their disputes are lost."""
    executor, watcher = stage.executor(), stage.watcher()
    request = stage.answered(executor, watcher)
    agents = [agent for client in challengers for agent in enter(client)]
    stage.play(*agents, executor, watcher)
    (claim,) = stage.claims_of(request)
    assert claim.status is ClaimStatus.FINAL
    disputes = stage.disputes_of(request)
    assert {d.challenger for d in disputes} == {client.address for client in challengers}
    assert {d.status for d in disputes} == {DisputeStatus.LOST}
    return Played(challengers, stage.honest)


def _watcher(
    stage: Stage, client: Client, judge: Judge, challenge: Callable[[Execution], Challenger]
) -> WatcherService:
    return stage.watcher(judge, challenge, client=client, stake=BOND)


@adversary("mistaken-watcher", "its machine computes wrongly, and it confirms nothing before it disputes")
def _mistaken(stage: Stage) -> Played:
    return withstood(
        stage, stage.other, enter=lambda client: [_watcher(stage, client, mistaken(liar(1)), MistakenChallenger)]
    )


@adversary("watcher-with-a-wrong-machine", "both of its backends compute wrongly, in the same way")
def _wrong_machine(stage: Stage) -> Played:
    twice = TwoBackends(liar(1), liar(1))
    return withstood(stage, stage.other, enter=lambda client: [_watcher(stage, client, twice, Challenger)])


@adversary("spam", "many accounts dispute an honest answer and pick anywhere")
def _spam(stage: Stage) -> Played:
    rng = random.Random(5)

    def enter(client: Client) -> Sequence[Steps]:
        wander = partial(WanderingChallenger, choose=rng.randrange)
        return [_watcher(stage, client, mistaken(liar(1)), wander)]

    return withstood(stage, *stage.clients[4:7], enter=enter)


@adversary("stalling-challenger", "disputes an honest answer and lets its clock run out")
def _stall(stage: Stage) -> Played:
    return withstood(
        stage,
        stage.other,
        enter=lambda client: [Few(_watcher(stage, client, mistaken(liar(1)), MistakenChallenger), 2)],
    )


@adversary("abandoned-dispute", "plays half of a dispute over an honest answer, and leaves")
def _abandon(stage: Stage) -> Played:
    return withstood(
        stage,
        stage.other,
        enter=lambda client: [Few(_watcher(stage, client, mistaken(liar(1)), MistakenChallenger), 5)],
    )


# Beside an honest challenger


class Copycat:
    """Sends each transaction of another account first, in its own name: it reads the mempool and pays more."""

    def __init__(self, stage: Stage, client: Client, victim: str) -> None:
        self._stage = stage
        self._client = client
        self._victim = victim
        self.taken: list[bool] = []
        """Of each copy, whether the contract took it."""

    def __call__(self, transaction: bytes) -> None:
        """Hear of a signed transaction before it is mined."""
        heard = _Overheard.read(transaction)
        if heard.sender != self._victim:
            return
        chain, signer = self._stage.commanded.chain, self._client.signer
        refute, data = self._client.deployment.refute, self.altered(heard.data)
        self.taken.append(chain.transact(signer, refute, data, value=heard.value, gas=3_000_000).succeeded)

    def altered(self, data: bytes) -> bytes:
        """What it sends instead of calldata that it has heard: the same."""
        return data


@dataclass(frozen=True)
class _Overheard:
    sender: str
    data: bytes
    value: int

    @classmethod
    def read(cls, signed: bytes) -> Self:
        fields = TypedTransaction.from_bytes(HexBytes(signed)).as_dict()
        return cls(Account.recover_transaction(signed), bytes(fields["data"]), int(fields["value"]))


@adversary("copycat", "copies an honest challenger's transactions from the mempool, and is mined before it")
def _copycat(stage: Stage) -> Played:
    books, thief = Books(stage), stage.other
    copycat = Copycat(stage, thief, stage.watcher_client.address)
    stage.listeners.append(copycat)
    request = stage.ask()
    played = stage.executor(LONG_SUM, LyingDefender, client=stage.another, stake=PARAMETERS.executor_stake)
    watcher = stage.watcher()
    stage.settle_down(
        played, watcher, until=lambda: DisputeStatus.WON in {d.status for d in stage.disputes_of(request)}
    )
    stage.listeners.remove(copycat)
    (claim,) = stage.claims_of(request)
    by = {d.challenger: d for d in stage.disputes_of(request)}
    assert by[stage.watcher_client.address].status is DisputeStatus.WON
    assert by[thief.address].status is DisputeStatus.ACTIVE, "the copied challenge is a dispute of its own"
    assert copycat.taken.count(False) > 3, "moves are not: each names the dispute and position that it answers"
    thief.transact(calls.settle(Party(claim.id, thief.address)))
    stage.play(played, watcher, stage.executor())
    return Played((thief,), stage.honest, loses=False, allowed=books.gas(thief))


@adversary("self-insurance", "claims a lie, and a friend of the liar wins the dispute over it before anyone else")
def _insured(stage: Stage) -> Played:
    def run(model: Model, inputs: Sequence[Array]) -> Execution:
        honest = interpret(model, inputs)
        return ReplacedOutput(honest, tuple(np.add(output, 1) for output in honest.outputs))

    cheat = stage.executor(run, client=stage.other, stake=PARAMETERS.executor_stake)
    request = stage.answered(cheat)
    friend = stage.watcher(client=stage.another, stake=BOND)
    stage.play(friend, cheat)
    (claim,) = stage.claims_of(request)
    assert claim.status is ClaimStatus.FALLEN
    stage.play(stage.watcher(), stage.executor())
    burned = payouts.burned(PARAMETERS.executor_stake, PARAMETERS.burn_share)
    assert int(stage.requester.view("burned")) == burned, "what is burned deters, whoever is paid the rest"
    return Played((stage.other, stage.another), stage.honest)


# At the wrong time


class Late:
    """A liar's agent that makes each move of a dispute `before` seconds before its deadline."""

    def __init__(self, stage: Stage, agent: ExecutorService, before: int) -> None:
        self._stage = stage
        self._agent = agent
        self._before = before

    def round(self) -> bool:
        due = [d.deadline for d in self._stage.look().running_disputes() if d.side is Side.EXECUTOR]
        if due and (at := min(due) - self._before) > self._stage.commanded.now:
            self._stage.commanded.set_next_time(at)
        return self._agent.round()


def _late(stage: Stage, before: int) -> tuple[Played, DisputeView]:
    cheat = stage.executor(LONG_SUM, LyingDefender, client=stage.other, stake=PARAMETERS.executor_stake)
    request = stage.answered(cheat)
    stage.play(Late(stage, cheat, before), stage.watcher(), stage.executor())
    dispute = next(d for d in stage.disputes_of(request))
    assert dispute.status is DisputeStatus.WON
    assert stage.request(request).status is RequestStatus.FINAL
    return Played((stage.other,), stage.honest), dispute


@adversary("move-in-the-last-second", "makes its first moves a second before its clock runs out")
def _last_second(stage: Stage) -> Played:
    played, dispute = _late(stage, 1)
    assert dispute.history, "what comes in time counts"
    return played


@adversary("move-at-the-deadline", "moves in the second in which its clock has run out")
def _at_deadline(stage: Stage) -> Played:
    played, _ = _late(stage, 0)
    return played


@adversary("move-after-the-deadline", "moves after its clock has run out, before anyone has said so")
def _after_deadline(stage: Stage) -> Played:
    played, _ = _late(stage, -1)
    return played


# Contracts as participants


def _contract(stage: Stage, conduct: Conduct) -> Played:
    """A contract disputes an honest answer, and misbehaves when what is left of its stake is paid to it."""
    executor, watcher = stage.executor(), stage.watcher()
    request = stage.answered(executor)
    (claim,) = stage.claims_of(request)
    contract = Participant(stage.chain, stage.deployment, stage.other.signer, conduct)
    stage.partners.append(contract.address)
    assert contract.act(calls.deposit(2 * BOND))
    assert contract.act(calls.challenge(claim.id, stage.model.program, claim.trace_root))
    stage.play(executor, watcher)
    assert contract.act(calls.start_withdrawal(BOND))
    stage.pass_time(PARAMETERS.withdrawal_delay)
    assert not contract.act(calls.withdraw()), "a payment that fails leaves the stake where it is"
    (claim,) = stage.claims_of(request)
    assert claim.status is ClaimStatus.FINAL
    return Played((stage.other,), stage.honest)


for _conduct, _does in (
    (Conduct.REFUSES, "reverts"),
    (Conduct.BURNS_GAS, "burns all gas"),
    (Conduct.RE_ENTERS, "re-enters the protocol"),
):

    @adversary(
        f"contract-that-{_conduct.name.lower().replace('_', '-')}", f"takes part as a contract, and {_does} when paid"
    )
    def _participant(stage: Stage, conduct: Conduct = _conduct) -> Played:
        return _contract(stage, conduct)
