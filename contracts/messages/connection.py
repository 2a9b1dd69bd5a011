"""One connection to a broker: MQTT 5, or 3.1.1 if the broker knows only that."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt
from aiomqtt import ProtocolVersion
from aiomqtt.exceptions import MqttConnectError, MqttError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contracts.messages.broker import Broker
from contracts.messages.topics import LARGEST

CONFIRMED = 10.0
"""Seconds that a broker has to confirm what it is given."""
KEEPALIVE = 15
QUEUE = 256
_UNSUPPORTED = 132
_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)

_quiet = logging.getLogger("refute.mqtt")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


@dataclass(frozen=True)
class Connection:
    """An open connection. Whatever happens to it is an MqttError."""

    client: aiomqtt.Client
    new: bool
    """Whether it speaks MQTT 5, and so has shared subscriptions and is sent nothing oversized."""

    async def subscribe(self, filters: list[str]) -> None:
        await self.client.subscribe([(topic, 1) for topic in filters])

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Give the broker a message; it has confirmed that it has it."""
        await self.client.publish(topic, payload, qos=1, retain=retain)


@asynccontextmanager
async def connected(broker: Broker, name: str) -> AsyncIterator[Connection]:
    """A connection under a name of which no other client can know the end, and so cannot take it over."""
    asyncio.get_running_loop().set_exception_handler(_pass_over_losses)
    identifier = f"{name}-{secrets.token_hex(4)}"
    new = await _speaks_5(broker, identifier)
    client = _client(broker, identifier, new, limited=new)
    await client.__aenter__()
    try:
        yield Connection(client, new)
    finally:
        # Leaving raises anew whatever the connection was lost by: an error of the network, or of any code that read
        # what a hostile broker sent. Whoever was listening has been told.
        with suppress(Exception):
            await client.__aexit__(None, None, None)


def _pass_over_losses(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A broker that goes at the wrong moment leaves the library waiting for a closed socket, or with a loss that nobody
    asks about; the loop would print a traceback of it. Whoever was listening has been told."""
    if not isinstance(context.get("exception"), OSError | MqttError):
        loop.default_exception_handler(context)


async def _speaks_5(broker: Broker, identifier: str) -> bool:
    """Whether a broker takes MQTT 5. It is asked without properties, which older brokers stumble over."""
    try:
        async with _client(broker, identifier, new=True, limited=False):
            return True
    except MqttConnectError as error:
        code = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
        if code != _UNSUPPORTED:
            raise
        return False


def _client(broker: Broker, identifier: str, new: bool, *, limited: bool) -> aiomqtt.Client:
    properties: Any = None
    if limited:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = LARGEST + 1024  # a packet has its topic in it, too
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=broker.password,
        identifier=identifier,
        protocol=ProtocolVersion.V5 if new else ProtocolVersion.V311,
        clean_session=None if new else True,
        properties=properties,
        tls_context=broker.tls,
        keepalive=KEEPALIVE,
        timeout=CONFIRMED,
        max_queued_incoming_messages=QUEUE,
        socket_options=_AT_ONCE,
        logger=_quiet,
    )
