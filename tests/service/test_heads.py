"""New blocks over a WebSocket wake an agent; a node that is gone or says no costs it nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structlog.testing import capture_logs
from websockets.sync.server import ServerConnection, serve

from contracts.service.heads import Heads

SECONDS = 20


@contextmanager
def node(answer: Callable[[ServerConnection], None]) -> Iterator[str]:
    with serve(answer, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()


def test_each_new_block_wakes() -> None:
    woken = threading.Semaphore(0)
    asked: list[object] = []
    over = threading.Event()

    def announce(socket: ServerConnection) -> None:
        asked.append(json.loads(socket.recv()))
        socket.send('{"jsonrpc": "2.0", "id": 1, "result": "0x1"}')
        for number in range(3):
            socket.send(json.dumps({"method": "eth_subscription", "params": {"result": {"number": hex(number)}}}))
        over.wait(SECONDS)

    with node(announce) as url:
        heads = Heads([url], woken.release)
        assert all(woken.acquire(timeout=SECONDS) for _ in range(3))
        heads.close()
        over.set()
    assert asked == [{"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}]


def test_a_node_that_takes_no_subscription_is_said() -> None:
    said = threading.Event()

    def refuse(socket: ServerConnection) -> None:
        if said.is_set():
            return
        socket.recv()
        socket.send('{"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}}')
        try:
            socket.recv(timeout=SECONDS)
        finally:
            said.set()

    with capture_logs() as logs, node(refuse) as url:
        heads = Heads([url], lambda: None)
        try:
            assert said.wait(SECONDS)
        finally:
            heads.close()
            for thread in heads._threads:
                thread.join(SECONDS)
    assert ("heads_lost", "it takes no subscriptions") in {(log["event"], log.get("reason")) for log in logs}
