"""The bus on real brokers: what is said arrives, and what is wrong is refused by name."""

from __future__ import annotations

import pytest

from contracts.messages import kinds
from contracts.messages.embedded import EmbeddedBroker
from tests.messages.mosquitto import Mosquitto
from tests.messages.party import ACCOUNTS, Party

A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))
MOVED = kinds.Moved(A, B, "trace", "challenger", 5, 6)


@pytest.fixture(params=["mosquitto", "embedded"])
def url(request: pytest.FixtureRequest) -> str:
    held: Mosquitto | EmbeddedBroker = request.getfixturevalue(request.param)
    return held.url


def test_a_move_wakes_whose_turn_it_is_and_nobody_else(url: str, party: Party) -> None:
    speaker, other, bystander = (party.join(url, n).connected() for n in range(3))
    speaker.bus.publish(MOVED, ACCOUNTS[1].address)
    assert other.next().message == MOVED
    assert other.woken.acquire(timeout=10)
    speaker.bus.publish(MOVED, ACCOUNTS[2].address)
    assert bystander.next().sender == ACCOUNTS[0].address
    assert other.heard.empty()


def test_an_announcement_reaches_those_who_come_later(url: str, party: Party) -> None:
    said = kinds.Announcement("executor", (A, B), "1")
    first = party.join(url, 0, [kinds.Announcement]).connected()
    first.bus.announce(said)
    assert first.next().message == said
    assert party.join(url, 1, [kinds.Announcement]).next().message == said
