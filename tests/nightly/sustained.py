"""Sustained load: `python -m tests.nightly.sustained --queries 500`; digits, one executor, two watchers, anvil.

Every agent is a process of its own, as an operator starts it. Merges `sustained` into build/nightly.json: throughput,
the time from a claim's block to each watcher's verdict, and what each process holds in memory. Exits 1 if a query was
lost or not verified by both, or if a process has grown by more than GROWTH.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eth_account import Account

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import deploy
from contracts.devnet_files import DevnetFiles
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS
from contracts.snapshot import RequestStatus, RequestView
from deploy import devnet
from deploy.anvil import AnvilProcess
from deploy.processes import Agent, Agents
from prover import encoding, model_folder
from prover.errors import RefuteError
from prover.examples.digits_model import compile_digits
from prover.trace import tensor_bytes
from tests.nightly.hearing import Hearing, Said, Sightings
from tests.nightly.report import merge

ETHER = 10**18
FEE = ETHER // 100
AT_ONCE = 40
"""Requests that are on their way at the same time."""
PATIENCE = 120.0
"""Seconds without any progress after which the run is given up."""
WARM = 0.2
"""Share of the queries that each watcher has verified before memory counts."""
GROWTH = 20.0
"""MiB that a process may grow by after that."""


@dataclass
class Figures:
    """What a run showed. Lags are seconds from a claim's block to a watcher's verdict, over both watchers."""

    queries: int = 0
    verified: int = 0
    final: int = 0
    seconds: float = 0.0
    per_second: float = 0.0
    lag_median: float = 0.0
    lag_95: float = 0.0
    lag_max: float = 0.0
    mib_warm: dict[str, float] = field(default_factory=dict)
    mib_end: dict[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return self.queries == self.final and self.verified == 2 * self.queries

    @property
    def growth(self) -> float:
        """MiB by which a process has grown since it was warm, at most."""
        return max(self.mib_end[name] - warm for name, warm in self.mib_warm.items())


class Sustained:
    """One run on one anvil; `folder` holds the agents' files and logs."""

    def __init__(self, node: AnvilProcess, agents: Agents, folder: Path, queries: int) -> None:
        self.agents = agents
        self.node = node
        self.queries = queries
        self.files = DevnetFiles(folder)
        accounts = [Account.from_key(key) for key in DEVNET_KEYS]
        self.chain = Chain.connect(node.url)
        self.deployment = deploy(self.chain, accounts[0])
        folder.mkdir(parents=True, exist_ok=True)
        keys = dict(zip(devnet.ROLES, DEVNET_KEYS, strict=False))
        self.files.keys.write_text(json.dumps(keys))
        second = folder / "second.json"
        second.write_text(json.dumps({"watcher": DEVNET_KEYS[len(devnet.ROLES)]}))
        self.deployment.save(self.files.deployment)
        digits = compile_digits()
        self.images = digits.images
        self.model = digits.model
        self.interface = encoding.encode_interface(digits.model.program)
        published = model_folder.publish(self.model, self.files.models)
        self.requester = Client(self.chain, self.deployment, accounts[devnet.ROLES.index("requester")])
        self.requester.transact(calls.register_model(self.model.program, published.as_uri()))
        self.observer = Observer(self.requester)
        stake = queries * self.deployment.parameters.executor_stake  # no claim is final before all are posted
        self.executor = self._start("executor", "executor.cli", str(stake), self.files.keys)
        self.watchers = [
            self._start("watcher", "watcher.cli", "10eth", self.files.keys),
            self._start("second-watcher", "watcher.cli", "10eth", second),
        ]
        self._hearings = [Hearing(watcher) for watcher in self.watchers]
        self._agreed: dict[tuple[str, str], Said] = {}

    def _start(self, name: str, module: str, stake: str, key: Path) -> Agent:
        files = ("--deployment", str(self.files.deployment), "--models", str(self.files.models), "--key", str(key))
        own = ("--stake", stake, "--chain", self.chain.url, "--interval", "0.1", "--log", "json")
        return self.agents.start(name, module, *own, *files)

    def run(self) -> Figures:
        """Ask, at most AT_ONCE unanswered at a time, until all are answered, verified and final."""
        figures = Figures(self.queries)
        with Sightings(Client(Chain.connect(self.chain.url), self.deployment)) as sightings:
            asked = self._ask_all(figures)
        self._measure_lags(figures, sightings.at)
        figures.final = self._finalised(asked)
        return figures

    def _ask_all(self, figures: Figures) -> list[bytes]:
        """The ids of the requests, when all have been answered and verified."""
        queries = self.queries
        began, moved = time.monotonic(), time.monotonic()
        asked: list[bytes] = []
        progress: tuple[int, ...] = ()
        while True:
            answered = sum(r.claim is not None for r in self._mine(asked))
            verdicts = self._verdicts()
            if not figures.mib_warm and self._fewest() >= WARM * queries:
                figures.mib_warm = self._mib()
            if len(verdicts) >= 2 * queries:
                break
            if (len(asked), answered, len(verdicts)) != progress:
                progress, moved = (len(asked), answered, len(verdicts)), time.monotonic()
            self._require_progress(moved, f"{answered} answered and {len(verdicts)} verdicts of {queries} queries")
            more = min(AT_ONCE - (len(asked) - answered), queries - len(asked))
            asked += self._ask(len(asked), more) if more > 0 else []
            time.sleep(0.2)
        figures.seconds = time.monotonic() - began
        figures.per_second = queries / figures.seconds
        figures.verified = len(verdicts)
        figures.mib_end = self._mib()
        return asked

    def _mine(self, asked: Sequence[bytes]) -> list[RequestView]:
        requests = self.observer.observe().requests
        return [requests[id] for id in asked]

    def _ask(self, first: int, count: int) -> list[bytes]:
        """Post requests for the next images, all in flight at once; their ids."""
        images = [self.images[number % len(self.images)] for number in range(first, first + count)]
        wanted = [
            calls.request(bytes(self.model.id), self.interface, [tensor_bytes(image)], FEE, 7 * 24 * 3600)
            for image in images
        ]
        outcomes = self.requester.transact_all(wanted)
        ids = []
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
            ids.append(outcome.event("Requested").arguments["request"])
        return ids

    def _fewest(self) -> int:
        """Verdicts of the watcher that is behind."""
        given = Counter(name for name, _ in self._agreed)
        return min(given[watcher.name] for watcher in self.watchers)

    def _verdicts(self) -> list[Said]:
        """One of each watcher for each claim."""
        for hearing in self._hearings:
            self._agreed |= {(hearing.agent.name, s.claim): s for s in hearing.new() if s.event == "claim_agrees"}
        return list(self._agreed.values())

    def _require_progress(self, moved: float, state: str) -> None:
        self.agents.require_running()
        if time.monotonic() - moved > PATIENCE:
            raise RefuteError(f"nothing has happened for {PATIENCE:.0f} s: {state}")

    def _mib(self) -> dict[str, float]:
        return {agent.name: round(agent.resident_mib(), 1) for agent in (self.executor, *self.watchers)}

    def _measure_lags(self, figures: Figures, seen: Mapping[str, float]) -> None:
        lags = sorted(verdict.at - seen[verdict.claim] for verdict in self._verdicts())
        figures.lag_median = statistics.median(lags)
        figures.lag_95 = lags[int(0.95 * (len(lags) - 1))]
        figures.lag_max = lags[-1]

    def _finalised(self, asked: Sequence[bytes]) -> int:
        """Let the window pass, and wait until the executor has finalised every claim."""
        # All claims are due at once then: more transactions than fit into the block that anvil mines for a new one.
        self.node.ask("evm_setIntervalMining", 1)
        self.chain.travel(self.deployment.parameters.window + 1)
        moved, before = time.monotonic(), -1
        while True:
            final = sum(r.status is RequestStatus.FINAL for r in self._mine(asked))
            if final == len(asked):
                return final
            if final != before:
                before, moved = final, time.monotonic()
            self._require_progress(moved, f"{final} of {len(asked)} are final")
            time.sleep(0.2)


def sustain(queries: int, folder: Path) -> Figures:
    """A whole run in `folder`."""
    with AnvilProcess({"--chain-id": 31337}) as node, Agents(folder / "logs") as agents:
        return Sustained(node, agents, folder, queries).run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.sustained", description=__doc__)
    parser.add_argument("--queries", type=int, default=500)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no agent is left behind
    folder = Path(tempfile.mkdtemp(prefix="sustained-"))
    try:
        figures = sustain(arguments.queries, folder)
    except RefuteError as error:
        print(f"{error}; the agents' logs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    merge(sustained=asdict(figures))
    print(json.dumps(asdict(figures), indent=1))
    return 0 if figures.complete and figures.growth <= GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
