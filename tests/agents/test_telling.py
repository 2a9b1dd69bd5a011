"""What agents tell others, from what their own transactions did: to whom, and that it is what the chain says."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import pytest

from contracts.messages import kinds
from contracts.messages.bus import NoBus
from contracts.messages.contents import TREE, Contents
from contracts.shelf import Shelf
from executor import decide as executing
from executor.service import ExecutorService
from prover.game.adversaries import LyingDefender
from prover.trace import Trace
from tests.agents.stage import ETHER, PARAMETERS, Stage, interpret, liar
from watcher import decide as watching
from watcher.service import WatcherService
from watcher.verdict import TwoBackends


class Wire(NoBus):
    """A bus that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[kinds.Message, str | None]] = []
        self.known: frozenset[str] = frozenset()
        self.contents = Contents()

    def publish(self, message: kinds.Message, to: str | None = None) -> None:
        self.said.append((message, to))

    def announce(self, announcement: kinds.Announcement) -> None:
        if not self.said or self.said[0] != (announcement, None):
            self.said.append((announcement, None))

    def know(self, addresses: Iterable[str]) -> None:
        self.known = frozenset(addresses)

    def offer(self, trace: Trace) -> None:
        self.contents.offer(trace)

    def withdraw(self, trace: Trace) -> None:
        self.contents.withdraw(trace)

    def moves(self) -> list[tuple[kinds.Moved, str | None]]:
        return [(message, to) for message, to in self.said if isinstance(message, kinds.Moved)]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def executor(stage: Stage, wire: Wire, lie: bool = True) -> ExecutorService:
    run, policy = liar(0) if lie else interpret, executing.Policy(50 * ETHER)
    shelf, client = Shelf(stage.models), stage.executor_client
    return ExecutorService(client, shelf, run, policy, defend=LyingDefender, inline=True, bus=wire)


def watcher(stage: Stage, wire: Wire) -> WatcherService:
    judge, policy = TwoBackends(interpret, interpret), watching.Policy(10 * ETHER)
    return WatcherService(stage.watcher_client, Shelf(stage.models), judge, policy, inline=True, bus=wire)


def test_a_dispute_is_told_move_by_move_to_whose_turn_it_is(stage: Stage) -> None:
    request, theirs, mine = stage.ask(), Wire(), Wire()
    stage.settle_down(executor(stage, theirs), watcher(stage, mine))
    (claim,), (dispute,) = stage.claims_of(request), stage.disputes_of(request)
    announced = (kinds.Announcement("executor", (bytes(stage.model.id),), version("refute")), None)
    assert theirs.said[:2] == [announced, (kinds.Claimed(claim.id, request, bytes(stage.model.id)), None)]
    opened, picked = theirs.moves(), mine.moves()
    assert {to for _, to in opened} == {stage.watcher_client.address}
    assert {to for _, to in picked} == {stage.executor_client.address}
    assert {(m.dispute, m.claim) for m, _ in (*opened, *picked)} == {(dispute.id, claim.id)}
    assert [m.level for m, _ in picked] == ["layer", "terms"], "the challenge, which picks a layer, is told once"
    assert [m.side for m, _ in opened] == ["challenger"] * 2
    assert picked[0][0].deadline - stage.look().timestamp <= PARAMETERS.clock


def test_deadlines_are_those_of_the_chain(stage: Stage) -> None:
    request, wire, mine = stage.ask(), Wire(), Wire()
    liar_, honest = executor(stage, wire), watcher(stage, mine)
    for _ in range(40):
        liar_.round()
        for dispute in stage.disputes_of(request):
            if wire.moves() and dispute.side.name == "CHALLENGER":
                assert wire.moves()[-1][0].deadline == dispute.deadline
        honest.round()
        for dispute in stage.disputes_of(request):
            if dispute.side.name == "EXECUTOR":
                assert mine.moves()[-1][0].deadline == dispute.deadline
    assert len(wire.moves()) == 2


def test_who_has_something_at_stake_is_known_while_it_has(stage: Stage) -> None:
    request, wire, mine = stage.ask(), Wire(), Wire()
    honest = executor(stage, wire, lie=False)
    stage.settle_down(honest, watcher(stage, mine))
    assert stage.executor_client.address in mine.known
    assert stage.watcher_client.address not in wire.known
    (claim,) = stage.claims_of(request)
    assert wire.contents.get(TREE, claim.trace_root) is not None
    stage.pass_time(PARAMETERS.window)
    stage.settle_down(honest)
    honest.round()
    assert wire.contents.get(TREE, claim.trace_root) is None, "nobody can need it any more"
