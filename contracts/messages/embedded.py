"""A broker in this process: what a devnet has so that its agents can talk without anything installed.

It speaks MQTT 3.1.1 and has no shared subscriptions. It keeps nothing and asks nobody for a password.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from contracts.devnet_files import HOST
from prover.errors import RefuteError

EVERYWHERE = "0.0.0.0"
_ANYONE = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


class EmbeddedBroker:
    """Serves from `start` to `close`, in a thread of its own.

    Args:
        port: 0: any that is free, then `url` says which.
        host: the address to listen on; whoever reaches it may say anything.
    """

    def __init__(self, port: int = 0, host: str = HOST) -> None:
        self._port = port
        self._host = host
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="broker", daemon=True)

    @property
    def url(self) -> str:
        return f"mqtt://{HOST if self._host == EVERYWHERE else self._host}:{self._port}"

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Serve; RefuteError if the port cannot be opened."""
        # It reports every client that speaks MQTT 5 first as a warning.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise RefuteError(
                f"port {self._port} on {self._host} cannot be opened for the message broker: {self._failure.strerror}; "
                "stop what listens there or choose --broker-port"
            )

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
            server = await asyncio.start_server(connected, self._host, self._port)
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
