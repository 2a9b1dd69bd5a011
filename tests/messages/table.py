"""Both agents at a dispute, each in a thread with a loop, a connection and a bus of its own, as processes have them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from eth_account import Account

from contracts.agent import Agent, run
from contracts.chain import Chain
from contracts.client import Client
from contracts.messages import broker, kinds
from contracts.messages.envelope import Domain
from contracts.messages.mqtt import MqttBus
from contracts.provider import DEVNET_KEYS, LocalProvider
from contracts.shelf import Run, Shelf
from contracts.snapshot import DisputeStatus
from executor import decide as executing
from executor.service import Defend, ExecutorService
from prover.game.adversaries import LyingDefender
from tests.agents.stage import ETHER, Stage, interpret, liar
from tests.messages.party import Log, eventually
from watcher import decide as watching
from watcher.locate import LocatingJudge
from watcher.service import WatcherService
from watcher.team import Group
from watcher.verdict import TwoBackends

EXECUTOR, WATCHER, OTHER = 2, 3, 4
"""Numbers of the devnet's keys."""


class Seat:
    """One agent's account, bus and log."""

    def __init__(self, stage: Stage, url: str | None, number: int, group: str | None = None) -> None:
        self.log = Log()
        chain = Chain(LocalProvider(stage.devnet))
        account = Account.from_key(DEVNET_KEYS[number])
        self.client = Client(chain, stage.deployment, account)
        self.bus: MqttBus | None = None
        if url is not None:
            domain = Domain(chain.id, stage.deployment.refute)
            filters = [domain.topics.every(kinds.Claimed)]
            filters += [domain.topics.group(group)] if group is not None else []
            self.bus = MqttBus(broker.read(url), domain, account, self.log.logger, filters=filters, group=group)
            self.bus.start()
            self.log.wait("bus_connected")


class Table:
    """A chain, seats, and the threads that agents run in."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self.stage = Stage(folder)
        self.url = url
        self.seats: list[Seat] = []
        self._stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, threading.Thread]] = []

    def seat(self, number: int, group: str | None = None) -> Seat:
        held = Seat(self.stage, self.url, number, group)
        self.seats.append(held)
        return held

    def executor(
        self, run: Run | None = None, defend: Defend = LyingDefender, interval: float = 0.05, *, inline: bool = False
    ) -> ExecutorService:
        seat = self.seat(EXECUTOR)
        shelf, policy = Shelf(self.stage.models), executing.Policy(50 * ETHER)
        return ExecutorService(
            seat.client, shelf, run or liar(0), policy,
            defend=defend, interval=interval, inline=inline, bus=seat.bus, log=seat.log.logger,
        )  # fmt: skip

    def watcher(
        self, run: Run = interpret, interval: float = 0.05, number: int = WATCHER, group: Group | None = None,
        *, inline: bool = False,
    ) -> WatcherService:  # fmt: skip
        seat = self.seat(number, group.name if group is not None else None)
        judge = TwoBackends(run, run)
        return WatcherService(
            seat.client, Shelf(self.stage.models), LocatingJudge(judge, seat.bus.ask) if seat.bus else judge,
            watching.Policy(10 * ETHER),
            interval=interval, inline=inline, bus=seat.bus, group=group, log=seat.log.logger,
        )  # fmt: skip

    def run(self, *agents: Agent) -> None:
        """Have agents run in threads of their own, until `leave`."""
        for agent in agents:
            started = threading.Event()

            def serve(agent: Agent = agent, started: threading.Event = started) -> None:
                async def until_told() -> None:
                    stop = asyncio.Event()
                    self._stops.append((asyncio.get_running_loop(), stop, threading.current_thread()))
                    started.set()
                    await run(agent, stop)

                asyncio.run(until_told())

            threading.Thread(target=serve, daemon=True).start()
            started.wait()

    def won(self, request: bytes) -> bool:
        """Whether the watcher has won the dispute over a request's claim."""
        return [d.status for d in self.stage.disputes_of(request)] == [DisputeStatus.WON]

    def wait_won(self, request: bytes) -> None:
        eventually(lambda: self.won(request))

    def leave(self) -> None:
        for loop, stop, _ in self._stops:
            loop.call_soon_threadsafe(stop.set)
        for _, _, thread in self._stops:
            thread.join(10)
        for seat in self.seats:
            if seat.bus is not None:
                seat.bus.close()
