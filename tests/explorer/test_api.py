"""What an agent answers over HTTP, to its page, to Prometheus and to supervisors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from contracts.service.explorer.server import READS, STALE, Explorer
from contracts.service.feed import Feed, Report
from contracts.service.metrics import exposition, verification_lag
from contracts.shelf import Shelf
from contracts.snapshot import Reason
from deploy.reruns import Reruns
from prover.model_folder import Model
from prover.trace import Array, Execution
from tests.agents.stage import interpret
from tests.explorer.asking import ask, fetch
from tests.explorer.conftest import HOSTILE, Scene

LEVELS = ("claim", "trace", "layer", "tensor", "chunk", "terms", "step", "end")


def latest(scene: Scene) -> Report:
    assert scene.feed.latest is not None
    return scene.feed.latest


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


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


def test_an_explorer_without_an_agent_computes_the_disputed_numbers_itself(scene: Scene, tmp_path: Path) -> None:
    snapshot, runs = scene.stage.look(), []

    def run(model: Model, inputs: Sequence[Array]) -> Execution:
        runs.append(inputs)
        return interpret(model, inputs)

    own = Reruns(Shelf(scene.stage.models), lambda: run, inline=True).of(snapshot)
    watchers = latest(scene).own
    for dispute in (snapshot.disputes[scene.live.id], snapshot.disputes[scene.over.id]):
        assert own(dispute) is not None
        assert own(dispute) == watchers(dispute)
    assert len(runs) == 2, "each once"
    assert Reruns(Shelf(tmp_path), lambda: run, inline=True).of(snapshot)(scene.live) is None, "no model, no number"


def test_every_way_a_dispute_ends_has_words(scene: Scene) -> None:
    report, feed = latest(scene), Feed()
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


def test_the_lag_is_that_of_claims_to_be_verified_and_a_watchers_alone(scene: Scene) -> None:
    report = latest(scene)
    waits = replace(report, verdicts={}, snapshot=replace(report.snapshot, timestamp=report.snapshot.timestamp + 100))
    assert verification_lag(report) == 0
    assert verification_lag(waits) >= 100
    assert verification_lag(replace(waits, passed_over=frozenset({scene.live.claim}))) == 0
    feed = Feed()
    for agent, shown in (("watcher", True), ("executor", False), ("explorer", False)):
        feed.publish(replace(waits, agent=agent))
        assert (b"refute_verification_lag_seconds " in exposition(feed)) is shown


def test_an_agent_without_a_recent_round_is_not_ready(scene: Scene) -> None:
    report, feed, clock = latest(scene), Feed(), Clock()
    explorer = Explorer(scene.stage.other, feed, lambda model: None, clock)

    def health() -> tuple[int, int]:
        return explorer.answer("/healthz")[0], explorer.answer("/readyz")[0]

    assert health() == (200, 503)  # just begun: alive, but not at work yet
    assert explorer.answer("/api/state")[0] == 503
    feed.publish(replace(report, at=clock.now))
    for age, wanted in ((0.0, (200, 200)), (STALE + 1, (200, 503)), (10 * STALE + 1, (503, 503))):
        clock.now = age
        assert health() == wanted


def test_strangers_cannot_use_up_the_nodes(scene: Scene) -> None:
    """Each new state of a dispute is read from the chain once; beyond a burst of them it is one a second."""
    report, feed, clock = latest(scene), Feed(), Clock()
    explorer = Explorer(scene.stage.other, feed, lambda model: None, clock)

    def asked(state: int) -> int:
        dispute = replace(scene.over, deadline=scene.over.deadline + state)
        feed.publish(replace(report, snapshot=replace(report.snapshot, disputes={dispute.id: dispute})))
        return explorer.answer(f"/api/dispute/0x{dispute.id.hex()}")[0]

    assert {asked(state) for state in range(READS)} == {200}
    assert asked(READS) == 503
    assert asked(READS - 1) == 200  # what was read is kept
    clock.now += 1
    assert [asked(READS), asked(READS + 1)] == [200, 503]
