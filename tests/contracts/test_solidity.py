"""The Solidity tests, as a part of `make test`. In CI (CI is set) they make 10,000 fuzz runs and cannot be skipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from contracts import forge
from contracts.forge import NoForge

SOURCES = Path(__file__).resolve().parents[2] / "contracts" / "test"
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def test_the_solidity_tests_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOUNDRY_PROFILE", "ci" if IN_CI else "default")
    try:
        done = forge.run(["--json"], capture=True)
    except NoForge as missing:
        if IN_CI:
            raise
        pytest.skip(f"Solidity tests: {missing}")
    assert done.stdout.startswith("{"), done.stderr or done.stdout
    results = {
        f"{suite}::{name}": result["status"]
        for suite, found in json.loads(done.stdout).items()
        for name, result in found["test_results"].items()
    }
    assert [name for name, status in results.items() if status != "Success"] == []
    assert done.returncode == 0, done.stderr
    written = sum(path.read_text().count(" function test") for path in SOURCES.glob("*.t.sol"))
    invariants = sum(path.read_text().count(" function invariant_") for path in SOURCES.glob("*.t.sol"))
    assert len(results) == written + invariants


def test_a_failure_is_told() -> None:
    """As the script in node_modules/.bin does not: it ends with 0 whatever forge says."""
    try:
        assert forge.run(["--match-test", "there_is_no_such_test", "--no-such-option"], capture=True).returncode != 0
    except NoForge as missing:
        if IN_CI:
            raise
        pytest.skip(f"Solidity tests: {missing}")


def test_without_forge_the_reason_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(forge, "_PACKAGES", tmp_path)
    with pytest.raises(NoForge, match="npm"):
        forge.command()
