"""The bus on real brokers: what is said arrives, and what is wrong is refused by name."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from aiomqtt import MqttError

from contracts.messages import broker, kinds
from contracts.messages.connection import connected
from contracts.messages.contents import TENSOR, TREE, items
from contracts.messages.embedded import EmbeddedBroker
from contracts.messages.envelope import Reason
from contracts.messages.mqtt import OUTBOX
from prover.trace import Trace
from tests.messages.mosquitto import Mosquitto, free_port
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


def test_a_part_of_a_trace_is_asked_for_and_given(url: str, party: Party) -> None:
    trace = Trace.commit([[np.arange(600, dtype="<i4")], [np.arange(3, dtype="<i2"), np.arange(4, dtype="<i1")]])
    giver, asker = party.join(url, 0).connected(), party.join(url, 1).connected()
    giver.bus.offer(trace)
    layers = asker.bus.ask(ACCOUNTS[0].address, TREE, trace.root)
    assert layers is not None
    assert items(layers) == list(trace.slots_roots)
    assert asker.bus.ask(ACCOUNTS[0].address, TREE, trace.slots_roots[1]) == b"".join(trace.roots[1])
    assert asker.bus.ask(ACCOUNTS[0].address, TENSOR, trace.roots[0][0]) == np.arange(600, dtype="<i4").tobytes()


def test_a_broker_that_goes_away_is_come_back_to(mosquitto: Mosquitto, party: Party) -> None:
    speaker, hearer = party.join(mosquitto.url, 0).connected(), party.join(mosquitto.url, 1).connected()
    mosquitto.stop()
    speaker.log.wait("bus_lost")
    hearer.log.wait("bus_lost")
    speaker.bus.publish(MOVED, ACCOUNTS[1].address)
    assert hearer.bus.ask(ACCOUNTS[0].address, TREE, A) is None, "at once"
    mosquitto.start()
    hearer.log.wait("bus_connected", times=2)
    speaker.log.wait("bus_connected", times=2)
    speaker.bus.publish(MOVED, ACCOUNTS[1].address)
    assert hearer.next().message == MOVED


def test_a_sender_whose_clock_jumped_ahead_and_back_is_heard_again(
    url: str, party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = party.join(url, 0).connected(), party.join(url, 1).connected()
    now = time.time_ns
    with monkeypatch.context() as wrong:
        wrong.setattr(time, "time_ns", lambda: now() + 24 * 3600 * 10**9)
        sender.bus.publish(MOVED, ACCOUNTS[1].address)
        assert receiver.log.wait("message_refused")["reason"] == Reason.STALE
    sender.bus.publish(MOVED, ACCOUNTS[1].address)
    assert receiver.next().message == MOVED


def test_what_is_said_to_no_broker_waits_in_a_bounded_queue(party: Party) -> None:
    alone = party.join(f"mqtt://127.0.0.1:{free_port()}")
    alone.log.wait("bus_lost")
    for _ in range(OUTBOX + 5):
        alone.bus.publish(MOVED, ACCOUNTS[1].address)
    assert alone.bus.dropped == 5
    assert len(alone.log.all("bus_lost")) == 1, "said once, however often it is tried"


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_never_answers_delays_nobody(party: Party) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ears = party.join(f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        ears.bus.publish(MOVED, ACCOUNTS[1].address)
        assert ears.bus.ask(ACCOUNTS[1].address, TREE, A) is None
        ears.bus.close(0.1)
        assert time.monotonic() - begun < 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer", [b"\x20\x02\x00\x00", b"\x20\x03\x00\x00\x00" + b"\xff" * 500, b"HTTP/1.1 400\r\n\r\n"]
)
def test_a_broker_that_speaks_nonsense_is_lost_by_name(party: Party, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with server.accept()[0] as one:
                one.recv(100)
                one.sendall(answer)

        broker = threading.Thread(target=talk)
        broker.start()
        ears = party.join(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        broker.join()
    ears.log.wait("bus_lost")
    assert not ears.log.all("bus_ended")


WELCOME = b"\x20\x03\x00\x00\x00"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "sent",
    [
        b"\x30\x05\x00\x01\xff\x00x",  # a topic that is no text
        b"\x30\x02\x00\x50",  # a topic longer than its packet
        b"\x30\x06\x00\x01a\xff\xff\xff",  # properties without end
        b"\x90\x01\x00",
        b"\xf0\x00",
        b"\x00\x00",
        b"\x30\xff\xff\xff\xff\xff",
        bytes(range(256)) * 40,
    ],
)
def test_a_broker_that_lets_in_and_then_speaks_nonsense_is_lost_by_name(party: Party, sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as one:
                        one.recv(1_000)
                        one.sendall(WELCOME)
                        one.recv(1_000)  # it leaves, having learnt what is spoken here, or it subscribes
                        one.sendall(sent)
                        one.recv(1_000)

        threading.Thread(target=talk, daemon=True).start()
        ears = party.join(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        ears.log.wait("bus_lost")
        ears.bus.close(5)
    assert not ears.log.all("bus_ended")


def test_what_the_library_leaves_of_a_lost_connection_is_passed_over_and_a_fault_is_not(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that ends right after it let one in: the library still wants to write to a socket that is closed."""
    gc.collect()
    caplog.clear()

    async def lose(*more: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        async with connected(broker.read(mosquitto.url), "agent"):
            with socket.socket() as gone:
                loop.call_soon(loop.add_writer, gone.fileno(), print)
            loop.create_future().set_exception(MqttError("nobody asks"))
            for call in more:
                loop.call_soon(call)
            await asyncio.sleep(0)

    asyncio.run(lose())
    assert caplog.records == []
    asyncio.run(lose(lambda: [][0]))
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [IndexError]
