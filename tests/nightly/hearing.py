"""When what happened, as it is seen from outside: claims on the chain, and what agents log about them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from contracts.agent import hexed
from contracts.client import Client
from deploy.processes import Agent

LOOK = 0.02
"""Seconds between looks for new claims: how exactly lags are known."""


@dataclass(frozen=True)
class Said:
    """One event of an agent's log."""

    event: str
    claim: str
    at: float


class Hearing:
    """The events about claims that an agent logs, each line read once."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._log = agent.log.open(errors="replace")
        self._begun = ""

    def new(self) -> Iterator[Said]:
        """Those since the last time; a line that is still being written is left for later."""
        for part in self._log:
            line, self._begun = self._begun + part, ""
            if not line.endswith("\n"):
                self._begun = line
                return
            try:
                held = json.loads(line)
                yield Said(held["event"], held["claim"], datetime.fromisoformat(held["timestamp"]).timestamp())
            except (ValueError, KeyError, TypeError):
                continue


class Sightings:
    """When each claim was first seen on the chain, by one who looks all the time; seconds since 1970, by claim."""

    def __init__(self, client: Client) -> None:
        self.at: dict[str, float] = {}
        self._client = client
        self._next = client.deployment.block
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK):
            head = self._client.chain.block().number
            if head < self._next:
                continue
            now = time.time()
            for log in self._client.chain.logs(self._client.deployment.refute, self._next, head):
                event = self._client.decode(log)
                if event is not None and event.name == "Claimed":
                    self.at[hexed(event.arguments["claim"])] = now
            self._next = head + 1
