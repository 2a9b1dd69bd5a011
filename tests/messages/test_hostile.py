"""Anyone may publish anything: each message is refused by name and counted, and those who mean it are still heard."""

from __future__ import annotations

import time

import msgpack
import numpy as np
import pytest

from contracts.errors import ChainUnavailable
from contracts.messages import exchange, kinds, mqtt
from contracts.messages.broker import Broker
from contracts.messages.bus import NoBus
from contracts.messages.contents import TENSOR, TREE, Contents
from contracts.messages.embedded import EmbeddedBroker
from contracts.messages.envelope import Domain, Reason
from contracts.messages.rates import Rate
from prover.trace import Trace
from tests.messages.mosquitto import Mosquitto
from tests.messages.party import ACCOUNTS, DOMAIN, Party, eventually, refusals, throw

WORD = bytes(32)
SPEAKER, HEARER, OTHER = ACCOUNTS[:3]
MOVED = kinds.Moved(WORD, WORD, "trace", "challenger", 5, 6)
TOPIC = DOMAIN.topics.to(kinds.Moved, HEARER.address)


def sealed(message: kinds.Message = MOVED, seconds: float = 0, domain: Domain = DOMAIN, topic: str = TOPIC) -> bytes:
    return domain.seal(OTHER, topic, int((time.time() + seconds) * 1e6), kinds.encode(message))


def test_each_hostile_message_is_refused_by_name(mosquitto: Mosquitto, party: Party) -> None:
    hearer = party.join(mosquitto.url, 1).connected()
    once = sealed(seconds=1)
    unsigned = msgpack.packb([1, bytes.fromhex(OTHER.address[2:]), int(time.time() * 1e6), b"", b""])
    thrown = [
        b"not a message",
        once[:-10],
        msgpack.packb([2, b"from the future"]),
        unsigned,
        once[:-2] + bytes([once[-2] ^ 1]) + once[-1:],
        sealed(domain=Domain(DOMAIN.chain + 1, DOMAIN.contract)),
        sealed(seconds=-4_000),
        bytes(20_000),
        sealed(kinds.Wanted("tree", WORD)),
        once,
        once,
    ]
    throw(mosquitto.url, [(TOPIC, payload) for payload in thrown], qos=1)
    assert hearer.next().message == MOVED
    eventually(lambda: sum(refusals(hearer).values()) == 10)
    assert refusals(hearer) == {
        Reason.GARBAGE: 1,
        Reason.TRUNCATED: 1,
        Reason.UNKNOWN_VERSION: 1,
        Reason.UNSIGNED: 1,
        Reason.WRONG_SIGNATURE: 2,
        Reason.STALE: 1,
        Reason.OVERSIZED: 1,
        Reason.MALFORMED: 1,
        Reason.REPLAYED: 1,
    }
    said = [event["reason"] for event in hearer.log.all("message_refused")]
    assert sorted(map(str, said)) == sorted(map(str, refusals(hearer))), "each reason is said once a minute"


def test_a_broker_of_mqtt_5_keeps_back_what_is_as_large_as_mqtt_allows(mosquitto: Mosquitto, party: Party) -> None:
    hearer = party.join(mosquitto.url, 1).connected()
    throw(mosquitto.url, [(TOPIC, bytes(268_435_455 - 200)), (TOPIC, sealed())], qos=1)
    assert hearer.next().message == MOVED
    assert refusals(hearer) == {}


def test_an_older_broker_delivers_it_and_it_is_refused(embedded: EmbeddedBroker, party: Party) -> None:
    hearer = party.join(embedded.url, 1).connected()
    throw(embedded.url, [(TOPIC, bytes(8 << 20)), (TOPIC, sealed())], qos=1)
    assert hearer.next().message == MOVED
    assert refusals(hearer) == {Reason.OVERSIZED: 1}


