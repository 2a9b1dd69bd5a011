"""What an agent answers over HTTP, to its page, to Prometheus and to supervisors; and what it refuses."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from contracts.service.explorer.server import CONNECTIONS, STALE, Explorer, HttpServer
from contracts.service.feed import Feed
from contracts.snapshot import Reason
from tests.explorer.conftest import HOSTILE, Scene

SECONDS = 20
LEVELS = ("claim", "trace", "layer", "tensor", "chunk", "terms", "step", "end")


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def fetch(scene: Scene, path: str) -> Any:
    status, _headers, body = ask(scene.url, path)
    assert status == 200, body
    return json.loads(body)


@contextmanager
def raw(url: str) -> Iterator[socket.socket]:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=SECONDS) as connection:
        yield connection


def status_of(connection: socket.socket) -> int:
    return int(connection.makefile("rb").readline().split()[1])


def test_the_claims_and_their_disputes(scene: Scene) -> None:
    state = fetch(scene, "/api/state")
    assert (state["agent"], state["total"]) == ("watcher", len(state["claims"]))
    assert state["account"]["address"] == scene.stage.watcher_client.address
    claims = {claim["id"]: claim for claim in state["claims"]}
    live, over = claims[f"0x{scene.live.claim.hex()}"], claims[f"0x{scene.over.claim.hex()}"]
    assert (live["status"], live["verdict"], over["status"]) == ("pending", "refuted", "fallen")
    (dispute,) = live["disputes"]
    assert (dispute["level"], dispute["toMove"]) == ("terms", "executor")
    assert dispute["deadline"] == scene.live.deadline > state["time"]


def test_the_walk_of_a_live_dispute(scene: Scene) -> None:
    shown = fetch(scene, f"/api/dispute/0x{scene.live.id.hex()}")
    levels = [stage["level"] for stage in shown["stages"]]
    assert levels[0] == "claim"
    assert levels == sorted(levels, key=LEVELS.index)  # it only ever goes down
    assert levels[-1] == "chunk"
    picks = [stage for stage in shown["stages"] if stage.get("side") == "challenger"]
    assert [(pick["level"], pick["cut"]) for pick in picks] == [
        ("trace", {"total": 3, "start": 0, "count": 1}),
        ("chunk", {"total": 4, "start": 0, "count": 1}),
    ]
    assert HOSTILE in picks[0]["text"]
    assert (shown["toMove"], shown["ending"]) == ("executor", None)
    numbers = shown["numbers"]
    assert int(numbers["executor"]) == scene.live.position.value
    assert int(numbers["executor"]) - int(numbers["own"]) == 1  # the liar's delta


def test_a_finished_dispute_is_replayed_from_the_chains_events(scene: Scene) -> None:
    """By an explorer that saw none of it: its report is made from the chain now."""
    shown = fetch(scene, f"/api/dispute/0x{scene.over.id.hex()}")
    assert (shown["status"], shown["toMove"]) == ("won", None)
    assert "computed the number" in shown["ending"]
    stages = shown["stages"]
    assert stages[0]["event"] == "Challenged"
    assert {"Moved", "Resolved"} <= {stage["event"] for stage in stages}
    assert all(before["after"] == after["before"] for before, after in pairwise(stages))
    paid = {stage["transaction"]: stage["gas"] for stage in stages if stage["gas"]}
    receipts = {t: scene.stage.chain.wait(bytes.fromhex(t[2:])).gas for t in paid}
    assert paid == receipts
    assert shown["gas"] == sum(receipts.values())


def test_every_way_a_dispute_ends_has_words(scene: Scene) -> None:
    report = scene.feed.latest
    assert report is not None
    feed = Feed()
    explorer = Explorer(scene.stage.other, feed, lambda model: None)
    for reason in Reason:
        ended = replace(scene.over, reason=reason)
        feed.publish(replace(report, snapshot=replace(report.snapshot, disputes={ended.id: ended})))
        status, _kind, body = explorer.answer(f"/api/dispute/0x{ended.id.hex()}")
        assert (status, bool(json.loads(body)["ending"])) == (200, True)


def test_metrics_health_and_readiness(scene: Scene) -> None:
    status, headers, body = ask(scene.url, "/metrics")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    text = body.decode()
    assert 'refute_verdicts{verdict="refuted"}' in text
    assert 'refute_disputes{level="terms",status="active"} 1.0' in text
    for path in ("/healthz", "/readyz"):
        status, _headers, body = ask(scene.url, path)
        assert (status, json.loads(body)["ok"]) == (200, True)


def test_an_agent_without_a_recent_round_is_not_ready(scene: Scene) -> None:
    report = scene.feed.latest
    assert report is not None
    feed = Feed()
    explorer = Explorer(scene.stage.other, feed, lambda model: None)

    def health() -> tuple[int, int]:
        return explorer.answer("/healthz")[0], explorer.answer("/readyz")[0]

    assert health() == (200, 503)  # just begun: alive, but not at work yet
    assert explorer.answer("/api/state")[0] == 503
    for age, wanted in ((0.0, (200, 200)), (STALE + 1, (200, 503)), (10 * STALE + 1, (503, 503))):
        feed.publish(replace(report, at=monotonic() - age))
        assert health() == wanted


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
