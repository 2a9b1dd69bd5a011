"""Brokers for the tests of messages, and buses on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.messages import connection
from contracts.messages.embedded import EmbeddedBroker
from tests.messages.mosquitto import Mosquitto
from tests.messages.party import Party


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def party() -> Iterator[Party]:
    held = Party()
    yield held
    held.leave()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buses that do not wait long for brokers that say nothing."""
    monkeypatch.setattr(connection, "CONFIRMED", 0.3)