def test_a_flood_is_hung_up_on_and_the_bus_comes_back(
    mosquitto: Mosquitto, party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "FLOOD_PAUSE", 0.2)
    hearer = party.join(mosquitto.url, 1).connected()
    throw(mosquitto.url, ((TOPIC, b"again and again") for _ in range(3_500)))
    assert "floods" in str(hearer.log.wait("bus_lost")["reason"])
    hearer.log.wait("bus_connected", times=2)
    speaker = party.join(mosquitto.url, 0).connected()
    speaker.bus.publish(MOVED, HEARER.address)
    assert hearer.next().sender == SPEAKER.address
    assert hearer.bus.gate.refused[Reason.GARBAGE] <= mqtt.FLOOD.burst * 1.5
    assert len(hearer.log.all("message_refused")) == 1


def test_a_flood_of_honest_messages_wakes_twenty_times_a_second_at_most(mosquitto: Mosquitto, party: Party) -> None:
    hearer = party.join(mosquitto.url, 1).connected()
    hearer.bus.know([OTHER.address])
    begun = time.monotonic()
    throw(mosquitto.url, [(TOPIC, sealed(seconds=n / 1000)) for n in range(50)], qos=1)
    for _ in range(50):
        assert hearer.next()
    woken = 0
    while hearer.woken.acquire(timeout=2 * mqtt.WAKE_GAP):
        woken += 1
    assert 1 <= woken <= (time.monotonic() - begun) / mqtt.WAKE_GAP + 1


def test_who_has_nothing_at_stake_does_not_have_the_chain_looked_at_again_and_again(
    mosquitto: Mosquitto, party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "STRANGERS_WAKES", Rate(1e-9, 2))
    monkeypatch.setattr(mqtt, "WAKE_GAP", 0.0)
    hearer = party.join(mosquitto.url, 1).connected()
    for n in range(5):
        throw(mosquitto.url, [(TOPIC, sealed(seconds=n / 1000))], qos=1)
        assert hearer.next().message == MOVED
    hearer.bus.know([OTHER.address])
    throw(mosquitto.url, [(TOPIC, sealed(seconds=1))], qos=1)
    assert hearer.next().message == MOVED
    woken = 0
    while hearer.woken.acquire(timeout=0.1):
        woken += 1
    assert woken == 3, "twice for a stranger, and again for one who has"


def test_a_small_question_does_not_have_much_said_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "ANSWERS", Rate(1e-9, 3_000))
    contents, said = Contents(), list[kinds.Message]()
    trace = Trace.commit([[np.arange(1_000, dtype="<i1")]])
    contents.offer(trace)
    bus = NoBus()
    monkeypatch.setattr(bus, "publish", lambda message, to: said.append(message))
    giver = exchange.Exchange(bus, contents)
    for _ in range(5):
        giver.asked(OTHER.address, kinds.Wanted(TENSOR, trace.roots[0][0]))
    assert len(said) == 3


def test_what_nobody_asked_for_or_does_not_hash_right_is_not_taken(mosquitto: Mosquitto, party: Party) -> None:
    asker, liar = party.join(mosquitto.url, 1).connected(), party.join(mosquitto.url, 2, [kinds.Wanted]).connected()
    lie = kinds.Content(TREE, WORD, bytes(64))
    liar.bus.publish(lie, HEARER.address)
    eventually(lambda: refusals(asker) == {Reason.UNASKED: 1})
    liar.bus.hear(kinds.Wanted, lambda received: liar.bus.publish(lie, received.sender))
    assert asker.bus.ask(OTHER.address, TREE, WORD) is None
    assert refusals(asker) == {Reason.UNASKED: 1, Reason.MALFORMED: 1}


def test_a_signer_that_fails_loses_its_messages_and_nothing_else(mosquitto: Mosquitto, party: Party) -> None:
    speaker = party.join(Broker(mosquitto.url, "127.0.0.1", mosquitto.port), 0)
    hearer = party.join(mosquitto.url, 1).connected()
    speaker.connected()
    signer, speaker.bus._signer = speaker.bus._signer, Unwilling()  # type: ignore[assignment]
    speaker.bus.publish(MOVED, HEARER.address)
    assert "a person said no" in str(speaker.log.wait("message_not_signed")["reason"])
    speaker.bus._signer = signer
    speaker.bus.publish(MOVED, HEARER.address)
    assert hearer.next().sender == SPEAKER.address


class Unwilling:
    """A remote signer that does not sign."""

    address = SPEAKER.address

    def sign_typed_data(self, *, full_message: object) -> None:
        raise ChainUnavailable("a person said no")
