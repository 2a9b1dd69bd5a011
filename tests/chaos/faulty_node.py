"""A node that misbehaves: an HTTP server in front of a real one, which spoils the answers that it is told to spoil."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests


class Fault(StrEnum):
    """What becomes of one request."""

    DROPPED = "the connection is closed; the node never sees the request"
    LOST = "the node does what it is asked; its answer is lost"
    BROKEN = "HTTP status 500"
    GARBAGE = "an answer that is no JSON"
    TRUNCATED = "half of an answer"
    STRANGER = "the answer to another request"
    EMPTY = "JSON, but no JSON-RPC"
    SLOW = "the answer, late"
    SILENT = "no answer, and the connection stays open"


Draw = Callable[[str], Fault | None]
"""What is to become of a request, by its method."""

MIXED_UP = 1 << 40
"""Far from every id that a client gives a request."""


def well(method: str) -> None:
    """Everything works."""


class FaultyNode:
    """Listens on a free loopback port in front of the node at `behind`; `draw` may be set at any time.

    Args:
        late: seconds by which a slow answer is late.
    """

    def __init__(self, behind: str, late: float = 1.0) -> None:
        self.draw: Draw = well
        self.spoilt: Counter[Fault] = Counter()
        self._last: dict[str, Any] = {"jsonrpc": "2.0", "result": "0x"}
        self._over = threading.Event()
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fault = node.draw(json.loads(body)["method"])
                if fault is not None:
                    node.spoilt[fault] += 1
                match fault:
                    case Fault.DROPPED:
                        self.close_connection = True
                    case Fault.SILENT:
                        node._over.wait()
                        self.close_connection = True
                    case Fault.BROKEN:
                        self._answer(b"upstream is down", status=500)
                    case Fault.GARBAGE:
                        self._answer(b"<html>\xff\xfe</html>")
                    case Fault.EMPTY:
                        self._answer(b'{"fine": true}')
                    case _:
                        self._forward(body, fault)

            def _forward(self, body: bytes, fault: Fault | None) -> None:
                if fault is Fault.SLOW:
                    node._over.wait(late)
                headers = {"Content-Type": "application/json"}
                try:
                    answer = requests.post(behind, body, headers=headers, timeout=30).content
                except requests.ConnectionError:  # the node behind is gone
                    self.close_connection = True
                    return
                if fault is Fault.LOST:
                    self.close_connection = True
                elif fault is Fault.TRUNCATED:
                    self._answer(answer[: len(answer) // 2], length=len(answer))
                    self.close_connection = True
                elif fault is Fault.STRANGER:
                    self._answer(json.dumps(node._last | {"id": MIXED_UP}).encode())
                else:
                    node._last = json.loads(answer)
                    self._answer(answer)

            def _answer(self, body: bytes, status: int = 200, length: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing: what is spoilt is counted."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hung up: it was killed, or gave up waiting."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
