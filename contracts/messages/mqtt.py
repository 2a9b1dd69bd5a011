"""The bus over MQTT, in a thread and an event loop of its own: no broker, however slow or hostile, delays a move.

A broker that is gone is tried again with growing pauses; one that floods is left alone for a while.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from aiomqtt import MqttError
from structlog.typing import FilteringBoundLogger

from contracts.messages import kinds
from contracts.messages.broker import Broker
from contracts.messages.bus import Handler
from contracts.messages.connection import Connection, connected
from contracts.messages.contents import Contents
from contracts.messages.envelope import Domain, Reason, Refused
from contracts.messages.exchange import Exchange
from contracts.messages.gate import FRESH, PORTION, Gate, Received
from contracts.messages.kinds import Announcement, Message
from contracts.messages.rates import Bucket, Rate
from contracts.messages.topics import is_retained, shared
from contracts.signers import Signer
from prover.errors import RefuteError
from prover.trace import Trace

OUTBOX = 256
"""Messages that wait for the broker; of more than that the oldest are dropped."""
FLOOD = Rate(200, 2_000)
"""What a broker may deliver, whatever it is, before this bus hangs up."""
FLOOD_PAUSE = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
STEADY = 10.0
"""Seconds that a connection has to last for a loss not to lengthen the pause."""
ANNOUNCE = 60.0
WAKE_GAP = 0.05
"""Seconds between two wakes at least: what comes in between wakes at its end."""
STRANGERS_WAKES = Rate(1, 10)
"""Wakes by accounts that have nothing at stake, together."""
SAY_AGAIN = 60.0
"""Seconds before a refusal for the same reason is logged again."""


_CLOSED = {"Disconnected during message iteration": "it closed the connection"}
"""The library's words, and ours."""


class Flooded(RefuteError):
    """A broker delivers more than an agent has any use for."""


