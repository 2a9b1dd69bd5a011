"""Checks a broker as an agent would use it: one gets in, hears what one says, and how long that takes."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

from aiomqtt import MqttError

from contracts.errors import WrongSetup
from contracts.messages.broker import Broker
from contracts.messages.connection import connected

SECONDS = 10.0


@dataclass(frozen=True)
class BrokerState:
    """What a broker can do; `str` of it is for a person."""

    url: str
    new: bool
    """Whether it speaks MQTT 5."""
    encrypted: bool
    round_trip: float
    """Seconds from saying to hearing."""

    def __str__(self) -> str:
        version = "MQTT 5, shared subscriptions" if self.new else "MQTT 3.1.1, no shared subscriptions"
        safety = "encrypted" if self.encrypted else "not encrypted"
        return f"{self.url}: {version}, {safety}, {self.round_trip * 1000:.1f} ms from saying to hearing"


def inspect(broker: Broker) -> BrokerState:
    """What a broker can do; WrongSetup says why it is of no use and what to do about it."""
    try:
        return asyncio.run(asyncio.wait_for(_check(broker), SECONDS))
    except TimeoutError:
        raise WrongSetup(
            f"the broker at {broker.url} does not hand on what it is given; let its users read and write refute/#"
        ) from None
    except (MqttError, OSError) as error:
        raise WrongSetup(
            f"the broker at {broker.url} does not let this agent in: {error}; agents work without one, but slower: "
            "start it, or put --broker, its user, password and CA right, or give --broker none"
        ) from error


async def _check(broker: Broker) -> BrokerState:
    topic, word = f"refute/doctor/{secrets.token_hex(8)}", secrets.token_bytes(8)
    async with connected(broker, "refute-doctor") as connection:
        await connection.subscribe([topic])
        begun = time.monotonic()
        await connection.publish(topic, word)
        async for message in connection.client.messages:
            if message.payload == word:
                break
        return BrokerState(broker.url, connection.new, broker.tls is not None, time.monotonic() - begun)
