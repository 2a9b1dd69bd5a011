"""Several nodes of one chain as one provider: the next answers when one does not, and they are held against each other.

One node is asked until it fails, so that what is read in one round comes from one place; transactions go to all. A node
that fails rests for a while. Now and then the nodes' heads are compared: one that has fallen behind is left, and two
that show different blocks at a height that both have are a disagreement, which `doubt` names until it is over.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
import structlog
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from contracts.errors import WrongSetup
from contracts.urls import without_secrets

REQUEST_SECONDS = 30
REST = 20.0
"""Seconds before a node that failed is asked again, unless all have failed."""
AGAIN = 0.1, 0.4
"""Seconds before a question that no node has answered is put again: a round has many, and one lost answer ends it."""
BETWEEN_COMPARISONS = 10.0
COMPARISON_SECONDS = 5
BEHIND = 3
"""Blocks by which a node may lag."""
DEEP = 2
"""Blocks below the lower of two heads at which they are compared: above, honest nodes differ for moments."""

ONCE = frozenset({"eth_sendRawTransaction", "evm_increaseTime", "evm_mine"})
"""What is more than a question."""
FAILURES = (requests.RequestException, Web3Exception, OSError, ValueError)
_log = structlog.get_logger()


class MatchedProvider(HTTPProvider):
    """Takes no answer to another request for its own; a proxy in front of a node may mix them up."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        request = self.encode_rpc_request(method, params)
        answer = self.decode_rpc_response(self._make_request(method, request))
        if isinstance(answer, dict) and "result" in answer and answer.get("id") != json.loads(request)["id"]:
            raise ValueError("what it answers belongs to another request")
        return answer


@dataclass(eq=False)
class Node:
    """One node; `url` is for messages. `rests` is when it may be asked again, in monotonic seconds."""

    url: str
    provider: HTTPProvider
    rests: float = 0.0
    failing: bool = False

    @classmethod
    def at(cls, url: str, seconds: float = REQUEST_SECONDS) -> Node:
        options: dict[str, Any] = {"timeout": seconds}
        bare = url
        if "@" in url:
            try:
                parts = urlsplit(url)
            except ValueError as error:
                raise WrongSetup(f"{without_secrets(url)!r} is not a chain's URL: {error}") from error
            if parts.username is not None:
                # Beside the URL, since errors show that.
                options["auth"] = unquote(parts.username), unquote(parts.password or "")
                bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        # Retrying is done here and by the agents.
        return cls(without_secrets(url), MatchedProvider(bare, options, exception_retry_configuration=None))

    def ask(self, method: str, params: Any) -> RPCResponse:
        """What the node answers; one of FAILURES if that is no JSON-RPC."""
        answer = self.provider.make_request(RPCEndpoint(method), params)
        if not isinstance(answer, dict) or not ("result" in answer or "error" in answer):
            raise ValueError("what it answers is not JSON-RPC")
        return answer


@dataclass(frozen=True)
class Head:
    """A node's latest block number, and how to ask for a hash at a height."""

    node: Node
    number: int

    def hash_at(self, height: int) -> str:
        answer = self.node.ask("eth_getBlockByNumber", [hex(height), False])
        block = answer.get("result")
        if not isinstance(block, dict) or not isinstance(block.get("hash"), str):
            raise ValueError(f"it has no block {height}")
        return str(block["hash"])


