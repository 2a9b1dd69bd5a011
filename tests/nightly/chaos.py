"""Disputes under chaos: `python -m tests.nightly.chaos --disputes 100 --seed 7`.

Real agents on anvil are killed with SIGKILL and started again at seeded random moments, and the node in front of them
drops, delays and garbles what it is asked. Half of the disputes are over a liar's claims, half are a mistaken watcher's
over honest ones. Merges `chaos_disputes` (won by the honest side), `chaos_lost` (honest stakes lost), `chaos_kills` and
`chaos_faults` into build/nightly.json; exits 1 unless all were won and nothing was lost.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_account import Account

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import DEVNET_PARAMETERS, deploy
from contracts.devnet_files import DevnetFiles
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS
from contracts.snapshot import ClaimStatus, DisputeStatus, DisputeView, Snapshot
from deploy import devnet
from deploy.anvil import AnvilProcess
from deploy.processes import Agent, Agents
from prover import encoding, model_folder
from prover.errors import RefuteError
from prover.game.position import Side
from prover.trace import tensor_bytes
from tests.agents.stage import ETHER, small_model
from tests.nightly.faulty_proxy import FAULTS, FaultyProxy
from tests.nightly.report import merge

STAKE = "3000eth"
FEE = ETHER // 100
PATIENCE = 240.0
"""Seconds in which a phase must come to its end."""
BETWEEN = (0.6, 2.5)
"""Seconds between two faults."""
LASTS = (0.2, 1.2)
"""Seconds that a node's fault lasts."""


@dataclass
class Outcome:
    """Disputes that the honest side won, and honest stakes lost, with the faults they were played under."""

    disputes: int = 0
    lost: int = 0
    kills: int = 0
    faults: int = 0


@dataclass
class Service:
    """An agent that is killed and started again with the same words."""

    name: str
    module: str
    words: tuple[str, ...]
    agents: Agents
    agent: Agent | None = None
    starts: int = 0

    def start(self) -> None:
        self.starts += 1
        self.agent = self.agents.start(f"{self.name}-{self.starts}", self.module, *self.words)

    def kill(self) -> None:
        if self.agent is not None:
            self.agents.kill(self.agent)
            self.agent = None


