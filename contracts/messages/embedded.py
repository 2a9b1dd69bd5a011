"""A broker in this process, on loopback: what a devnet has so that its agents can talk without anything installed.

It speaks MQTT 3.1.1 and has no shared subscriptions. It keeps nothing and asks nobody for a password.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from prover.errors import RefuteError

HOST = "127.0.0.1"
_ANYONE = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


class EmbeddedBroker:
    """Serves from `start` to `close`, in a thread of its own.

    Args:
        port: on loopback; 0: any that is free, then `url` says which.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="broker", daemon=True)

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self._port}"

    def start(self) -> None:
        """Serve; RefuteError if the port cannot be opened."""
        # It reports every client that speaks MQTT 5 first as a warning.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise RefuteError(f"port {self._port} on {HOST} cannot be opened: {self._failure.strerror}")

    def close(self) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        listeners = {"default": ListenerConfig(type=ListenerType.EXTERNAL)}
        broker = Broker(BrokerConfig(listeners=listeners, plugins=dict(_ANYONE)))

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), "default")

        try:
            server = await asyncio.start_server(connected, HOST, self._port)
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        await broker.start()
        self._started.set()
        await self._stop.wait()
        server.close()
        await broker.shutdown()
