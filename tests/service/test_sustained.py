"""Thirty queries through one executor and two watchers; `make nightly` has five hundred."""

from __future__ import annotations

from pathlib import Path

from tests.nightly.sustained import GROWTH, sustain
from tests.tools import require_anvil

QUERIES = 30


def test_every_query_of_a_stream_is_answered_verified_by_both_and_final(tmp_path: Path) -> None:
    require_anvil()
    figures = sustain(QUERIES, tmp_path)
    assert (figures.final, figures.verified) == (QUERIES, 2 * QUERIES), figures
    assert 0 <= figures.lag_median <= figures.lag_95 <= figures.lag_max < figures.seconds, figures
    assert figures.mib_warm.keys() == figures.mib_end.keys() == {"executor", "watcher", "second-watcher"}
    assert figures.growth <= 2 * GROWTH, "its buffers and caches are filled within the first queries"