class Chaos:
    """One run over one anvil."""

    def __init__(self, node: AnvilProcess, agents: Agents, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.outcome = Outcome()
        self.files = DevnetFiles(folder)
        accounts = dict(zip(devnet.ROLES, map(Account.from_key, DEVNET_KEYS), strict=False))
        self.addresses = {role: account.address for role, account in accounts.items()}
        self.chain = Chain.connect(node.url)
        self.deployment = deploy(self.chain, accounts["deployer"], DEVNET_PARAMETERS)
        folder.mkdir(parents=True, exist_ok=True)
        self.files.keys.write_text(json.dumps(dict(zip(devnet.ROLES, DEVNET_KEYS, strict=False))))
        self.deployment.save(self.files.deployment)
        self.model = small_model()
        published = model_folder.publish(self.model, self.files.models)
        self.requester = Client(self.chain, self.deployment, accounts["requester"])
        self.requester.transact(calls.register_model(self.model.program, published.as_uri()))
        self.observer = Observer(self.requester)
        self.agents = agents
        self.proxy = FaultyProxy(node.url)

    def service(self, role: str, module: str, *words: str) -> Service:
        common = ("--chain", self.proxy.url, "--interval", "0.1", "--stake", STAKE)
        return Service(role, module, (*words, *common), self.agents)

    def honest(self, role: str) -> Service:
        files = ("--deployment", str(self.files.deployment), "--models", str(self.files.models))
        return self.service(role, f"{role}.cli", *files, "--key", str(self.files.keys), "--log", "json")

    def dishonest(self, lie: str) -> Service:
        return self.service(lie, "deploy.dishonest", "--lie", lie, "--directory", str(self.files.directory))

    # The two phases

    def liars(self, count: int) -> None:
        """Claims of a liar, disputed by an honest watcher that is killed again and again."""
        watcher, liar = self.honest("watcher"), self.dishonest("activation")
        asked = self.ask(count, self.addresses["dishonest"])

        def over(snapshot: Snapshot) -> bool:
            fallen = {c.request for c in snapshot.claims.values() if c.status is ClaimStatus.FALLEN}
            return all(request in fallen for request in asked)

        self.play([watcher, liar], [watcher], over)
        won = [d for d in self.disputes("watcher") if d.status is DisputeStatus.WON]
        self.outcome.disputes += len(won)
        self.count_losses("watcher")

    def mistaken(self, count: int) -> None:
        """Honest claims, disputed by a watcher whose machine computes wrongly; the executor is killed."""
        executor, mistaken = self.honest("executor"), self.dishonest("mistaken")
        self.ask(count, self.addresses["executor"])

        def at_rest(snapshot: Snapshot) -> bool:
            mine = [d for d in snapshot.disputes.values() if d.challenger == self.addresses["mistaken"]]
            return len(mine) == count and all(d.side is Side.CHALLENGER for d in mine)

        self.play([executor, mistaken], [executor], at_rest)
        # What is left is the step, which nobody can make: the challenger's clock runs out.
        self.chain.travel(self.deployment.parameters.clock + 1)

        def over(snapshot: Snapshot) -> bool:
            mine = [d for d in snapshot.disputes.values() if d.challenger == self.addresses["mistaken"]]
            return all(d.status is DisputeStatus.LOST for d in mine)

        self.play([executor], [executor], over)
        self.outcome.disputes += sum(d.status is DisputeStatus.LOST for d in self.disputes("mistaken"))
        self.count_losses("executor")

    def ask(self, count: int, only: str) -> list[bytes]:
        """Requests on random numbers, for one executor."""
        interface, rng = encoding.encode_interface(self.model.program), np.random.default_rng(self.rng.getrandbits(32))
        wanted = [
            calls.request(
                bytes(self.model.id),
                interface,
                [tensor_bytes(rng.integers(-128, 127, 300).astype("<i1"))],
                FEE,
                7 * 24 * 3600,
                only=only,
            )
            for _ in range(count)
        ]
        requests = []
        for outcome in self.requester.transact_all(wanted):
            if isinstance(outcome, Exception):
                raise outcome
            requests.append(outcome.event("Requested").arguments["request"])
        return requests

    def play(self, services: Sequence[Service], killed: Sequence[Service], over: Callable[[Snapshot], bool]) -> None:
        """Run the services under faults until it is `over`; only the `killed` are killed."""
        for service in services:
            service.start()
        end, again = time.monotonic() + PATIENCE, time.monotonic() + self.rng.uniform(*BETWEEN)
        healed = 0.0
        while not over(self.observer.observe()):
            now = time.monotonic()
            if now > end:
                raise RefuteError(f"it is not over after {PATIENCE:.0f} s; see {self.files.directory}/logs")
            self.agents.require_running()
            if now >= healed:
                self.proxy.fault = None
            if now >= again:
                again = now + self.rng.uniform(*BETWEEN)
                healed = self.disturb(killed, now)
            time.sleep(0.05)
        self.proxy.fault = None
        for service in services:
            service.kill()

    def disturb(self, killed: Sequence[Service], now: float) -> float:
        """One fault: an agent is killed and started again, or the node fails; until when it fails."""
        if self.rng.random() < 0.5:
            service = self.rng.choice(killed)
            service.kill()
            service.start()
            self.outcome.kills += 1
            return 0.0
        self.proxy.fault = self.rng.choice(FAULTS)
        self.outcome.faults += 1
        return now + self.rng.uniform(*LASTS)

    # What came of it

    def disputes(self, role: str) -> list[DisputeView]:
        return [d for d in self.observer.observe().disputes.values() if d.challenger == self.addresses[role]]

    def count_losses(self, role: str) -> None:
        """A stake is lost if less is held for the account than it paid in."""
        account = Observer(self.requester, self.addresses[role]).observe().account
        self.outcome.lost += account.stake + account.credits < int(STAKE.removesuffix("eth")) * ETHER


def chaos(disputes: int, seed: int, folder: Path) -> Outcome:
    """A whole run in `folder`."""
    with ExitStack() as stack:
        node = stack.enter_context(AnvilProcess({"--chain-id": 31337}))
        agents = stack.enter_context(Agents(folder / "logs"))
        run = Chaos(node, agents, folder, seed)
        stack.callback(run.proxy.close)
        run.liars(disputes - disputes // 2)
        run.mistaken(disputes // 2)
        return run.outcome


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.chaos", description=__doc__)
    parser.add_argument("--disputes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="when what fails follows from it")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = chaos(arguments.disputes, arguments.seed, Path(folder))
    merge(
        chaos_disputes=outcome.disputes,
        chaos_lost=outcome.lost,
        chaos_kills=outcome.kills,
        chaos_faults=outcome.faults,
        chaos_seed=arguments.seed,
    )
    print(f"{outcome.disputes} of {arguments.disputes} disputes won, {outcome.lost} honest stakes lost, ", end="")
    print(f"{outcome.kills} kills, {outcome.faults} faults of the node")
    return 0 if outcome.disputes == arguments.disputes and outcome.lost == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
