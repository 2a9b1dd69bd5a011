"""Several nodes: one that does not answer, answers nonsense or has fallen behind is left; a disagreement is said."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from structlog.testing import capture_logs
from web3.types import RPCEndpoint

from contracts.chain import Chain
from contracts.errors import ChainUnavailable, WrongSetup
from contracts.provider import DevnetChain
from contracts.service.nodes import AGAIN, BEHIND, BETWEEN_COMPARISONS, FAILURES, REST, Node, Nodes

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]
SOON = 0.3
"""Seconds that these tests give a node."""


@dataclass
class FakeNode:
    """A real HTTP server in front of a chain; `fault` answers in the chain's place. Counts what it was asked."""

    chain: DevnetChain
    fault: Answer | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.asked.append(body["method"])
                if node.fault is not None:
                    node.fault(self, body)
                else:
                    reply(self, {"jsonrpc": "2.0", "id": body["id"], **node.handle(body)})

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def handle(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.chain.handle(body["method"], body["params"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


def reply(handler: BaseHTTPRequestHandler, content: object, status: int = 200, cut: int = 0) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) - cut])
    if cut:
        handler.close_connection = True


hold = threading.Event()
FAULTS: dict[str, Answer] = {
    "garbage": lambda handler, body: reply(handler, b"<html>busy</html>"),
    "no object": lambda handler, body: reply(handler, [1, 2]),
    "neither result nor error": lambda handler, body: reply(handler, {"jsonrpc": "2.0", "id": body["id"]}),
    "HTTP 500": lambda handler, body: reply(handler, b"{}", 500),
    "HTTP 429": lambda handler, body: reply(handler, b"{}", 429),
    "cut short": lambda handler, body: reply(handler, {"jsonrpc": "2.0", "id": 1, "result": "0x" + "0" * 99}, cut=20),
    "hangs up": lambda handler, body: handler.connection.shutdown(socket.SHUT_RDWR),
    "another's": lambda handler, body: reply(handler, {"jsonrpc": "2.0", "id": body["id"] + 1, "result": "0x7"}),
    "says nothing": lambda handler, body: hold.wait(5) and None,
}


