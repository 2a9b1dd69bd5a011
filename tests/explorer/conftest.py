"""A watcher's page over HTTP, on a chain with two disputes: one is over, one has come down to a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from contracts.service.explorer.server import Explorer, HttpServer
from contracts.service.feed import Feed
from contracts.snapshot import DisputeStatus, DisputeView
from prover.game.adversaries import LyingDefender
from prover.game.position import Phase
from prover.program import Program
from tests.agents.stage import Stage, liar

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
"""The name that a stranger's model gives to its first layer."""


@dataclass(frozen=True)
class Scene:
    """What is served, and the two disputes."""

    stage: Stage
    feed: Feed
    explorer: Explorer
    url: str
    over: DisputeView
    live: DisputeView

    def page(self, dispute: DisputeView) -> str:
        return f"{self.url}/#0x{dispute.id.hex()}"


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    stage, feed = Stage(tmp_path_factory.mktemp("models")), Feed()
    watcher = stage.watcher(feed=feed)
    first = stage.ask(seed=1)
    executor = stage.executor(liar(0), LyingDefender)
    stage.settle_down(executor, watcher, until=lambda: over(stage, first))
    second = stage.ask(seed=2)
    stage.settle_down(executor, watcher, until=lambda: phase(stage, second) is Phase.TERMS_OPEN)
    watcher.round()

    def programs(model: bytes) -> Program | None:
        assert model == bytes(stage.model.id)
        return replace(stage.model.program, names=(HOSTILE, "rescale", "largest"))

    explorer = Explorer(stage.other, feed, programs)
    server = HttpServer("127.0.0.1:0", explorer.answer)
    try:
        yield Scene(stage, feed, explorer, server.url, stage.disputes_of(first)[0], stage.disputes_of(second)[0])
    finally:
        server.close()


def over(stage: Stage, request: bytes) -> bool:
    return any(d.status is DisputeStatus.WON for d in stage.disputes_of(request))


def phase(stage: Stage, request: bytes) -> Phase | None:
    return next((d.position.phase for d in stage.disputes_of(request)), None)