@dataclass
class Nodes(JSONBaseProvider):
    """A provider over nodes of one chain; `clock` gives monotonic seconds, `sleep` waits for some."""

    nodes: Sequence[Node]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    generation: int = 0
    """Grows when another node is asked from now on: what was read before may not go with what is read after."""
    doubt: str | None = None
    """What the nodes disagree about."""
    _first: Node = field(init=False)
    _compared: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        super().__init__()
        self._first = self.nodes[0]
        if len(self.nodes) > 1:
            self._require_one_chain()

    def __hash__(self) -> int:
        return id(self)

    @classmethod
    def at(cls, urls: Sequence[str]) -> Nodes:
        """Nodes by their URLs; WrongSetup if those that answer are of different chains."""
        return cls([Node.at(url) for url in urls])

    def is_connected(self, show_traceback: bool = False) -> bool:
        return any(node.provider.is_connected(show_traceback) for node in self.nodes)

    def _require_one_chain(self) -> None:
        ids = {}
        for node in self.nodes:
            try:
                ids[node.url] = node.ask("eth_chainId", []).get("result")
            except FAILURES as error:
                self._failed(node, error)
        if len(set(ids.values())) > 1:
            shown = ", ".join(f"{url} is {int(str(id), 16)}" for url, id in ids.items())
            raise WrongSetup(f"the nodes given with --chain are of different chains: {shown}")

    # Asking

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        if method == "eth_sendRawTransaction" and len(self.nodes) > 1:
            return self._to_all(method, params)
        for pause in AGAIN if method not in ONCE else ():
            try:
                return self._to_one(method, params)
            except requests.Timeout:
                raise  # it was waited for long enough
            except FAILURES:
                self.sleep(pause)
        return self._to_one(method, params)

    def _to_one(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The answer of the first that gives one; what the last one's failure was if none does."""
        last: Exception | None = None
        for node in self._in_order():
            try:
                answer = node.ask(method, params)
            except FAILURES as error:
                self._failed(node, error)
                last = error
                continue
            self._answered(node)
            return answer
        assert last is not None
        raise last

    def _in_order(self) -> list[Node]:
        """The one that answered last, then the others; those at rest at the end."""
        now = self.clock()
        others = [node for node in self.nodes if node is not self._first]
        return sorted([self._first, *others], key=lambda node: node.rests > now)

    def _failed(self, node: Node, error: Exception) -> None:
        node.rests = self.clock() + REST
        if not node.failing and len(self.nodes) > 1:
            _log.warning("node_failed", url=node.url, reason=" ".join(str(error).split())[:200])
        node.failing = True

    def _answered(self, node: Node) -> None:
        if node.failing and len(self.nodes) > 1:
            _log.info("node_back", url=node.url)
        node.failing, node.rests = False, 0.0
        if node is not self._first:
            self._first = node
            self.generation += 1

    def _to_all(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """A transaction to every node: a node that holds it back cannot keep it from the chain."""
        refused: RPCResponse | None = None
        taken: RPCResponse | None = None
        last: Exception | None = None
        now = self.clock()
        for node in self._in_order():
            if taken is not None and node.rests > now:
                continue
            try:
                answer = node.ask(method, params)
            except FAILURES as error:
                self._failed(node, error)
                last = error
                continue
            if "result" in answer:
                taken = taken or answer
            else:
                refused = refused or answer
        answer_ = taken or refused
        if answer_ is None:
            assert last is not None
            raise last
        return answer_

    # Comparing

    def compare(self) -> None:
        """Hold the nodes against each other, if it is time to: leave one that is behind, note a disagreement."""
        now = self.clock()
        if len(self.nodes) < 2 or now - self._compared < BETWEEN_COMPARISONS:
            return
        self._compared = now
        heads = self._heads()
        if len(heads) < 2:
            return
        height = max(min(head.number for head in heads) - DEEP, 0)
        hashes = self._hashes(heads, height)
        if self._note(hashes, height):
            self._choose(heads, hashes)

    def _heads(self) -> list[Head]:
        found = []
        for node in self.nodes:
            if node.rests > self.clock():
                continue
            try:
                result = node.ask("eth_blockNumber", []).get("result")
                found.append(Head(node, int(str(result), 16)))
            except FAILURES as error:
                self._failed(node, error)
        return found

    def _hashes(self, heads: Sequence[Head], height: int) -> dict[Node, str]:
        found = {}
        for head in heads:
            try:
                found[head.node] = head.hash_at(height)
            except FAILURES as error:
                self._failed(head.node, error)
        return found

    def _note(self, hashes: dict[Node, str], height: int) -> bool:
        """Whether it is known which block is the chain's: all nodes agree, or more than half of them do."""
        ranked = Counter(hashes.values()).most_common(1)
        known = bool(ranked) and 2 * ranked[0][1] > len(hashes)
        if known:
            if self.doubt is not None:
                _log.info("nodes_agree", height=height)
            self.doubt = None
        elif hashes:
            shown = ", ".join(f"{node.url} has {hash}" for node, hash in hashes.items())
            if self.doubt is None:
                _log.error("nodes_disagree", height=height, blocks=shown)
            self.doubt = f"at height {height} {shown}"
        return known

    def _choose(self, heads: Sequence[Head], hashes: dict[Node, str]) -> None:
        """Go on with a node that shows what most show, and that is not behind."""
        common = Counter(hashes.values()).most_common(1)[0][0]
        good = [head for head in heads if hashes.get(head.node) == common]
        best = max(good, key=lambda head: head.number)
        mine = next((head for head in good if head.node is self._first), None)
        if mine is None or best.number - mine.number > BEHIND:
            reason = (
                f"it is {best.number - mine.number} blocks behind" if mine is not None else "the others differ from it"
            )
            _log.warning("node_left", url=self._first.url, reason=reason, now=best.node.url)
            self._first = best.node
            self.generation += 1


def urls_of(given: str) -> list[str]:
    """The URLs of a --chain option, which are separated by commas; WrongSetup if one is none."""
    urls = [url.strip() for url in given.split(",")]
    for url in urls:
        if not url.startswith(("http://", "https://", "ws://", "wss://")):
            raise WrongSetup(
                f"{without_secrets(url)!r} is not a chain's URL; give one that starts with http:// or https://"
            )
    if not any(url.startswith("http") for url in urls):
        raise WrongSetup("--chain needs a URL that starts with http:// or https:// to ask; ws:// only says when to")
    return urls
