"""Ten disputes in chaos; `make nightly` plays a hundred (tests/nightly/chaos.py)."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.chaos import play
from tests.tools import require_anvil

SEED = 20261126
EVERY = 8, 16
"""Transactions of an agent between two of its deaths."""


def test_ten_disputes_are_won_whoever_is_killed_and_whatever_fails(tmp_path: Path) -> None:
    require_anvil()
    findings = play(10, SEED, tmp_path, EVERY, spells=False)
    assert (findings.won, findings.lost, findings.doubled, findings.crashes) == (10, 0, [], []), findings
    assert all(times > 0 for times in findings.disturbances.values()), findings.disturbances
    assert findings.spoilt, "no answer was spoilt"
    assert findings.bus_lost, "no agent noticed that the broker had stopped"
