"""docs/security.md names tests that exist, and answers the findings of static analysis in a form that is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contracts.static_analysis import DOCUMENT, Finding, answered, findings, unanswered

ROOT = Path(__file__).resolve().parents[2]
TEXT = DOCUMENT.read_text()


def test_every_invariant_has_tests() -> None:
    section = TEXT.split("## Invariants and the tests that hold them")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d+) [^|]+\| (.+) \|$", section, re.MULTILINE))
    assert list(rows) == [str(number) for number in range(1, 14)]
    for row in rows.values():
        assert "::" in row


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`([^`:]+)::([^`]+)`", TEXT)
    assert len(named) > 60
    for file, test in named:
        assert re.search(rf"(def|function) {test}\(", (ROOT / file).read_text()), f"{file}::{test}"


def test_every_file_that_is_named_exists() -> None:
    for name in re.findall(r"`((?:tests|contracts)/[\w/.]+)", TEXT):
        assert (ROOT / name).exists(), name


def test_the_answers_are_read() -> None:
    answers = answered(TEXT)
    assert Finding("arbitrary-send-eth", "Stakes._pay") in answers
    assert Finding("timestamp", "anywhere") in answers
    assert len(answers) == TEXT.count("\n| `") + sum(row.count("`, `") for row in TEXT.splitlines() if row[:3] == "| `")


REPORT = {
    "results": {
        "detectors": [
            {"check": "shift", "elements": [{"type": "function", "name": "f", "type_specific_fields": {}}]},
            {
                "check": "local",
                "elements": [
                    {
                        "type": "variable",
                        "name": "x",
                        "type_specific_fields": {
                            "parent": {
                                "type": "function",
                                "name": "g",
                                "type_specific_fields": {"parent": {"type": "contract", "name": "C"}},
                            }
                        },
                    }
                ],
            },
        ]
    }
}
"""Two findings in the form of slither's report."""


@pytest.mark.parametrize(
    ("answers", "open_", "idle"),
    [
        ([("shift", "f"), ("local", "C.g")], [], []),
        ([("shift", "anywhere"), ("local", "anywhere")], [], []),
        ([("shift", "f")], [("local", "C.g")], []),
        ([("shift", "h"), ("local", "anywhere")], [("shift", "f")], [("shift", "h")]),
        ([("shift", "f"), ("local", "C.g"), ("other", "anywhere")], [], [("other", "anywhere")]),
    ],
)
def test_findings_without_answers_and_answers_without_findings(
    answers: list[tuple[str, str]], open_: list[tuple[str, str]], idle: list[tuple[str, str]]
) -> None:
    found = findings(REPORT)
    assert found == {("shift", "f"), ("local", "C.g")}
    assert unanswered(found, {Finding(*answer) for answer in answers}) == (open_, idle)
