"""Serves a chain held in this process as JSON-RPC over HTTP on loopback, so that agents are separate processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prover.errors import RefuteError

Handle = Callable[[str, list[Any]], dict[str, Any]]
"""(method, params) -> the `result` or `error` member of a JSON-RPC response."""

MAX_BODY = 8 << 20
MAX_BRACKETS = 2_000
"""In one body: the chain's library lifts Python's recursion limit, so deep nesting would end the process."""
INVALID = -32600
_PARSE_ERROR = {"error": {"code": -32700, "message": "the request body is not JSON"}}
_TOO_MANY = {"error": {"code": INVALID, "message": f"the body has more than {MAX_BRACKETS} brackets"}}
_NO_REQUEST = {"error": {"code": INVALID, "message": "this is not a JSON-RPC request: an object with a method"}}
_NAMED_PARAMS = {"error": {"code": -32602, "message": "params are a list here"}}


class RpcServer:
    """One chain behind one port. Requests are answered one at a time: the chain is not thread-safe."""

    def __init__(self, handle: Handle, port: int, host: str = "127.0.0.1") -> None:
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # The status line, headers and body leave in one segment: no delayed acknowledgement between them.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                stated = self.headers.get("Content-Length", "")
                if not (stated.isascii() and stated.isdigit()):
                    self._refuse(411, "the request has no Content-Length")
                elif len(stated) > 19 or int(stated) > MAX_BODY:
                    self._refuse(413, f"the body is above {MAX_BODY} bytes")
                else:
                    self._send(200, self._answer(self.rfile.read(int(stated))))

            def _refuse(self, status: int, message: str) -> None:
                """Answer without having read the body, so that the connection is of no more use."""
                self.close_connection = True
                self._send(status, _member(None, {"error": {"code": INVALID, "message": message}}))

            def _answer(self, body: bytes) -> Any:
                if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
                    return _member(None, _TOO_MANY)
                try:
                    request = json.loads(body)
                except ValueError:
                    return _member(None, _PARSE_ERROR)
                if isinstance(request, list) and request:
                    return [self._one(item) for item in request]
                return self._one(request)

            def _one(self, request: Any) -> dict[str, Any]:
                if not isinstance(request, dict) or not isinstance(request.get("method"), str):
                    return _member(None, _NO_REQUEST)
                params = request.get("params") or []
                if not isinstance(params, list):
                    return _member(request.get("id"), _NAMED_PARAMS)
                with lock:
                    return _member(request.get("id"), handle(request["method"], params))

            def _send(self, status: int, answer: Any) -> None:
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent: the chain's own log says what happened."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise RefuteError(
                f"port {port} on {host} cannot be opened: {error.strerror}; stop what listens there or choose --port"
            ) from error
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def serve(self) -> None:
        """Answer until `close`."""
        self._server.serve_forever(poll_interval=0.1)

    def start(self) -> None:
        """Answer in a background thread."""
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _member(request_id: Any, outcome: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {key: value for key, value in outcome.items() if key in ("result", "error")}
    return {"jsonrpc": "2.0", "id": request_id, **members}
