"""Disputes with messages: quicker with a broker, won all the same without one, and whatever it delivers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts.messages import kinds
from contracts.messages.embedded import EmbeddedBroker
from contracts.messages.envelope import Domain
from prover.game.adversaries import LyingDefender
from prover.game.moves import Move
from prover.game.position import Position
from prover.game.simulator import Opens
from prover.trace import Execution
from tests.messages.mosquitto import Mosquitto
from tests.messages.party import ACCOUNTS, eventually, throw
from tests.messages.table import Table

NEVER = 3_600.0
"""Seconds between looks at the chain, of agents that have to be woken."""


@pytest.fixture
def table(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Table]:
    held = Table(tmp_path / "models", mosquitto.url)
    yield held
    held.leave()


class Paced:
    """A defender that makes as many moves as the test permits."""

    def __init__(self, defender: Opens) -> None:
        self._defender = defender
        self._permits = threading.Semaphore(0)
        self._last: Position | None = None
        self.made = 0

    def answer(self, position: Position) -> Move | None:
        if position != self._last:
            if not self._permits.acquire(blocking=False):
                return None
            self._last = position
            self.made += 1
        return self._defender.answer(position)

    def permit(self, moves: int) -> None:
        """Have so many more moves made."""
        before = self.made
        self._permits.release(moves)
        eventually(lambda: self.made == before + moves)


def test_agents_that_hardly_look_at_the_chain_play_a_whole_dispute(table: Table) -> None:
    """Each move wakes the other side: they follow each other though nobody looks within the hour."""
    executor, watcher = table.executor(interval=NEVER), table.watcher(interval=NEVER)
    request = table.stage.ask()
    table.run(executor, watcher)
    table.wait_won(request)


def test_the_broker_of_a_devnet_does_that_too(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    table = Table(tmp_path / "models", embedded.url)
    try:
        request = table.stage.ask()
        table.run(table.executor(interval=NEVER), table.watcher(interval=NEVER))
        table.wait_won(request)
    finally:
        table.leave()


def test_a_dispute_is_won_though_the_broker_stops_and_starts_in_the_middle(mosquitto: Mosquitto, table: Table) -> None:
    paced: list[Paced] = []

    def defend(execution: Execution) -> Paced:
        paced.append(Paced(LyingDefender(execution)))
        return paced[0]

    request = table.stage.ask()
    table.run(table.executor(defend=defend), table.watcher())
    eventually(lambda: bool(table.stage.disputes_of(request)))
    paced[0].permit(1)
    mosquitto.stop()
    for seat in table.seats:
        seat.log.wait("bus_lost")
    paced[0].permit(1)
    assert not table.won(request)
    mosquitto.start()
    for seat in table.seats:
        seat.log.wait("bus_connected", times=2)
    paced[0].permit(1)
    table.wait_won(request)
    assert not any(event["method"] == "error" for event in table.seats[1].log.events)


def test_a_dispute_is_won_amid_floods_of_messages(mosquitto: Mosquitto, table: Table) -> None:
    request = table.stage.ask()
    executor, watcher = table.executor(), table.watcher()
    domain = Domain(table.stage.chain.id, table.stage.deployment.refute)
    topics = [domain.topics.to(kinds.Moved, seat.client.address) for seat in table.seats]
    moved = kinds.encode(kinds.Moved(bytes(32), bytes(32), "trace", "challenger", 0, 0))
    signed = [(topic, domain.seal(ACCOUNTS[0], topic, 0, moved)) for topic in topics]
    table.run(executor, watcher)
    throw(mosquitto.url, (flood for n in range(1_500) for flood in (*signed, (topics[n % 2], b"?" * n))))
    table.wait_won(request)
    assert all(seat.log.all("message_refused") for seat in table.seats)


def test_a_watcher_asks_the_executor_where_they_differ(table: Table) -> None:
    """The liar's service answers as every executor does; what it gives hashes to what it has put on the chain."""
    request = table.stage.ask()
    with capture_logs() as logs:
        table.run(table.executor(), table.watcher())
        table.wait_won(request)
    (found,) = [event for event in logs if event["event"] == "difference_located"]
    assert (found["layer"], found["operator"], found["element"]) == (0, "dot", 0)
    assert found["theirs"] == found["mine"] + 1
