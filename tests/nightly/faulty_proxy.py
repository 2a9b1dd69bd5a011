"""A proxy in front of a node that fails as told: it drops connections, answers 500 or garbage, or is slow."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

FAULTS = ("drop", "error", "garbage", "slow")
SLOW = 0.4
"""Seconds by which a slow answer is late."""


class FaultyProxy:
    """Serves on loopback until closed. `fault` is one of FAULTS, or None: it passes everything on."""

    def __init__(self, target: str) -> None:
        self.fault: str | None = None
        proxy, session = self, threading.local()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body, fault = self.rfile.read(int(self.headers["Content-Length"])), proxy.fault
                if fault == "drop":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if fault in ("error", "garbage"):
                    self._reply(500 if fault == "error" else 200, b"<html>")
                    return
                if fault == "slow":
                    time.sleep(SLOW)
                if not hasattr(session, "held"):
                    session.held = requests.Session()
                answer = session.held.post(target, data=body, headers={"Content-Type": "application/json"}, timeout=60)
                self._reply(answer.status_code, answer.content)

            def _reply(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
