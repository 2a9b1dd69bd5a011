"""New blocks as a node announces them over a WebSocket, so that an agent need not wait for its next look."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence

import structlog
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from contracts.urls import without_secrets

LONGEST_REST = 60.0
_SUBSCRIBE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
_log = structlog.get_logger()


class Heads:
    """Calls `wake` at every new block, from threads of its own, one for each URL.

    It is a convenience: an agent looks at the chain every `interval` seconds all the same, so a node that is gone,
    silent or wrong costs it nothing but that wait.
    """

    def __init__(self, urls: Sequence[str], wake: Callable[[], object]) -> None:
        self._wake = wake
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=(url,), daemon=True) for url in urls]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()

    def _follow(self, url: str) -> None:
        rest = 1.0
        while not self._stop.is_set():
            try:
                with connect(url, open_timeout=10, max_size=1 << 20) as socket:
                    socket.send(_SUBSCRIBE)
                    if "result" not in json.loads(socket.recv(timeout=10)):
                        raise ValueError("it takes no subscriptions")
                    _log.info("heads_followed", url=without_secrets(url))
                    rest = 1.0
                    for _message in socket:
                        if self._stop.is_set():
                            return
                        self._wake()
                reason = "it closed the connection"
            except (OSError, WebSocketException, ValueError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            _log.warning("heads_lost", url=without_secrets(url), reason=reason)
            self._stop.wait(rest)
            rest = min(2 * rest, LONGEST_REST)
