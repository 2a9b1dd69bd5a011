"""What counts as proven symbolically: each property that there is, and only if halmos saw every path of it hold."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import symbolic_execution
from contracts.symbolic_execution import PROPERTIES, declared, main, proven


def report(exitcode: int = 0, cut: int = 0, *, only: int | None = None) -> dict[str, Any]:
    """Halmos' report on all properties; `only`: on so many of them. All end with the same."""
    results: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(declared())[:only]:
        contract, function = name.split(".")
        entry = {"name": f"{function}(uint256)", "exitcode": exitcode, "num_bounded_loops": cut}
        results.setdefault(f"contracts/properties/{contract}.t.sol:{contract}", []).append(entry)
    return {"exitcode": exitcode, "test_results": results}


def test_every_file_of_properties_has_some() -> None:
    files = {file.name.removesuffix(".t.sol") + "Properties" for file in PROPERTIES.glob("*.t.sol")}
    assert {name.split(".")[0] for name in declared()} == files
    assert "DisputesProperties.check_from_the_deadline_on_the_side_to_move_has_lost" in declared()


@pytest.mark.parametrize(
    ("reported", "status"),
    [
        (report(), 0),
        (report(exitcode=1), 1),
        (report(cut=1), 1),
        (report(only=3), 1),
        (report(only=0), 1),
    ],
)
def test_what_is_not_proven_or_not_run_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reported: dict[str, Any], status: int
) -> None:
    monkeypatch.setattr(symbolic_execution, "execute", lambda options: reported)
    assert main() == status
    printed = capsys.readouterr()
    assert f"{len(proven(reported))} of {len(declared())} properties proven" in printed.out
    assert (printed.err == "") == (status == 0)
