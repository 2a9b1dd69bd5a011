"""The whole story over a real chain: honest answers, five lies caught and slashed, one mistaken challenger."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_account import Account
from rich.console import Console

from contracts import calls, deployment
from contracts.abi import Event
from contracts.amounts import format_amount
from contracts.chain import Chain
from contracts.client import Client
from contracts.devnet_files import DevnetFiles
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS
from contracts.snapshot import ClaimStatus, ClaimView, DisputeStatus, DisputeView, RequestStatus
from deploy import devnet
from deploy.processes import Agent, Agents
from deploy.story import Story
from deploy.walk_table import WalkTable, read_walk
from prover import encoding, model_folder, posted
from prover.errors import RefuteError
from prover.examples.digits_model import CompiledDigits, compile_digits
from prover.trace import NUMPY_DTYPES, tensor_bytes

ETHER = 10**18
STAKE = 10 * ETHER
FEE = ETHER // 10
ANSWER_PERIOD = 7 * 24 * 3600
HONEST_REQUESTS = 3
QUICK = ("--interval", "0.05")

LIES = {
    "activation": "one activation of a middle layer changed by one, the rest consistent",
    "output": "the posted output replaced, the trace honest",
    "smaller": "a smaller model run in place of the one asked for",
    "silence": "a trace committed, then nothing opened",
    "sums": "partial sums that add up, but lie",
}


@dataclass
class Stage:
    """The stage the story plays on: one chain, its contracts, its models, and the agents around them."""

    story: Story
    agents: Agents
    files: DevnetFiles
    url: str
    digits: CompiledDigits
    smaller: Path

    def __post_init__(self) -> None:
        self.chain = Chain.connect(self.url)
        self.deployment = deployment.load(self.files.deployment, self.chain)
        keys = dict(zip(devnet.ROLES, DEVNET_KEYS, strict=False))
        accounts = {role: Account.from_key(key) for role, key in keys.items()}
        self.addresses = {role: account.address for role, account in accounts.items()}
        self.names = {address: role for role, address in self.addresses.items()}
        self.requester = Client(self.chain, self.deployment, accounts["requester"])
        self.observer = Observer(self.requester)
        self.asked = 0

    # Agents

    def start(self, name: str, module: str, *arguments: str) -> Agent:
        return self.agents.start(name, module, *arguments, "--chain", self.url, *QUICK)

    def start_honest(self, role: str, *arguments: str) -> Agent:
        """The executor or the watcher, as an operator starts it."""
        files = ("--deployment", str(self.files.deployment), "--models", str(self.files.models))
        return self.start(role, f"{role}.cli", *arguments, *files, "--key", str(self.files.keys))

    def start_liar(self, lie: str) -> Agent:
        own = ("--lie", lie, "--directory", str(self.files.directory), "--smaller", str(self.smaller))
        return self.start(f"dishonest-{lie}", "deploy.dishonest", *own)

    # The chain

    def ask(self) -> tuple[bytes, int]:
        """Request the class of the next held-out image; the request's id and the image's number."""
        number = self.asked
        self.asked += 1
        model = self.digits.model
        inputs = [tensor_bytes(self.digits.images[number])]
        interface = encoding.encode_interface(model.program)
        done = self.requester.transact(calls.request(model.id, interface, inputs, FEE, ANSWER_PERIOD))
        request: bytes = done.event("Requested").arguments["request"]
        return request, number

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

    def pass_time(self, seconds: int) -> None:
        self.chain.travel(seconds)

    def events(self, first_block: int) -> list[Event]:
        """Events since a block."""
        logs = self.chain.logs(self.deployment.refute, first_block, self.chain.block().number)
        return [event for event in map(self.requester.decode, logs) if event is not None]

    # What happens again and again

    def settle(self, requests: dict[bytes, int]) -> None:
        """Wait for claims on the requests, let the window pass, and read the final results from the chain."""
        first_block = self.chain.block().number
        for request in requests:
            self.claim_of(request)
        self.pass_time(self.deployment.parameters.window)
        for request in requests:
            self.wait_final(request)
        paid = [e.arguments for e in self.events(first_block) if e.name == "Credited"]
        fees = sum(a["amount"] for a in paid if a["account"] == self.addresses["executor"])
        self.story.check(f"the executor was paid {format_amount(fees)} in fees", fees == FEE * len(requests))
        right = sum(self.read(request) == self.digits.labels[image] for request, image in requests.items())
        self.story.check(
            f"the requester read {len(requests)} final results from the chain, {right} of them the true digit",
            right >= len(requests) - 1,
        )

    def wait_final(self, request: bytes) -> None:
        def final() -> bool | None:
            return self.observer.observe().requests[request].status is RequestStatus.FINAL or None

        self.story.wait("a final result", final, self.agents.require_running)

    def read(self, request: bytes) -> int:
        """The digit of a final result, its bytes checked against the commitment that the contract holds."""
        _status, commitment = self.requester.view("resultOf", request)
        snapshot = self.observer.observe()
        claim = snapshot.requests[request].claim
        if claim is None:
            raise RefuteError("the request has no answer")
        outputs = snapshot.claims[claim].outputs
        if posted.commitment(outputs) != commitment:
            raise RefuteError("the outputs in the chain's log do not hash to the contract's commitment")
        spec = self.digits.model.program.outputs[0]
        return int(np.frombuffer(outputs[0], NUMPY_DTYPES[spec.dtype]).argmax())


def run(directory: Path) -> None:
    """Play the demo; write `demo.json` under `directory`; RefuteError if any part of it does not happen."""
    story = Story(Console(soft_wrap=True))
    figures = directory / "demo.json"
    figures.unlink(missing_ok=True)
    place = directory / "demo"
    try:
        with Agents(place / "logs") as agents:
            _play(story, agents, place)
    except RefuteError:
        story.finish(figures, ok=False)
        raise
    story.finish(figures, ok=True)
    story.say(f"figures in {figures}, the agents' logs in {place / 'logs'}; {story.figures['seconds']} s")
    story.say("demo: ok")


def _play(story: Story, agents: Agents, place: Path) -> None:
    files = DevnetFiles(place / "devnet")
    files.url.unlink(missing_ok=True)
    agents.start("devnet", "deploy.cli", "devnet", "--no-model", "--port", "0", "--directory", str(files.directory))
    with story.stage("A model: trained, compiled to integers, measured"):
        digits = compile_digits()
        smaller = compile_digits(smaller=True)
        story.say(digits.report)
        accuracy = {"float": digits.report.float_accuracy, "integer": digits.report.integer_accuracy}
        story.figures["accuracy"] = accuracy
        story.check("the integer model is within 0.5 points of float", digits.report.lost_points <= 0.5)
        folder = model_folder.publish(digits.model, files.models)
        hidden = model_folder.publish(smaller.model, place / "smaller")
    with story.stage("A chain: contracts deployed, the model registered"):
        url = story.wait("the devnet", files.read_url, agents.require_running)
        stage = Stage(story, agents, files, url, digits, hidden)
        stage.requester.transact(calls.register_model(digits.model.program, folder.resolve().as_uri()))
        story.say(f"chain {stage.deployment.chain} at {url}, contract {stage.deployment.refute}, model {folder.name}")
    with story.stage("An honest executor answers; a watcher agrees"):
        executor = stage.start_honest("executor")
        stage.start_honest("watcher", "--stake", "10eth")
        requests = dict(stage.ask() for _ in range(HONEST_REQUESTS))
        stage.settle(requests)
        story.check("nobody disputed them", not any(stage.disputes_of(request) for request in requests))
        agents.stop(executor)
    open_again = {}
    for lie, what in LIES.items():
        with story.stage(f"A lie: {what}"):
            request, image = _catch(stage, lie)
            open_again[request] = image
    with story.stage("The honest executor completes what the liars left"):
        executor = stage.start_honest("executor")
        stage.settle(open_again)
    with story.stage("A mistaken challenger disputes an honest claim"):
        _mistaken(stage)


def _catch(stage: Stage, lie: str) -> tuple[bytes, int]:
    """A dishonest executor answers, is caught and slashed; the request that is open again and its image."""
    story = stage.story
    liar = stage.start_liar(lie)
    first_block = stage.chain.block().number
    request, image = stage.ask()
    stage.claim_of(request)
    anything = (DisputeStatus.ACTIVE, DisputeStatus.WON, DisputeStatus.LOST)
    dispute = stage.dispute_of(request, *anything)
    begun = time.monotonic()
    if lie == "silence":
        stage.pass_time(stage.deployment.parameters.clock)
    dispute = stage.dispute_of(request, DisputeStatus.WON, DisputeStatus.LOST)
    seconds = time.monotonic() - begun
    walk = _tell(stage, lie, dispute, first_block, seconds)
    story.check(f"the watcher won, by {walk.reason.name.lower()}", walk.challenger_won)
    events = stage.events(first_block)
    slashed = [e.arguments for e in events if e.name == "Slashed"]
    lost = [(a["account"], a["amount"], a["burned"]) for a in slashed]
    expected = [(stage.addresses["dishonest"], STAKE, STAKE // 2)]
    story.check(f"the stake of {format_amount(STAKE)} was slashed, half of it burned", lost == expected)
    won = sum(
        e.arguments["amount"]
        for e in events
        if e.name == "Credited" and e.arguments["account"] == stage.addresses["watcher"]
    )
    story.check(f"the rest, {format_amount(won)}, was credited to the watcher", won == STAKE // 2)
    reopened = stage.observer.observe().requests[request].status is RequestStatus.OPEN
    story.check("the request is open again", reopened)
    stage.agents.stop(liar)
    return request, image


def _tell(stage: Stage, kind: str, dispute: DisputeView, first_block: int, seconds: float) -> WalkTable:
    """Print the walk of a dispute and keep its figures."""
    program = stage.digits.model.program
    walk = read_walk(stage.requester, dispute.id, program, stage.names, first_block)
    stage.story.say(walk.render(f"dispute {dispute.id.hex()[:8]}: {LIES.get(kind, kind)}"))
    winner = "watcher" if walk.challenger_won else "executor"
    stage.story.figures["disputes"].append(
        {
            "kind": kind,
            "winner": winner,
            "reason": walk.reason.name.lower(),
            "moves": len(walk.rows),
            "gas_total": walk.gas_total,
            "gas_step": walk.gas_step,
            "seconds": round(seconds, 3),
        }
    )
    return walk


def _mistaken(stage: Stage) -> None:
    """A challenger that computes wrongly disputes an honest claim, cannot make the step, and loses its bond."""
    story = stage.story
    challenger = stage.start(
        "mistaken", "deploy.dishonest", "--lie", "mistaken", "--directory", str(stage.files.directory)
    )
    first_block = stage.chain.block().number
    request, _image = stage.ask()
    claim = stage.claim_of(request)
    dispute = stage.dispute_of(request, DisputeStatus.ACTIVE)
    begun = time.monotonic()

    def stuck() -> bool | None:
        (current,) = stage.disputes_of(request)
        return current.position.phase.level == "step" or None

    story.wait("the walk", stuck, stage.agents.require_running)
    stage.pass_time(stage.deployment.parameters.clock)
    dispute = stage.dispute_of(request, DisputeStatus.LOST, DisputeStatus.WON)
    walk = _tell(stage, "mistaken challenger", dispute, first_block, time.monotonic() - begun)
    story.check(
        "the executor won: the step agrees with it, and the challenger's clock ran out", not walk.challenger_won
    )
    stage.pass_time(stage.deployment.parameters.window)
    stage.wait_final(request)
    events = stage.events(first_block)
    bond = stage.deployment.parameters.challenger_bond
    paid = sum(
        e.arguments["amount"]
        for e in events
        if e.name == "Credited" and e.arguments["account"] == stage.addresses["executor"]
    )
    story.check(f"the executor received the fee and the bond, {format_amount(paid)}", paid == FEE + bond)
    story.check("the claim is final", stage.observer.observe().claims[claim.id].status is ClaimStatus.FINAL)
    stage.agents.stop(challenger)