class MqttBus:
    """A `Bus`; also says how it fares: `connected`, `published`, `dropped`, and `gate` with its counts.

    Args:
        domain: the deployment that messages are about.
        signer: signs what is published.
        filters: topics to listen to, beside those addressed to the signer.
        group: claims are taken in turns with the others of this group, if the broker can do that.
    """

    def __init__(
        self,
        broker: Broker,
        domain: Domain,
        signer: Signer,
        log: FilteringBoundLogger,
        *,
        filters: Sequence[str] = (),
        group: str | None = None,
    ) -> None:
        self.broker = broker
        self.gate = Gate(domain)
        self.connected = False
        self.shares = False
        self.dropped = self.published = 0
        self.contents = Contents()
        self.exchange = Exchange(self, self.contents)
        self._domain, self._signer, self._log = domain, signer, log
        self._filters, self._group = tuple(filters), group
        self._outbox: deque[tuple[Message, str | None]] = deque(maxlen=OUTBOX)
        self._announcement: Announcement | None = None
        self._handlers: dict[type[Message], list[Handler]] = {}
        self._last_time = 0
        self._wake: Callable[[], object] = lambda: None
        self._woken, self._waking = 0.0, False
        self._strangers = Bucket(STRANGERS_WAKES, time.monotonic)
        self._said: dict[Reason, float] = {}
        self._lost: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stirred = asyncio.Event()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self.hear(kinds.Moved, self._stir)
        self.hear(kinds.Claimed, self._stir)
        self.hear(kinds.Wanted, lambda r: self.exchange.asked(r.sender, r.message))  # type: ignore[arg-type]
        self.hear(kinds.Content, lambda r: self.exchange.given(r.sender, r.message))  # type: ignore[arg-type]

    # For any thread

    def hear(self, kind: type[Message], handler: Handler) -> None:
        self._handlers.setdefault(kind, []).append(handler)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float = 2.0) -> None:
        """Send what waits, if the broker takes it in time, and leave."""
        self._soon(self._closing.set)
        self._soon(self._stirred.set)
        self._thread.join(seconds)

    def publish(self, message: Message, to: str | None = None) -> None:
        self.dropped += len(self._outbox) == OUTBOX
        self._outbox.append((message, to))
        self._soon(self._stirred.set)

    def announce(self, announcement: Announcement) -> None:
        if announcement != self._announcement:
            self._announcement = announcement
            self.publish(announcement)

    def know(self, addresses: Iterable[str]) -> None:
        self.gate.known = frozenset(addresses)

    def offer(self, trace: Trace) -> None:
        self.contents.offer(trace)

    def withdraw(self, trace: Trace) -> None:
        self.contents.withdraw(trace)

    def ask(self, account: str, form: str, root: bytes) -> bytes | None:
        return self.exchange.ask(account, form, root) if self.connected else None

    def on_wake(self, wake: Callable[[], object]) -> None:
        self._wake = wake

    def _soon(self, call: Callable[[], object]) -> None:
        loop = self._loop
        if loop is None:
            call()  # nothing runs yet that it could disturb
            return
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(call)

    # In the bus's thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # the agent goes on without it; that is what a person has to know
            self._log.error("bus_ended", reason=f"{type(error).__name__}: {error}")
        finally:
            self.connected = False

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            begun = self._loop.time()
            try:
                async with connected(self.broker, f"refute-{self._signer.address[2:10].lower()}") as connection:
                    await self._converse(connection)
            except Flooded as error:
                pause = FLOOD_PAUSE
                self._log_loss(str(error))
            except (MqttError, OSError) as error:
                self._log_loss(_CLOSED.get(str(error), str(error)) or type(error).__name__)
            if self.connected and self._loop.time() > begun + STEADY:
                pause = FIRST_PAUSE
            self.connected = False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause * (1 + secrets.randbelow(100) / 400))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _converse(self, connection: Connection) -> None:
        """Listen and speak, until the connection is lost or the bus is closed."""
        await connection.subscribe(self._subscriptions(connection.new))
        self.connected, self.shares, self._lost = True, connection.new and self._group is not None, None
        self._log.info("bus_connected", broker=self.broker.url, mqtt="5" if connection.new else "3.1.1")
        self._stirred.set()
        await _first_of(self._listen(connection), self._speak(connection), self._repeat())

    def _subscriptions(self, new: bool) -> list[str]:
        topics, me = self._domain.topics, self._signer.address
        filters = [topics.to(kind, me) for kind in (kinds.Moved, kinds.Wanted, kinds.Content)]
        for wanted in self._filters:
            apart = new and self._group is not None and wanted == topics.every(kinds.Claimed)
            filters.append(shared(self._group, wanted) if apart and self._group is not None else wanted)
        return filters

    async def _listen(self, connection: Connection) -> None:
        allowed = Bucket(FLOOD, time.monotonic)
        async for message in connection.client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if not allowed.take(1 + len(payload) // PORTION):
                raise Flooded(f"it floods, and is left alone for {FLOOD_PAUSE:.0f} s")
            self._take(str(message.topic), payload, message.retain)

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        try:
            received = self.gate.admit(topic, payload)
        except Refused as refused:
            # What a broker keeps of an agent that has left is old, and nobody's fault.
            if not (retained and refused.reason is Reason.STALE):
                self._log_refusal(refused, topic)
            return
        for handler in self._handlers.get(type(received.message), ()):
            try:
                handler(received)
            except Refused as refused:
                self.gate.refused[refused.reason] += 1
                self._log_refusal(refused, topic)

    async def _speak(self, connection: Connection) -> None:
        while self._outbox or not self._closing.is_set():
            await self._stirred.wait()
            self._stirred.clear()
            while self._outbox:
                message, to = entry = self._outbox.popleft()
                topic = self._domain.topics.of(message, self._signer.address, to)
                try:
                    # In a thread: a signer may be far away.
                    sealed = await asyncio.to_thread(self._seal, message, topic)
                except RefuteError as error:
                    self._log.warning("message_not_signed", kind=type(message).__name__, reason=str(error))
                    continue
                try:
                    await connection.publish(topic, sealed, retain=is_retained(message))
                except MqttError:
                    self._outbox.appendleft(entry)
                    raise
                self.published += 1

    def _seal(self, message: Message, topic: str) -> bytes:
        now = time.time_ns() // 1000
        # It grows from message to message, unless the clock went back by more than a receiver would put up with.
        self._last_time = max(now, self._last_time + 1) if self._last_time < now + FRESH * 1_000_000 // 2 else now
        return self._domain.seal(self._signer, topic, self._last_time, kinds.encode(message))

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(ANNOUNCE)
            if self._announcement is not None:
                self.publish(self._announcement)

    def _stir(self, received: Received) -> None:
        """Wake the agent, not too often: a look at the chain costs its node something, and messages cost nothing."""
        if received.sender not in self.gate.known and not self._strangers.take():
            return
        if not self._waking and self._loop is not None:
            self._waking = True
            self._loop.call_later(max(self._woken + WAKE_GAP - self._loop.time(), 0), self._wake_agent)

    def _wake_agent(self) -> None:
        assert self._loop is not None
        self._waking, self._woken = False, self._loop.time()
        self._wake()

    def _log_loss(self, reason: str) -> None:
        if reason != self._lost:
            self._lost = reason
            self._log.warning("bus_lost", broker=self.broker.url, reason=reason)

    def _log_refusal(self, refused: Refused, topic: str) -> None:
        now = time.monotonic()
        reason = refused.reason
        if now >= self._said.get(reason, -SAY_AGAIN) + SAY_AGAIN:
            self._said[reason] = now
            details = {"detail": refused.detail, "topic": topic[:200], "count": self.gate.refused[reason]}
            self._log.warning("message_refused", reason=str(reason), **details)


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, and raise what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
