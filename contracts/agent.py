"""What every agent is: observe, decide, act, in a loop that survives an unavailable chain and stops when asked.

An agent's state is on the chain. What takes long (running a model) is a job in the background, so that no clock of
a dispute runs out behind it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from contracts.errors import ChainUnavailable, NotFunded
from contracts.service.heads import Heads

LONGEST_WAIT = 30.0
"""Seconds between attempts to reach a chain that does not answer."""

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Agent(Protocol):
    """One service. `round` observes, decides and acts once, and says whether it did anything."""

    interval: float
    log: FilteringBoundLogger

    def round(self) -> bool: ...

    def finished(self) -> bool:
        """Whether the agent has done all it was asked to do."""

    def on_wake(self, wake: Callable[[], object]) -> None:
        """Have `wake` called, from any thread, whenever the next round should not wait."""


async def run(agent: Agent, stop: asyncio.Event, heads: Sequence[str] = ()) -> None:
    """Rounds until `stop` is set or the agent has finished. After a round that did something the next follows at once.

    New blocks that a WebSocket URL in `heads` announces end the wait for the next round.

    Errors of the chain are waited out, and so is an account that ran dry in the middle of its work; every other error
    ends the agent, loudly.
    """
    wake = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wake_up() -> None:
        with suppress(RuntimeError):  # a job may end after the loop was closed
            loop.call_soon_threadsafe(wake.set)

    agent.on_wake(wake_up)
    followed = Heads(heads, wake_up)
    failures = rounds = 0
    while not stop.is_set() and not agent.finished():
        wake.clear()
        try:
            busy = await asyncio.to_thread(agent.round)
            rounds += 1
        except (ChainUnavailable, NotFunded) as error:
            if isinstance(error, NotFunded) and rounds == 0:
                raise
            if failures == 0:
                event = "not_funded" if isinstance(error, NotFunded) else "chain_unavailable"
                agent.log.warning(event, reason=str(error))
            failures += 1
            await _first(stop, wake=None, seconds=min(agent.interval * 2**failures, LONGEST_WAIT))
            continue
        if failures:
            agent.log.info("back_at_work", attempts=failures)
            failures = 0
        if not busy:
            await _first(stop, wake, agent.interval)
    followed.close()


async def _first(stop: asyncio.Event, wake: asyncio.Event | None, seconds: float) -> None:
    """Wait until an event is set, at most so long."""
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, wake) if event is not None]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class Jobs(Generic[Key, Result]):
    """Long computations in background threads, at most `parallel` at once, the urgent ones first; each has a key.

    With `inline` a job is done where it is started: for tests that step an agent round by round.
    """

    def __init__(self, *, inline: bool = False, parallel: int = 1) -> None:
        self._inline = inline
        self._parallel = parallel
        self._turn = threading.Condition()
        self._waiting: dict[Key, Callable[[], Result]] = {}
        self._urgent: set[Key] = set()
        self._done: queue.SimpleQueue[tuple[Key, Result | BaseException]] = queue.SimpleQueue()
        self._started: set[Key] = set()
        self._threads: list[threading.Thread] = []
        self.wake: Callable[[], object] = lambda: None

    def start(self, key: Key, compute: Callable[[], Result], *, urgent: bool = False) -> bool:
        """Have `compute` done; False if a job of that name is under way, which may become urgent by this."""
        with self._turn:
            if urgent:
                self._urgent.add(key)
            if key in self._started:
                return False
            self._started.add(key)
            if not self._inline:
                self._waiting[key] = compute
                self._turn.notify()
        if self._inline:
            self._compute(key, compute)
        elif len(self._threads) < self._parallel:
            # A daemon: an agent that is told to stop does not wait for an inference.
            # In the context of whoever started it, who may listen to how far it is.
            self._threads.append(threading.Thread(target=copy_context().run, args=(self._work,), daemon=True))
            self._threads[-1].start()
        return True

    @property
    def waiting(self) -> int:
        """Jobs that are queued or under way."""
        return len(self._started)

    def collect(self) -> list[tuple[Key, Result]]:
        """What was finished since the last time. An error of a job is raised here."""
        found = []
        while not self._done.empty():
            key, result = self._done.get()
            with self._turn:
                self._started.discard(key)
                self._urgent.discard(key)
            if isinstance(result, BaseException):
                raise result
            found.append((key, result))
        return found

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting)
                key = next((k for k in self._waiting if k in self._urgent), None) or next(iter(self._waiting))
                compute = self._waiting.pop(key)
            self._compute(key, compute)

    def _compute(self, key: Key, compute: Callable[[], Result]) -> None:
        try:
            self._done.put((key, compute()))
        except BaseException as error:  # raised again by `collect`, in the agent's own thread
            self._done.put((key, error))
        self.wake()


def hexed(value: Any) -> str:
    """An id as people and logs see it."""
    return "0x" + bytes(value).hex()
