"""Many disputes at once on one anvil, with agents that are killed, nodes that fail and a broker that stops.

Half of the claims are false: an honest watcher must win each dispute by the step, against a liar that plays to the end.
The other half are honest: their executor must win each against a watcher whose machine computes wrongly. Every agent is
a process of its own, as its operator starts it; the honest ones reach the chain only through nodes that misbehave.
Their messages go over a real mosquitto, which the liar uses, too.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Self

import numpy as np
from eth_account import Account

from contracts import calls
from contracts.batch import Done
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import deploy
from contracts.devnet_files import DevnetFiles
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS
from contracts.snapshot import DisputeStatus, DisputeView, Reason, RequestStatus, Snapshot
from deploy.anvil import AnvilProcess
from deploy.devnet import ROLES
from deploy.processes import Agents
from prover import model_folder
from prover.errors import RefuteError
from prover.game.position import Phase
from tests.agents.stage import ETHER, small_model
from tests.chaos.disturbances import BrokerStops, Disturbance, Kills, Outages, Spells, dear_gas, reorganisation
from tests.chaos.faulty_node import FaultyNode
from tests.chaos.findings import Findings, count_transactions
from tests.messages.mosquitto import Mosquitto

BLOCK_SECONDS = 1
PATIENCE = 120.0
"""Seconds without any progress after which a run is given up."""


class Chaos:
    """One run; `folder` holds the agents' files and logs, and everything that is drawn follows from `seed`.

    Args:
        every: bounds of how many transactions an honest agent sends between two of its deaths.
        spells: whether gas gets dear and the chain is reorganised, too; that takes time.
    """

    def __init__(self, disputes: int, seed: int, folder: Path, every: tuple[int, int], spells: bool) -> None:
        self._count = disputes
        self._rng = Random(seed)
        self._files = DevnetFiles(folder)
        self._every = every
        self._spells: list[Spells] = []
        self._with_spells = spells
        self._stack = ExitStack()
        self.disturbances: list[Disturbance] = []
        self._nodes: list[FaultyNode] = []
        self._kills: list[Kills] = []

    def __enter__(self) -> Self:
        with self._stack:
            self._node = self._stack.enter_context(AnvilProcess({"--chain-id": 31337}))
            self._set_up_chain()
            self._set_up_broker()
            logs = self._files.directory / "logs"
            self._adversaries = self._stack.enter_context(Agents(logs))
            self._honest_agents = self._stack.enter_context(Agents(logs))
            self._stakes = {"executor": (10 * self._count + 10) * ETHER, "watcher": (self._count + 10) * ETHER}
            self._start_agents()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    # Setting up

    def _set_up_chain(self) -> None:
        self._chain = Chain.connect(self._node.url)
        accounts = {role: Account.from_key(key) for role, key in zip(ROLES, DEVNET_KEYS, strict=False)}
        self._addresses = {role: account.address for role, account in accounts.items()}
        self._deployment = deploy(self._chain, accounts["deployer"])
        self._files.directory.mkdir(parents=True, exist_ok=True)
        self._files.keys.write_text(json.dumps(dict(zip(ROLES, DEVNET_KEYS, strict=False))))
        self._deployment.save(self._files.deployment)
        self._model = small_model()
        published = model_folder.publish(self._model, self._files.models)
        self._requester = Client(self._chain, self._deployment, accounts["requester"])
        self._requester.transact(calls.register_model(self._model.program, published.as_uri()))
        self._observer = Observer(self._requester)

    def _set_up_broker(self) -> None:
        """Beside the deployment file, where the agents look for one."""
        broker = Mosquitto(self._files.directory)
        broker.start()
        self._stack.callback(broker.stop)
        self._files.broker.write_text(broker.url)
        self.disturbances.append(BrokerStops(broker, self._drawn()))

    def _start_agents(self) -> None:
        directory = str(self._files.directory)
        lie = ("--lie", "activation", "--stake", f"{10 * self._count}eth", "--interval", "0.4")
        self._adversaries.start("liar", "deploy.dishonest", *lie, "--chain", self._node.url, "--directory", directory)
        mistake = ("--stake", str((self._count + 10) * ETHER), "--executor", self._addresses["executor"])
        where = ("--chain", self._node.url, "--directory", directory)
        self._adversaries.start("mistaken", "tests.chaos.mistaken", *mistake, *where)
        self._honest("executor", nodes=1)
        self._honest("watcher", nodes=2)
        if not self._with_spells:
            return
        self._spells = [
            Spells("dear gas", dear_gas(self._node), self._drawn(), (4, 15)),
            Spells("reorganisations", reorganisation(self._node), self._drawn(), (6, 20)),
        ]
        self.disturbances += self._spells

    def _honest(self, role: str, nodes: int) -> None:
        """An honest agent behind nodes of its own, with what is to disturb it."""
        mine = [FaultyNode(self._node.url) for _ in range(nodes)]
        for number, node in enumerate(mine, start=1):
            self._stack.callback(node.close)
            self.disturbances.append(Outages(f"the {role}'s node {number}", node, self._drawn()))
        self._nodes += mine
        arguments = {
            "--stake": str(self._stakes[role]),
            "--chain": ",".join(node.url for node in mine),
            "--deployment": self._files.deployment,
            "--models": self._files.models,
            "--key": self._files.keys,
            "--data": self._files.directory / role,
            "--interval": 0.4,
            "--log": "json",
        }
        words = [str(word) for option in arguments.items() for word in option]
        address = self._addresses[role]
        kills = Kills(
            self._honest_agents,
            role,
            f"{role}.cli",
            words,
            lambda: self._chain.nonce(address),
            self._every,
            self._drawn(),
        )
        self._kills.append(kills)
        self.disturbances.append(kills)

    def _drawn(self) -> Random:
        return Random(self._rng.randbytes(8))

    # Playing

    def play(self) -> Findings:
        """Ask, let the agents play, let their clocks run out, and count."""
        began = time.monotonic()
        self._ask()
        self._node.ask("evm_setIntervalMining", BLOCK_SECONDS)
        self._until(lambda s: self._won_by_watcher(s) and self._at_their_end(s))
        for spell in self._spells:
            spell.end()  # or the chain would go back behind the jumps of its clock
        # The clocks of those that cannot make the last step run out, and then the windows of their claims end.
        self._chain.travel(self._deployment.parameters.clock + 1)
        self._until(lambda s: all(d.status is DisputeStatus.LOST for d in self._against("executor", s)))
        self._chain.travel(self._deployment.parameters.window + 1)
        self._until(self._all_final)
        for disturbance in self.disturbances:
            disturbance.end()
        findings = self._count_up()
        findings.seconds = time.monotonic() - began
        return findings

    def _ask(self) -> None:
        numbers = np.random.default_rng(self._rng.getrandbits(32))
        wanted = []
        for number in range(self._count):
            given = [numbers.integers(-128, 127, 300).astype("<i1")]
            only = self._addresses["executor" if number % 2 else "dishonest"]
            wanted.append(calls.request_run(self._model.program, given, ETHER // 100, 24 * 3600, only=only))
        for outcome in self._requester.transact_all(wanted):
            if not isinstance(outcome, Done):
                raise outcome

    def _until(self, reached: Callable[[Snapshot], bool]) -> None:
        """Disturb until the chain is in this state; RefuteError if it stays as it is for too long."""
        moved, before = time.monotonic(), None
        while True:
            snapshot = self._observer.observe()
            if reached(snapshot):
                return
            state = self._state(snapshot)
            if state != before:
                moved, before = time.monotonic(), state
            if time.monotonic() - moved > PATIENCE:
                raise RefuteError(f"nothing has happened for {PATIENCE:.0f} s: {state}; see {self._files.directory}")
            self._adversaries.require_running()
            for disturbance in self.disturbances:
                disturbance.step()
            time.sleep(0.1)

    def _state(self, snapshot: Snapshot) -> str:
        parts = [d.status if d.status is not DisputeStatus.ACTIVE else d.position.phase for d in self._mine(snapshot)]
        requests = Counter(request.status for request in snapshot.requests.values())
        counted = Counter(part.name for part in (*parts, *requests.elements()))
        return ", ".join(f"{name.lower()} {count}" for name, count in sorted(counted.items()))

    def _mine(self, snapshot: Snapshot) -> list[DisputeView]:
        return [*self._against("dishonest", snapshot), *self._against("executor", snapshot)]

    def _against(self, executor: str, snapshot: Snapshot) -> list[DisputeView]:
        """Disputes over an executor's claims, as long as there are not all of them: none."""
        wanted = self._count // 2 if executor == "executor" else self._count - self._count // 2
        address = self._addresses[executor]
        found = [d for d in snapshot.disputes.values() if snapshot.claims[d.claim].executor == address]
        return found if len(found) == wanted else []

    def _won_by_watcher(self, snapshot: Snapshot) -> bool:
        disputes = self._against("dishonest", snapshot)
        return bool(disputes) and all(d.status is DisputeStatus.WON for d in disputes)

    def _at_their_end(self, snapshot: Snapshot) -> bool:
        disputes = self._against("executor", snapshot)
        return all(d.position.phase is Phase.STEP for d in disputes) and len(disputes) == self._count // 2

    def _all_final(self, snapshot: Snapshot) -> bool:
        address = self._addresses["executor"]
        mine = [r for r in snapshot.requests.values() if r.only == address]
        return all(request.status is RequestStatus.FINAL for request in mine)

    # Counting

    def _count_up(self) -> Findings:
        snapshot = self._observer.observe()
        findings = Findings(self._count)
        won = [d for d in self._against("dishonest", snapshot) if d.reason is Reason.STEP]
        kept = [d for d in self._against("executor", snapshot) if d.status is DisputeStatus.LOST]
        findings.won = len(won) + len(kept)
        for role, stake in self._stakes.items():
            account = Observer(Client(self._chain, self._deployment), self._addresses[role]).observe().account
            findings.lost += abs(stake - account.stake)
            if account.locked:
                findings.crashes.append(f"{account.locked} wei of the {role} are still locked")
        honest = {self._addresses[role].lower(): role for role in self._stakes}
        count_transactions(self._node, honest, findings)
        for kills in self._kills:
            for life in kills.lives:
                said = life.log.read_text(errors="replace")
                findings.crashes += [f"{life.name}: {said[-2000:]}"] if "Traceback" in said else []
                findings.bus_lost += said.count('"event": "bus_lost"')
        findings.disturbances = {disturbance.name: disturbance.times for disturbance in self.disturbances}
        spoilt = sum((node.spoilt for node in self._nodes), Counter())
        findings.spoilt = {fault.name.lower(): count for fault, count in spoilt.items()}
        return findings


def play(disputes: int, seed: int, folder: Path, every: tuple[int, int], *, spells: bool) -> Findings:
    """A whole run in `folder`."""
    with Chaos(disputes, seed, folder, every, spells) as chaos:
        return chaos.play()
