"""docs/security.md names tests that exist, and answers the findings of static analysis in a form that is read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from contracts.static_analysis import DOCUMENT, Finding, answered, findings, unanswered

ROOT = Path(__file__).resolve().parents[2]
TEXT = DOCUMENT.read_text()
FOLDERS = ("contracts", "prover", "executor", "watcher", "deploy", "tests")
NAMED = re.compile(r"`([^`:]+)::([^`]+)`")
MARK = re.compile(r"INVARIANTS?:? \[?(?:inv )?((?:\d+(?:, | and | to )?)+)|\[inv ([\d, ]+)\]")
"""Where code, or a test, cites invariants: all numbers of one citation."""


def stated() -> dict[int, str]:
    """The invariants of the protocol: number to what they are called."""
    section = (DOCUMENT.parent / "protocol.md").read_text().split("## 11. Invariants")[1].split("\n## ")[0]
    titles = re.findall(r"^(\d+)\. \*\*(.+?)\.?\*\*", section, re.MULTILINE)
    return {int(number): title.lower() for number, title in titles}


def table() -> dict[int, tuple[str, str]]:
    """The rows of the table of invariants: number to title and tests."""
    section = TEXT.split("## Invariants and the tests that hold them")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) ([^|]+) \| (.+) \|$", section, re.MULTILINE)
    return {int(number): (title, tests) for number, title, tests in rows}


def cited(text: str) -> set[int]:
    return {int(number) for found in MARK.findall(text) for number in re.findall(r"\d+", "".join(found))}


def test_every_invariant_of_the_protocol_has_tests() -> None:
    rows = table()
    assert {number: title for number, (title, _) in rows.items()} == stated()
    assert list(rows) == list(range(1, 14))
    for number, (_, tests) in rows.items():
        assert NAMED.search(tests), number


def test_every_invariant_that_is_cited_is_one_and_each_is() -> None:
    texts = {
        path: path.read_text()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sol") and path != Path(__file__)
    }
    marks = {path: cited(text) for path, text in texts.items()}
    assert [path for path, numbers in marks.items() if not numbers <= set(stated())] == []
    assert set().union(*marks.values()) == set(stated())
    for path, text in texts.items():
        for line in text.splitlines():
            if "INVARIANT:" in line:
                assert cited(line), f"{path}: an invariant without its number: {line}"


def test_citations_are_read() -> None:
    assert cited("INVARIANT: [inv 6] from") == {6}
    assert cited('"""INVARIANTS 1, 2, 8 and 9 after') == {1, 2, 8, 9}
    assert cited("as committed [inv 4, 5]; 3 of [inv 14]") == {4, 5, 14}
    assert cited("comments marked INVARIANT cite 11") == set()


def test_every_test_that_is_named_is_collected() -> None:
    """By pytest: a function of the module that starts with `test_`, in a file that does, which is not skipped."""
    for file, test in NAMED.findall(TEXT):
        if file.endswith(".py"):
            module = ast.parse((ROOT / file).read_text())
            found = [f for f in module.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) and f.name == test]
            assert found, f"{file}::{test}"
            assert Path(file).name.startswith("test_"), file
            assert test.startswith("test_"), test
            marks = [ast.unparse(mark) for mark in found[0].decorator_list]
            assert not any("skip(" in mark or mark.endswith(".skip") for mark in marks), f"{file}::{test}"


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(TEXT)
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
