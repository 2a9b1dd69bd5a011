"""The stage that the demo's acts play on: one chain, its contracts, its models, and the agents around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_account import Account

from contracts import calls, deployment
from contracts.abi import Event
from contracts.amounts import format_amount
from contracts.chain import Chain
from contracts.client import Client
from contracts.devnet_files import DevnetFiles
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS
from contracts.shelf import Shelf
from contracts.snapshot import ClaimView, DisputeStatus, DisputeView, RequestStatus
from deploy import devnet
from deploy.processes import Agent, Agents
from deploy.story import Story
from executor import requester
from prover import posted
from prover.errors import RefuteError
from prover.model_folder import Model
from prover.trace import NUMPY_DTYPES, Array

ETHER = 10**18
FEE = ETHER // 10
ANSWER_PERIOD = 7 * 24 * 3600
QUICK = ("--interval", "0.05")


@dataclass
class Stage:
    """What every act needs: it starts agents, asks, watches the chain, and lets time pass."""

    story: Story
    agents: Agents
    files: DevnetFiles
    url: str

    def __post_init__(self) -> None:
        self.chain = Chain.connect(self.url)
        self.deployment = deployment.load(self.files.deployment, self.chain)
        keys = dict(zip(devnet.ROLES, DEVNET_KEYS, strict=False))
        accounts = {role: Account.from_key(key) for role, key in keys.items()}
        self.addresses = {role: account.address for role, account in accounts.items()}
        self.names = {address: role for role, address in self.addresses.items()}
        self.publisher = Client(self.chain, self.deployment, accounts["deployer"])
        self.requester = Client(self.chain, self.deployment, accounts["requester"])
        self.observer = Observer(self.requester)
        self.shelf = Shelf(self.files.models)

    # Agents

    def start(self, name: str, module: str, *arguments: str) -> Agent:
        return self.agents.start(name, module, *arguments, "--chain", self.url, *QUICK)

    def start_honest(self, role: str, *arguments: str) -> Agent:
        """The executor or the watcher, as an operator starts it."""
        files = ("--deployment", str(self.files.deployment), "--models", str(self.files.models))
        return self.start(role, f"{role}.cli", *arguments, *files, "--key", str(self.files.keys))

    def start_dishonest(self, lie: str, *arguments: str) -> Agent:
        own = ("--lie", lie, "--directory", str(self.files.directory))
        return self.start(f"dishonest-{lie}", "deploy.dishonest", *own, *arguments)

    # The chain

    def register(self, folder: Path) -> Model:
        """Register a published model, as `refute register` does."""
        model = self.shelf.get(bytes.fromhex(folder.name))
        self.publisher.transact(calls.register_model(model.program, folder.resolve().as_uri()))
        return model

    def ask(self, model: Model, given: str | Path) -> bytes:
        """Post a request, as `executor request` does; its id."""
        return requester.ask(self.requester, self.shelf, model.id.hex(), [given], FEE, ANSWER_PERIOD)

    def claim_of(self, request: bytes) -> ClaimView:
        """The claim that answers a request, once there is one."""

        def look() -> ClaimView | None:
            snapshot = self.observer.observe()
            held = snapshot.requests[request].claim
            return snapshot.claims[held] if held is not None else None

        return self.story.wait("a claim", look, self.agents.require_running)

    def disputes_of(self, request: bytes) -> list[DisputeView]:
        snapshot = self.observer.observe()
        return [d for d in snapshot.disputes.values() if snapshot.claims[d.claim].request == request]

    def dispute_of(self, request: bytes, *statuses: DisputeStatus) -> DisputeView:
        """The dispute over a request's claim, once it has one of the statuses."""

        def look() -> DisputeView | None:
            return next((d for d in self.disputes_of(request) if d.status in statuses), None)

        return self.story.wait("a dispute", look, self.agents.require_running)

    def wait_final(self, request: bytes) -> None:
        def final() -> bool | None:
            return self.observer.observe().requests[request].status is RequestStatus.FINAL or None

        self.story.wait("a final result", final, self.agents.require_running)

    def pass_time(self, seconds: int) -> None:
        self.chain.travel(seconds)

    def next_block(self) -> int:
        """The number of the block that comes next: what happens from now on is in it or later."""
        return self.chain.block().number + 1

    def events(self, first_block: int) -> list[Event]:
        """Events since a block."""
        logs = self.chain.logs(self.deployment.refute, first_block, self.chain.block().number)
        return [event for event in map(self.requester.decode, logs) if event is not None]

    def credited(self, role: str, first_block: int) -> int:
        """Wei that an account was credited since a block."""
        paid = [e.arguments for e in self.events(first_block) if e.name == "Credited"]
        return sum(a["amount"] for a in paid if a["account"] == self.addresses[role])

    # Answers

    def settle(self, requests: Sequence[bytes]) -> None:
        """Wait for claims on the requests, let the window pass, and see that they are final and paid for."""
        first_block = self.next_block()
        for request in requests:
            self.claim_of(request)
        self.pass_time(self.deployment.parameters.window)
        for request in requests:
            self.wait_final(request)
        fees = self.credited("executor", first_block)
        self.story.check(f"the executor was paid {format_amount(fees)} in fees", fees == FEE * len(requests))

    def outputs(self, request: bytes, model: Model) -> list[Array]:
        """The outputs of a final result, their bytes checked against the commitment that the contract holds."""
        commitment = self.requester.view("resultOf", request)[-1]
        snapshot = self.observer.observe()
        claim = snapshot.requests[request].claim
        if claim is None:
            raise RefuteError("the request has no answer")
        held = snapshot.claims[claim].outputs
        if posted.commitment(held) != commitment:
            raise RefuteError("the outputs in the chain's log do not hash to the contract's commitment")
        specs = model.program.outputs
        return [
            np.frombuffer(data, NUMPY_DTYPES[spec.dtype]).reshape(spec.shape)
            for data, spec in zip(held, specs, strict=True)
        ]
