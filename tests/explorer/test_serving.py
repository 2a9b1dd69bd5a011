"""What a page's server refuses, and whom it does not wait for."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from contracts.service.explorer.server import CONNECTIONS, HttpServer
from tests.explorer.asking import SECONDS, ask, fetch, raw, status_of
from tests.explorer.conftest import Scene


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "//etc/passwd",
        "/page/index.html",
        "/api/dispute/0x12",
        "/api/dispute/0x" + "00" * 32,
        "/api/dispute/0x" + "g0" * 32,
        "/api/dispute/0x" + "00" * 32 + "/",
        "/api/dispute/0x" + "00" * 32 + "%0a",
        "/api/state/",
    ],
)
def test_other_paths_are_not_there(scene: Scene, path: str) -> None:
    status, headers, body = ask(scene.url, path)
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert json.loads(body)["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_only_reads(scene: Scene, method: str) -> None:
    status, headers, body = ask(scene.url, "/api/state", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert json.loads(body)["error"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_another_sites_page_is_refused(scene: Scene, site: str, status: int) -> None:
    assert ask(scene.url, "/api/state", **{"Sec-Fetch-Site": site})[0] == status
    assert ask(scene.url, "/", **{"Sec-Fetch-Site": site})[0] == 200  # a link to the page is fine


def test_head_gives_no_body(scene: Scene) -> None:
    status, headers, body = ask(scene.url, "/", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01 nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"BREW /pot HTTP/1.1\r\n\r\n", 501),
    ],
)
def test_an_oversized_or_unreadable_request_is_refused(scene: Scene, request_line: bytes, status: int) -> None:
    with raw(scene.url) as connection:
        connection.sendall(request_line)
        assert status_of(connection) == status
    assert fetch(scene, "/healthz")["ok"]


def test_what_follows_a_body_is_not_taken_for_a_request(scene: Scene) -> None:
    with raw(scene.url) as connection:
        hidden = b"GET /metrics HTTP/1.1\r\n\r\n"
        connection.sendall(b"GET /healthz HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden)
        answer = connection.makefile("rb").read()
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_slow_client_does_not_hold_up_others(scene: Scene) -> None:
    with raw(scene.url) as slow:
        slow.sendall(b"GET /api/sta")
        assert fetch(scene, "/api/state")["agent"] == "watcher"
        slow.sendall(b"te HTTP/1.1\r\n\r\n")
        assert status_of(slow) == 200


def test_too_many_clients_are_turned_away_and_the_rest_served() -> None:
    server = HttpServer("127.0.0.1:0", lambda path: (200, "text/plain", b"well"))
    held = []
    try:
        place = urlsplit(server.url)
        for _ in range(CONNECTIONS):
            held.append(socket.create_connection((place.hostname, place.port), timeout=SECONDS))
            held[-1].sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert status_of(held[-1]) == 200  # and the connection is kept
        with raw(server.url) as one_more:
            assert one_more.recv(1) == b""
        held.pop().close()
        assert eventually(lambda: ask(server.url, "/")[0] == 200)
    finally:
        for connection in held:
            connection.close()
        server.close()


def eventually(holds: Callable[[], bool]) -> bool:
    """Asks until it is so; the server notices that a client has gone in a thread of its own."""
    for _ in range(10_000):
        try:
            if holds():
                return True
        except (ConnectionError, http.client.HTTPException):
            continue
    return False


def test_a_fault_of_ours_is_said_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(path: str) -> tuple[int, str, bytes]:
        raise KeyError("secret")

    server = HttpServer("127.0.0.1:0", answer)
    try:
        status, _headers, body = ask(server.url, "/")
        assert (status, json.loads(body)) == (500, {"error": "this agent could not answer; its log says why"})
    finally:
        server.close()
    said = capsys.readouterr()
    assert "http_failed" in said.out
    assert said.err == ""