@dataclass
class Watch:
    """A clock that is moved by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def chain() -> DevnetChain:
    return DevnetChain()


@pytest.fixture
def make(chain: DevnetChain) -> Iterator[Callable[..., FakeNode]]:
    made: list[FakeNode] = []

    def node(on: DevnetChain | None = None, fault: Answer | None = None) -> FakeNode:
        made.append(FakeNode(on or chain, fault))
        return made[-1]

    yield node
    hold.set()
    for each in made:
        each.server.shutdown()
        each.server.server_close()
    hold.clear()


def over(*nodes: FakeNode, watch: Watch | None = None) -> Nodes:
    """Their provider, which does not wait before it asks again."""
    return Nodes([Node.at(node.url, SOON) for node in nodes], clock=watch or Watch(), sleep=lambda pause: None)


def number(nodes: Nodes) -> int:
    return int(nodes.make_request(RPCEndpoint("eth_blockNumber"), [])["result"], 16)


def mine(chain: DevnetChain, blocks: int) -> None:
    for _ in range(blocks):
        chain.handle("evm_mine", [])


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_node_answers_when_one_does_not(make: Callable[..., FakeNode], chain: DevnetChain, fault: str) -> None:
    bad, good, watch = make(), make(), Watch()
    nodes = over(bad, good, watch=watch)
    bad.fault = FAULTS[fault]
    mine(chain, 3)
    with capture_logs() as logs:
        assert [number(nodes), number(nodes)] == [3, 3]
    assert [(log["event"], log["url"]) for log in logs] == [("node_failed", bad.url)]
    assert len([m for m in bad.asked if m == "eth_blockNumber"]) == 1, "it rests"
    assert nodes.generation == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_chain_of_one_bad_node_is_unavailable_and_no_more(make: Callable[..., FakeNode], fault: str) -> None:
    node = make()
    connected = Chain(over(node))
    node.fault = FAULTS[fault]
    with pytest.raises(ChainUnavailable, match="gave no answer when asked to show a block"):
        connected.block()
    node.fault = None
    assert connected.block().number == 0


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"says nothing"}))
def test_a_question_is_put_again_at_once_and_a_transaction_is_not(make: Callable[..., FakeNode], fault: str) -> None:
    """With one node, a lost answer would end the round that it belongs to."""
    node = make()
    waited: list[float] = []

    def wait(pause: float) -> None:
        waited.append(pause)
        node.fault = None if len(waited) == len(AGAIN) else node.fault

    nodes = Nodes([Node.at(node.url, SOON)], clock=Watch(), sleep=wait)
    node.fault = FAULTS[fault]
    assert number(nodes) == 0
    assert (node.asked, waited) == (["eth_blockNumber"] * 3, list(AGAIN))
    node.fault = FAULTS[fault]
    with pytest.raises(FAILURES):
        nodes.make_request(RPCEndpoint("eth_sendRawTransaction"), ["0x00"])
    assert (node.asked[3:], len(waited)) == (["eth_sendRawTransaction"], len(AGAIN))


def test_a_node_that_says_nothing_is_waited_for_once(make: Callable[..., FakeNode]) -> None:
    node = make(fault=FAULTS["says nothing"])
    with pytest.raises(FAILURES):
        number(over(node))
    assert len(node.asked) == 1


def test_a_node_that_failed_is_asked_again_after_a_rest(make: Callable[..., FakeNode]) -> None:
    first, second, watch = make(), make(), Watch()
    nodes = over(first, second, watch=watch)
    first.fault = FAULTS["HTTP 500"]
    number(nodes)
    first.fault, second.fault = None, FAULTS["HTTP 500"]
    watch.now += REST + 1
    with capture_logs() as logs:
        assert number(nodes) == 0
    assert [log["event"] for log in logs] == ["node_failed", "node_back"]


def test_a_transaction_goes_to_every_node(make: Callable[..., FakeNode]) -> None:
    nodes = [make(), make(), make(fault=FAULTS["HTTP 500"])]
    answer = over(*nodes).make_request(RPCEndpoint("eth_sendRawTransaction"), ["0x00"])
    assert "error" in answer
    assert all("eth_sendRawTransaction" in node.asked for node in nodes[:2])


def test_nodes_of_different_chains_are_refused(make: Callable[..., FakeNode]) -> None:
    def other(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        reply(handler, {"jsonrpc": "2.0", "id": body["id"], "result": "0x1"})

    with pytest.raises(WrongSetup, match=r"of different chains: .* is 1$"):
        over(make(), make(fault=other))


def test_a_node_that_has_fallen_behind_is_left(make: Callable[..., FakeNode], chain: DevnetChain) -> None:
    late, fresh, watch = make(), make(), Watch(BETWEEN_COMPARISONS)
    nodes = over(late, fresh, watch=watch)
    mine(chain, 2)

    def stale(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        held = {"result": "0x2"} if body["method"] == "eth_blockNumber" else late.handle(body)
        reply(handler, {"jsonrpc": "2.0", "id": body["id"], **held})

    late.fault = stale
    mine(chain, BEHIND + 1)
    assert number(nodes) == 2
    with capture_logs() as logs:
        nodes.compare()
    assert [(log["event"], log["url"], log["now"]) for log in logs] == [("node_left", late.url, fresh.url)]
    assert number(nodes) == BEHIND + 3


def forked() -> DevnetChain:
    """The same chain id with other blocks."""
    other = DevnetChain()
    other.handle("evm_increaseTime", [1000])
    mine(other, 6)
    return other


def test_one_against_one_is_a_doubt_until_it_is_over(make: Callable[..., FakeNode], chain: DevnetChain) -> None:
    mine(chain, 6)
    first, second, watch = make(), make(forked()), Watch(BETWEEN_COMPARISONS)
    nodes = over(first, second, watch=watch)
    with capture_logs() as logs:
        nodes.compare()
        nodes.compare()
    assert [(log["event"], log["log_level"]) for log in logs] == [("nodes_disagree", "error")]
    assert nodes.doubt is not None
    assert second.url in nodes.doubt
    second.chain = chain
    watch.now += BETWEEN_COMPARISONS
    with capture_logs() as logs:
        nodes.compare()
    assert [log["event"] for log in logs] == ["nodes_agree"]
    assert nodes.doubt is None


def test_two_against_one_is_no_doubt(make: Callable[..., FakeNode], chain: DevnetChain) -> None:
    mine(chain, 6)
    liar, watch = make(forked()), Watch(BETWEEN_COMPARISONS)
    nodes = over(liar, make(), make(), watch=watch)
    with capture_logs() as logs:
        nodes.compare()
    assert nodes.doubt is None
    assert [(log["event"], log["url"]) for log in logs] == [("node_left", liar.url)]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("ftp://a", "'ftp://a' is not a chain's URL"),
        ("http://a,,http://b", "'' is not a chain's URL"),
        ("ws://a", "needs a URL that starts with http:// or https:// to ask"),
    ],
)
def test_what_is_no_list_of_urls(given: str, problem: str) -> None:
    with pytest.raises(WrongSetup, match=problem):
        Chain.connect(given)


def test_a_password_in_a_url_goes_to_the_node_and_into_no_message(make: Callable[..., FakeNode]) -> None:
    keys: list[str | None] = []

    def refuse(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        keys.append(handler.headers["Authorization"])
        reply(handler, b"{}", 500)

    with_password = make(fault=refuse).url.replace("http://", "http://me:s3cret@")
    with capture_logs() as logs, pytest.raises(ChainUnavailable, match="no chain answers at http://") as failed:
        Chain.connect(f"{with_password},{with_password}")
    assert set(keys) == {"Basic " + b64encode(b"me:s3cret").decode()}
    assert logs
    assert "s3cret" not in f"{logs} {failed.value} {failed.value.__cause__}"
