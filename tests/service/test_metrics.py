"""What an agent counts while it works: transactions by what became of them, passes of models, and their hashing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from contracts.service import metrics
from contracts.service.feed import Feed
from contracts.shelf import TorchRun
from prover.game.adversaries import MistakenChallenger
from tests.agents.stage import Stage, small_model
from tests.agents.test_mistakes import mistaken


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def counted() -> dict[str, float]:
    """Values of this process by name, and of transactions by outcome."""
    text = generate_latest(metrics.REGISTRY).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {s.labels.get("outcome", s.name): s.value for s in samples if not s.name.endswith("_created")}


def test_transactions_are_counted_by_what_became_of_them(stage: Stage) -> None:
    stage.ask()
    before = counted()
    stage.settle_down(stage.executor(), stage.watcher(mistaken, MistakenChallenger))
    after = counted()
    sent = sum(stage.chain.mined_nonce(client.address) for client in (stage.executor_client, stage.watcher_client))
    assert {name: after[name] - before[name] for name in metrics.OUTCOMES.values()} == {
        "mined": sent - 1, "refused": 1, "not_taken": 0, "not_funded": 0, "unmined": 0,
    }, "the mistaken step is mined, too, but refused"  # fmt: skip


def test_a_pass_and_the_hashing_of_its_traces_are_timed_apart() -> None:
    model, before = small_model(), counted()
    inputs = [[np.full(300, number, "<i1")] for number in range(3)]
    executions = TorchRun().batch(model, inputs)
    after = counted()
    assert len(executions) == 3
    for name in ("refute_inference_seconds", "refute_commit_seconds"):
        assert after[f"{name}_count"] == before[f"{name}_count"] + 1
        assert 0 < after[f"{name}_sum"] - before[f"{name}_sum"] < 60
    assert all("trace" in vars(execution) for execution in executions), "they are hashed already"


def test_what_is_on_its_way_and_was_replaced_is_shown(stage: Stage) -> None:
    feed = Feed()
    stage.watcher(feed=feed).round()
    families = text_string_to_metric_families(metrics.exposition(feed).decode())
    shown = {s.name: s.value for family in families for s in family.samples}
    assert (shown["refute_transactions_pending"], shown["refute_transactions_replaced"]) == (0, 0)
