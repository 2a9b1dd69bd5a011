"""Serves an agent's page, metrics and health over HTTP; it reads the latest report and changes nothing."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import structlog

from contracts.client import Client
from contracts.errors import ChainUnavailable, WrongSetup
from contracts.service import metrics
from contracts.service.explorer import view
from contracts.service.explorer.view import Programs
from contracts.service.feed import Feed, Report
from contracts.service.walk import Stage, read_stages
from contracts.snapshot import DisputeView

PAGE = Path(__file__).parent / "page"
FILES = {"/": "index.html"} | {f"/{name}": name for name in ("explorer.css", "explorer.js", "descent.js")}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
STALE = 60.0
"""Seconds without a round after which an agent is no longer ready; after ten times that it is no longer healthy."""
CONNECTIONS = 64
"""Connections at once."""
WALKS = 64
"""Disputes whose transactions are kept in memory."""
READS = 20
"""Disputes that may be read from the chain at once; after that one a second: strangers must not use up the nodes."""
PATIENCE = 5.0
"""Seconds that a request waits for another one's reading of the chain."""
_DISPUTE = re.compile(r"/api/dispute/0x([0-9a-f]{64})")
_SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_OWN = ("same-origin", "none")
"""What a browser says where the page itself, or a person, asks."""

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class Explorer:
    """Answers what the page asks for.

    Args:
        client: to read a dispute's transactions with.
        feed: the agent's reports.
        programs: of models, for the names of layers and operators.
        clock: gives monotonic seconds.
    """

    def __init__(
        self, client: Client, feed: Feed, programs: Programs, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._feed, self._programs, self._clock = client, feed, programs, clock
        self._begun = clock()
        self._turn = threading.Lock()
        self._walks: dict[bytes, tuple[object, list[Stage]]] = {}
        self._reads, self._refilled = float(READS), self._begun

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
        age = self._clock() - (report.at if report is not None else self._begun)
        good = age <= longest and (report is not None or longest > STALE)
        block = report.snapshot.block if report is not None else None
        return _json(200 if good else 503, {"ok": good, "block": block, "secondsSinceRound": round(age, 1)})

    def _dispute(self, id: bytes) -> Answer:
        report = self._feed.latest
        held = report.snapshot.disputes.get(id) if report is not None else None
        if report is None or held is None:
            return _json(404, {"error": f"there is no dispute 0x{id.hex()} on this chain"})
        if not self._turn.acquire(timeout=PATIENCE):
            return _BUSY
        try:
            stages = self._stages(held, report)
        except (ChainUnavailable, WrongSetup) as error:
            structlog.get_logger().warning("walk_not_read", dispute="0x" + id.hex(), reason=str(error))
            return _json(503, {"error": "the chain cannot be read now; this agent's log says why"})
        finally:
            self._turn.release()
        return _BUSY if stages is None else _json(200, view.dispute(held, report, stages, self._programs))

    def _stages(self, held: DisputeView, report: Report) -> list[Stage] | None:
        """The stages of a dispute as it stands; None if too many were read of late."""
        state, known = (held.position, held.status, held.deadline), self._walks.get(held.id)
        if known is not None and known[0] == state:
            return known[1]
        now = self._clock()
        self._reads, self._refilled = min(READS, self._reads + now - self._refilled), now
        if self._reads < 1:
            return None
        self._reads -= 1
        stages = read_stages(self._client, held.id, self._client.deployment.block, report.snapshot.block)
        self._walks[held.id] = state, stages
        while len(self._walks) > WALKS:
            self._walks.pop(next(iter(self._walks)))
        return stages


def _json(status: int, content: Any) -> Answer:
    return status, "application/json", json.dumps(content).encode()


_BUSY = _json(503, {"error": "too many disputes are asked for; wait a few seconds"})


class _Handler(BaseHTTPRequestHandler):
    """One connection. Only GET and HEAD; a request with a body ends the connection, so that none hides in it."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # a line that names none is answered with a status, too
    timeout = 30
    server_version, sys_version = "refute", ""
    answer: Callable[[str], Answer]

    def do_GET(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True
        path = self.path.split("?")[0]
        if path.startswith("/api/") and self.headers.get("Sec-Fetch-Site", "same-origin") not in _OWN:
            return self._send(*_json(403, {"error": "another site's page asks for this"}))
        try:
            answer = self.answer(path)
        except Exception as error:
            structlog.get_logger().warning(
                "http_failed", path=ascii(path[:200]), reason=f"{type(error).__name__}: {error}"
            )
            answer = _json(500, {"error": "this agent could not answer; its log says why"})
        self._send(*answer)

    do_HEAD = do_GET  # noqa: N815

    def refuse(self) -> None:
        self.close_connection = True
        self._send(*_json(405, {"error": f"this page only reads; there is no {self.command}"}))

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = refuse  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class finds wrong with a request, such as its size."""
        self.close_connection = True
        self._send(*_json(code, {"error": message or self.responses[HTTPStatus(code)][0]}))

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in _SAFE.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


class _Server(ThreadingHTTPServer):
    """A thread for each connection, at most CONNECTIONS; more are closed at once."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away; what is wrong with us is answered and logged before."""


class HttpServer:
    """An HTTP server for GET requests, in threads of its own; WrongSetup if the address cannot be had."""

    def __init__(self, where: str, answer: Callable[[str], Answer]) -> None:
        host, port = parse_address(where)
        handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
        try:
            self._server = _Server((host, port), handler)
        except (OSError, OverflowError) as error:
            raise WrongSetup(f"--http: {where} cannot be opened: {error}; choose another HOST:PORT") from error
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
