"""Runs slither on the contracts and compares what it finds with the answers in docs/security.md.

`make slither` installs slither in its own environment, build/slither, and runs this module. Every finding must have
a row in the table of the section "Static analysis": its detector, and its function, or `anywhere`. Exits 1 and prints
the findings that have none, and the rows that answer nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from contracts.forge import environment

_ROOT = Path(__file__).resolve().parent.parent
_BUILD = _ROOT / "build" / "slither"
SOURCES = _ROOT / "contracts" / "src"
DOCUMENT = _ROOT / "docs" / "security.md"
ANYWHERE = "anywhere"


class Finding(NamedTuple):
    """What a detector found, and in which function (for a local variable, the function that has it)."""

    detector: str
    place: str


def answered(document: str) -> set[Finding]:
    """The rows of the table: `| detector | places, with commas | answer |`, names in backticks."""
    section = document.split("## Static analysis", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| .+ \|$", section, re.MULTILINE)
    return {Finding(detector, place.strip("` ")) for detector, places in rows for place in places.split(",")}


def findings(report: dict[str, Any]) -> set[Finding]:
    """The findings of slither's JSON report."""
    return {Finding(found["check"], _place(found["elements"][0])) for found in report["results"].get("detectors", [])}


def _place(element: dict[str, Any]) -> str:
    parent = element.get("type_specific_fields", {}).get("parent", {})
    if element["type"] == "variable" and parent.get("type") == "function":
        return _place(parent)
    return f"{parent['name']}.{element['name']}" if parent.get("type") == "contract" else str(element["name"])


def unanswered(found: set[Finding], answers: set[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Findings without an answer, and answers without a finding."""
    general = {answer.detector for answer in answers if answer.place == ANYWHERE}
    open_ = sorted(f for f in found if f not in answers and f.detector not in general)
    detectors = {f.detector for f in found}
    idle = sorted(a for a in answers if (a.detector not in detectors if a.place == ANYWHERE else a not in found))
    return open_, idle


def analyse() -> dict[str, Any]:
    """Slither's report on contracts/src, compiled by forge with the project's compiler."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [_BUILD / "bin" / "slither", ".", "--foundry-out-directory", _BUILD / "out", "--json", report]
        done = subprocess.run(
            [*map(str, command), "--filter-paths", "contracts/test|src/test"],
            cwd=_ROOT,
            env=environment(SOURCES, _BUILD),
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise SystemExit(f"slither made no report:\n{done.stderr[-3000:]}")
        content: dict[str, Any] = json.loads(report.read_text())
    if not content["success"]:
        raise SystemExit(f"slither failed: {content['error']}")
    return content


def main() -> int:
    found = findings(analyse())
    open_, idle = unanswered(found, answered(DOCUMENT.read_text()))
    for finding in open_:
        print(f"{finding.detector} in {finding.place}: fix it, or answer it in {DOCUMENT}", file=sys.stderr)
    for answer in idle:
        print(f"{answer.detector} in {answer.place} is answered in {DOCUMENT} but not found", file=sys.stderr)
    print(f"slither: {len(found)} findings, {len(open_)} without an answer")
    return 1 if open_ or idle else 0


if __name__ == "__main__":
    sys.exit(main())
