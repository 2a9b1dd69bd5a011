"""Serves an agent's page, metrics and health over HTTP; it reads the latest report and changes nothing."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from contracts.client import Client
from contracts.errors import ChainUnavailable, WrongSetup
from contracts.service import metrics
from contracts.service.explorer import view
from contracts.service.explorer.view import Programs
from contracts.service.feed import Feed
from contracts.service.walk import Stage, read_stages
from contracts.snapshot import DisputeStatus

PAGE = Path(__file__).parent / "page"
FILES = {"/": "index.html", "/explorer.css": "explorer.css", "/explorer.js": "explorer.js"}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
STALE = 60.0
"""Seconds without a round after which an agent is no longer ready; after ten times that it is no longer healthy."""
_DISPUTE = re.compile(r"/api/dispute/0x([0-9a-f]{64})")
_SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class Explorer:
    """Answers what the page asks for.

    Args:
        client: to read a dispute's transactions with.
        feed: the agent's reports.
        programs: of models, for the names of layers and operators.
    """

    def __init__(self, client: Client, feed: Feed, programs: Programs) -> None:
        self._client, self._feed, self._programs = client, feed, programs
        self._begun = time.monotonic()
        self._turn = threading.Lock()
        self._walks: dict[bytes, tuple[object, list[Stage]]] = {}

    def answer(self, path: str) -> Answer:
        """What a GET of a path gives."""
        if path in FILES:
            file = PAGE / FILES[path]
            return 200, f"{TYPES[file.suffix]}; charset=utf-8", file.read_bytes()
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", metrics.exposition(self._feed)
        if path == "/healthz":
            return self._health(10 * STALE)
        if path == "/readyz":
            return self._health(STALE)
        if path == "/api/state":
            report = self._feed.latest
            return _json(503, {"error": "no round yet"}) if report is None else _json(200, view.state(report))
        found = _DISPUTE.fullmatch(path)
        return self._dispute(bytes.fromhex(found[1])) if found else _json(404, {"error": "there is nothing here"})

    def _health(self, longest: float) -> Answer:
        report = self._feed.latest
        age = time.monotonic() - (report.at if report is not None else self._begun)
        good = age <= longest and (report is not None or longest > STALE)
        block = report.snapshot.block if report is not None else None
        return _json(200 if good else 503, {"ok": good, "block": block, "secondsSinceRound": round(age, 1)})

    def _dispute(self, id: bytes) -> Answer:
        report = self._feed.latest
        held = report.snapshot.disputes.get(id) if report is not None else None
        if report is None or held is None:
            return _json(404, {"error": f"there is no dispute 0x{id.hex()} on this chain"})
        state = (held.position, held.status, held.deadline)
        with self._turn:
            known = self._walks.get(id)
            if known is None or known[0] != state:
                first = self._client.deployment.block
                try:
                    stages = read_stages(self._client, id, first, report.snapshot.block)
                except (ChainUnavailable, WrongSetup) as error:
                    return _json(503, {"error": str(error)})
                known = self._walks[id] = state, stages
                if held.status is DisputeStatus.ACTIVE:
                    self._walks = {k: v for k, v in self._walks.items() if k in report.snapshot.disputes}
        return _json(200, view.dispute(held, report, known[1], self._programs))


def _json(status: int, content: Any) -> Answer:
    return status, "application/json", json.dumps(content).encode()


class HttpServer:
    """An HTTP server for GET requests, in threads of its own; WrongSetup if the address cannot be had."""

    def __init__(self, where: str, answer: Callable[[str], Answer]) -> None:
        host, port = parse_address(where)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            server_version, sys_version = "refute", ""

            def do_GET(self) -> None:
                status, kind, body = answer(self.path.split("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in _SAFE.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise WrongSetup(f"--http: {where} cannot be opened: {error}; choose another HOST:PORT") from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, or of a port on loopback; WrongSetup if it is neither."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise WrongSetup(f"--http: {text!r} is no HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]") or "127.0.0.1", int(port)
