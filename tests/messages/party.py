"""Buses of several accounts, and what they heard: tests say something and wait until it has arrived."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import aiomqtt
import structlog
from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts.messages import broker, kinds
from contracts.messages.broker import Broker
from contracts.messages.envelope import Domain, Reason
from contracts.messages.gate import Received
from contracts.messages.mqtt import MqttBus

ACCOUNTS: list[LocalAccount] = [Account.from_key(f"0x{number:064x}") for number in range(101, 111)]
DOMAIN = Domain(61, Account.from_key("0x" + "22" * 32).address)
SECONDS = 20

T = TypeVar("T")


class Ears:
    """A bus with everything that it heard, in order."""

    def __init__(self, bus: MqttBus, log: Log, hears: Iterable[type[kinds.Message]]) -> None:
        self.bus = bus
        self.log = log
        self.heard: queue.Queue[Received] = queue.Queue()
        self.woken = threading.Semaphore(0)
        for kind in hears:
            bus.hear(kind, self.heard.put)
        bus.on_wake(self.woken.release)

    def next(self) -> Received:
        return self.heard.get(timeout=SECONDS)

    def connected(self) -> Ears:
        self.log.wait("bus_connected")
        return self


class Log:
    """A log whose events tests wait for."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self._changed = threading.Condition()
        self.logger = structlog.wrap_logger(None, processors=[self._note], wrapper_class=structlog.BoundLogger)

    def _note(self, logger: object, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        with self._changed:
            self.events.append({**event, "method": method})
            self._changed.notify_all()
        raise structlog.DropEvent

    def all(self, event: str) -> list[dict[str, object]]:
        return [e for e in self.events if e["event"] == event]

    def wait(self, event: str, times: int = 1) -> dict[str, object]:
        """The latest event of a name, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all(event)) >= times, SECONDS), self.events
        return self.all(event)[-1]


class Party:
    """Buses, which leave together."""

    def __init__(self) -> None:
        self._buses: list[MqttBus] = []

    def join(
        self,
        found: str | Broker,
        number: int = 0,
        hears: Sequence[type[kinds.Message]] = (),
        group: str | None = None,
    ) -> Ears:
        """A bus of the account of a number, connected or not yet; `hears` are kinds that it hears all of."""
        held = broker.read(found) if isinstance(found, str) else found
        log = Log()
        filters = [DOMAIN.topics.every(kind) for kind in hears]
        bus = MqttBus(held, DOMAIN, ACCOUNTS[number], log.logger, filters=filters, group=group)
        self._buses.append(bus)
        ears = Ears(bus, log, hears or (kinds.Moved, kinds.Wanted, kinds.Content))
        bus.start()
        return ears

    def leave(self) -> None:
        for bus in self._buses:
            bus.close()


def throw(url: str, publications: Iterable[tuple[str, bytes]], qos: int = 0) -> None:
    """What anyone can do who reaches a broker: publish anything anywhere."""

    async def publish() -> None:
        held = broker.read(url)
        async with aiomqtt.Client(held.host, held.port) as client:
            for topic, payload in publications:
                await client.publish(topic, payload, qos=qos)

    asyncio.run(publish())


def eventually(look: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until something holds that no event tells of."""
    tick, end = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < end:
        if look():
            return
        tick.wait(0.01)
    raise AssertionError("it does not come to pass")


def refusals(ears: Ears) -> dict[Reason, int]:
    return dict(ears.bus.gate.refused)
