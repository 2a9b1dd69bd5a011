"""A chain with the protocol on it and agents that are stepped round by round: what tests of agents are played on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from eth_account import Account
from web3.types import TxData, TxReceipt

from contracts import calls
from contracts.client import Client
from contracts.deployment import DEVNET_PARAMETERS, Deployment, deploy
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS
from contracts.sender import LONGEST_REST
from contracts.service.feed import Feed
from contracts.service.store import Store
from contracts.shelf import Run, Shelf
from contracts.snapshot import AccountView, ClaimStatus, ClaimView, DisputeView, RequestStatus, RequestView, Snapshot
from deploy.testkit.chains import CommandedChain, Listener
from deploy.testkit.models import deep_model, interpret
from executor.policy import Policy as ExecutorPolicy
from executor.service import ExecutorService
from executor.workshop import Defend
from prover import model_folder
from prover.game.players import Challenger, Defender
from prover.model_folder import Model
from prover.trace import NUMPY_DTYPES, Array
from watcher.bench import Challenge
from watcher.policy import Policy as WatcherPolicy
from watcher.service import WatcherService
from watcher.verdict import Judge, TwoBackends

ETHER = 10**18
FEE = ETHER // 10
PARAMETERS = DEVNET_PARAMETERS


class Steps(Protocol):
    """Whatever takes part in a game."""

    def round(self) -> bool:
        """Observe, decide, act once; whether anything was done."""


class Stage:
    """A chain, the contracts, a published model, and clients for everyone.

    Args:
        chain: what it is played on.
        folder: where the model is published.
        model: what is asked for.
        deployment: of the contracts, if they are there already, with the model registered.
    """

    def __init__(
        self, chain: CommandedChain, folder: Path, model: Model | None = None, deployment: Deployment | None = None
    ) -> None:
        self.commanded = chain
        self.listeners: list[Listener] = []
        """Are told each transaction of the clients below before it is mined: what a mempool shows."""
        self.partners: list[str] = []
        """Addresses that have money in the contract besides those of the clients below."""
        self.chain = chain.overheard(self._tell)
        accounts = [Account.from_key(key) for key in DEVNET_KEYS]
        self.deployment = deployment or deploy(self.chain, accounts[0], PARAMETERS)
        self.clients = [Client(self.chain, self.deployment, account) for account in accounts]
        self.requester, self.executor_client, self.watcher_client, self.other, self.another = self.clients[1:6]
        self.honest = self.requester, self.watcher_client, self.executor_client
        """Who asks, and whose the agents are that `executor` and `watcher` make by default."""
        self.model = model or deep_model()
        self.models = folder
        if deployment is None:
            model_folder.publish(self.model, folder)
            self.requester.transact(calls.register_model(self.model.program, folder.as_uri()))
        self._observer = Observer(self.requester)

    def _tell(self, transaction: bytes) -> None:
        for listener in list(self.listeners):
            listener(transaction)

    # Agents

    def executor(
        self,
        run: Run = interpret,
        defend: Defend = Defender,
        client: Client | None = None,
        stake: int = 50 * ETHER,
        models: Path | None = None,
        confirmations: int = 0,
    ) -> ExecutorService:
        """An executor that computes in its rounds. A new one is what a restart leaves."""
        shelf, policy, account = Shelf(models or self.models), ExecutorPolicy(stake), client or self.executor_client
        return ExecutorService(account, shelf, run, policy, defend=defend, inline=True, confirmations=confirmations)

    def watcher(
        self,
        judge: Judge | None = None,
        challenge: Challenge = Challenger,
        client: Client | None = None,
        stake: int = 10 * ETHER,
        models: Path | None = None,
        store: Store | None = None,
        confirmations: int = 0,
        feed: Feed | None = None,
    ) -> WatcherService:
        """A watcher that judges in its rounds. A new one is what a restart leaves."""
        return WatcherService(
            client or self.watcher_client,
            Shelf(models or self.models),
            judge or TwoBackends(interpret, interpret),
            WatcherPolicy(stake),
            challenge=challenge,
            inline=True,
            store=store,
            confirmations=confirmations,
            feed=feed,
        )

    # What happens

    def ask(self, seed: int = 0, fee: int = FEE, **options: object) -> bytes:
        """Request an inference on random numbers; the request's id."""
        done = self.requester.transact(
            calls.request_run(self.model.program, self.inputs(seed), fee, 600, **options)  # type: ignore[arg-type]
        )
        request: bytes = done.event("Requested").arguments["request"]
        return request

    def answered(self, *agents: Steps) -> bytes:
        """Request an inference and step the agents until one of them has claimed an answer; the request's id."""
        request = self.ask()
        self.settle_down(*agents, until=lambda: bool(self.claims_of(request)))
        return request

    def inputs(self, seed: int = 0) -> list[Array]:
        """What `ask` asks about: random numbers, drawn from `seed`."""
        rng = np.random.default_rng(seed)
        specs = [(spec, NUMPY_DTYPES[spec.dtype]) for spec in self.model.program.inputs]
        return [rng.integers(spec.dtype.lo, spec.dtype.hi, spec.shape).astype(dtype) for spec, dtype in specs]

    def pass_time(self, seconds: int) -> None:
        self.chain.travel(seconds)

    def settle_down(self, *agents: Steps, until: Callable[[], bool] | None = None) -> None:
        """Step the agents in turn until none has anything to do, or `until` holds."""
        for _ in range(200):
            if until is not None and until():
                return
            busy = [agent.round() for agent in agents]  # each has its turn
            if not any(busy):
                return
        raise AssertionError("the agents do not come to rest")

    def play(self, *agents: Steps) -> None:
        """Step the agents, and let time pass from one deadline to the next, until nothing is left to do."""
        for _ in range(100):
            self.settle_down(*agents)
            snapshot = self.look()
            due = next_deadline(snapshot)
            if due is None and not self._goes_on(snapshot.timestamp, agents):
                return
            if due is not None:
                self.commanded.set_time(due)
        raise AssertionError("the game does not come to an end")

    def _goes_on(self, now: int, agents: Sequence[Steps]) -> bool:
        """Whether an agent that was refused something does something after a rest."""
        self.commanded.set_time(now + LONGEST_REST)
        busy = [agent.round() for agent in agents]  # each has its turn
        return any(busy)

    def look(self) -> Snapshot:
        return self._observer.observe()

    def request(self, id: bytes) -> RequestView:
        return self.look().requests[id]

    def claims_of(self, request: bytes) -> list[ClaimView]:
        """Every claim on a request, the first first."""
        return [c for c in self.look().claims.values() if c.request == request]

    def disputes_of(self, request: bytes) -> list[DisputeView]:
        snapshot = self.look()
        return [d for d in snapshot.disputes.values() if snapshot.claims[d.claim].request == request]

    def account(self, client: Client) -> AccountView:
        """An account's money in the contract and outside it."""
        return Observer(client, client.address).observe().account

    # The chain itself

    def sent(self, senders: Collection[str], first: int) -> Iterator[tuple[TxData, TxReceipt]]:
        """Each transaction of some accounts from block `first` on, in order, and its receipt."""
        eth = self.commanded.web3.eth
        for number in range(first, self.chain.block().number + 1):
            for transaction in eth.get_block(number, full_transactions=True)["transactions"]:
                assert not isinstance(transaction, bytes)
                if transaction["from"] in senders:
                    yield transaction, eth.get_transaction_receipt(transaction["hash"])

    def snapshot(self) -> object:
        """A point of the chain to `revert` to: what a reorganisation goes back to."""
        return self.commanded.snapshot()

    def revert(self, point: object) -> None:
        self.commanded.revert(point)


def next_deadline(snapshot: Snapshot) -> int | None:
    """The next moment from which somebody may do what could not be done before; None if there is none to come."""
    requests, claims = snapshot.requests.values(), snapshot.claims.values()
    due = [r.deadline for r in requests if r.status is RequestStatus.ACCEPTED]
    due += [c.window_end for c in claims if c.status is ClaimStatus.PENDING]
    due += [d.deadline for d in snapshot.running_disputes()]
    return min((time for time in due if time > snapshot.timestamp), default=None)
