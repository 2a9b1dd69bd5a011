"""What goes wrong while disputes are played, each at moments that are drawn from a seed.

One more kind is one more class with `step` and `end`, and one more entry in `chaos.Chaos.disturbances`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from deploy.anvil import AnvilProcess
from deploy.processes import Agent, Agents
from prover.errors import RefuteError
from tests.chaos.faulty_node import Fault, FaultyNode, well
from tests.messages.mosquitto import Mosquitto


class Disturbance(Protocol):
    """`step` is called again and again, and disturbs when its moment has come; after `end` all is well again."""

    name: str
    times: int

    def step(self) -> None: ...

    def end(self) -> None: ...


UNREACHABLE = "no chain answers", "the chain gave no answer"
"""With one of these an agent ends that cannot reach the chain when it is started. Later it must wait."""

AT_WORK = '"agent":'
"""Every event of an agent at work carries this name."""


class Kills:
    """SIGKILL to one agent, which is started again at once, whenever it has sent some more transactions.

    `sent` counts those it has sent so far: so each kill lies in the middle of its games, often with something on its
    way, however fast or slow the machine is. As a supervisor does, it starts an agent again that found no chain.
    """

    def __init__(
        self,
        agents: Agents,
        name: str,
        module: str,
        arguments: Sequence[str],
        sent: Callable[[], int],
        every: tuple[int, int],
        rng: Random,
    ) -> None:
        self.name = f"kills of the {name}"
        self.times = 0
        self._agents, self._agent_name, self._module, self._arguments = agents, name, module, arguments
        self._sent, self._every, self._rng = sent, every, rng
        self._ended = False
        self.lives: list[Agent] = []
        self._start()
        self._due = self._rng.randint(*every)

    def _start(self) -> None:
        self.lives.append(self._agents.start(f"{self._agent_name}-{len(self.lives)}", self._module, *self._arguments))

    def step(self) -> None:
        """RefuteError if the agent has ended by itself, for another reason than that it could not begin."""
        try:
            self.lives[-1].require_running()
        except RefuteError as ended:
            if not any(said in str(ended) for said in UNREACHABLE) or AT_WORK in self.lives[-1].log.read_text():
                raise
            self._start()
        if self._ended or self._sent() < self._due:
            return
        # Up to the time of a block: what was sent is mined, or is not.
        time.sleep(self._rng.random())
        self._agents.kill(self.lives[-1])
        self.times += 1
        self._start()
        self._due = self._sent() + self._rng.randint(*self._every)

    def end(self) -> None:
        self._ended = True


class Outages:
    """A node that spoils a few answers all the time, and nearly all of them now and then for some seconds."""

    FAULTS = (
        Fault.DROPPED,
        Fault.LOST,
        Fault.BROKEN,
        Fault.GARBAGE,
        Fault.TRUNCATED,
        Fault.EMPTY,
        Fault.STRANGER,
        Fault.SLOW,
    )

    def __init__(
        self,
        name: str,
        node: FaultyNode,
        rng: Random,
        share: float = 0.02,
        between: tuple[float, float] = (3, 10),
        lasting: tuple[float, float] = (0.3, 3),
    ) -> None:
        self.name = f"outages of {name}"
        self.times = 0
        self._node, self._rng, self._share, self._between, self._lasting = node, rng, share, between, lasting
        self._until = time.monotonic() + rng.uniform(*between)
        self._out = False
        self._now_and_then()

    def _now_and_then(self) -> None:
        self._node.draw = lambda method: self._rng.choice(self.FAULTS) if self._rng.random() < self._share else None

    def step(self) -> None:
        if time.monotonic() < self._until:
            return
        self._out = not self._out
        if self._out:
            fault = self._rng.choice(self.FAULTS)
            self._node.draw = lambda method: fault if self._rng.random() < 0.9 else None
            self.times += 1
        else:
            self._now_and_then()
        self._until = time.monotonic() + self._rng.uniform(*(self._lasting if self._out else self._between))

    def end(self) -> None:
        self._node.draw = well


class BrokerStops:
    """A broker that ends now and then, and is back on its port some seconds later, with all that it kept lost."""

    def __init__(
        self,
        broker: Mosquitto,
        rng: Random,
        between: tuple[float, float] = (2, 8),
        lasting: tuple[float, float] = (0.5, 4),
    ) -> None:
        self.name = "stops of the broker"
        self.times = 0
        self._broker, self._rng, self._between, self._lasting = broker, rng, between, lasting
        self._gone = False
        self._until = time.monotonic() + rng.uniform(*between)

    def step(self) -> None:
        if time.monotonic() < self._until:
            return
        if self._gone:
            self._broker.start()
        else:
            self._broker.stop()
            self.times += 1
        self._gone = not self._gone
        self._until = time.monotonic() + self._rng.uniform(*(self._lasting if self._gone else self._between))

    def end(self) -> None:
        if self._gone:
            self._broker.start()
        self._gone, self._until = False, float("inf")


class Spells:
    """Something that happens to the whole chain now and then."""

    def __init__(self, name: str, happen: Callable[[Random], None], rng: Random, between: tuple[float, float]) -> None:
        self.name = name
        self.times = 0
        self._happen, self._rng, self._between = happen, rng, between
        self._due = time.monotonic() + rng.uniform(*between)

    def step(self) -> None:
        if time.monotonic() >= self._due:
            self._happen(self._rng)
            self.times += 1
            self._due = time.monotonic() + self._rng.uniform(*self._between)

    def end(self) -> None:
        self._due = float("inf")


MOST_BASE_FEE = 90 * 10**9
"""Wei per gas, below what the deployment's tariffs are made for."""


def dear_gas(node: AnvilProcess) -> Callable[[Random], None]:
    """The base fee jumps, and falls again block by block: what was sent for less does not get into a block."""

    def happen(rng: Random) -> None:
        now = int(node.ask("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        node.ask("anvil_setNextBlockBaseFeePerGas", hex(min(int(now * rng.uniform(3, 30)) + 10**9, MOST_BASE_FEE)))

    return happen


def reorganisation(node: AnvilProcess) -> Callable[[Random], None]:
    """The last blocks are replaced by empty ones, and their transactions are gone."""

    def happen(rng: Random) -> None:
        node.ask("anvil_reorg", rng.randint(1, 3), [])

    return happen
