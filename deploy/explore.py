"""`refute explore`: the explorer of a chain without an agent, to follow disputes or to replay them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress

import structlog

from contracts.client import Client
from contracts.errors import ChainUnavailable, WrongSetup
from contracts.observer import Observer
from contracts.service.explorer.server import Explorer, HttpServer
from contracts.service.feed import Feed, Report
from contracts.shelf import Shelf
from contracts.snapshot import Snapshot
from deploy.reruns import Reruns
from prover.progress_bars import drawn


class Exploration:
    """Follows a chain and serves the page until stopped. WrongSetup if `dispute` is not on the chain."""

    def __init__(self, client: Client, shelf: Shelf, where: str, interval: float, dispute: str | None = None) -> None:
        self._observer = Observer(client)
        self._feed = Feed()
        self._interval = interval
        self._reruns = Reruns(shelf)
        with drawn():
            snapshot = self._observer.observe()
        self._publish(snapshot)
        self._anchor = ""
        if dispute is not None:
            self._anchor = "#0x" + _found(dispute, snapshot.disputes).hex()
        self._server = HttpServer(where, Explorer(client, self._feed, shelf.program).answer)

    @property
    def url(self) -> str:
        return f"{self._server.url}/{self._anchor}"

    def follow(self, stop: threading.Event) -> None:
        """Look at the chain every `interval` seconds until `stop` is set."""
        while not stop.wait(self._interval):
            try:
                self._publish(self._observer.observe())
            except ChainUnavailable as error:
                structlog.get_logger().warning("chain_unavailable", reason=str(error))
        self._server.close()

    def _publish(self, snapshot: Snapshot) -> None:
        self._feed.publish(Report("explorer", snapshot, own=self._reruns.of(snapshot)))


def _found(wanted: str, disputes: Iterable[bytes]) -> bytes:
    """The one dispute whose id begins so."""
    digits = wanted.removeprefix("0x").lower()
    held = [id for id in disputes if id.hex().startswith(digits)]
    if len(held) != 1:
        raise WrongSetup(f"--dispute: {len(held)} disputes on this chain have an id that begins with {wanted!r}")
    return held[0]


def explore(client: Client, shelf: Shelf, where: str, interval: float, dispute: str | None) -> None:
    """Serve the page, and say where, until interrupted."""
    exploration = Exploration(client, shelf, where, interval, dispute)
    print(f"explorer: {exploration.url}", flush=True)
    with suppress(KeyboardInterrupt):
        exploration.follow(threading.Event())
