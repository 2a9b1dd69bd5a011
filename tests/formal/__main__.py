"""Prove every theorem: `python -m tests.formal`. Exits 1 if one does not hold, or holds of nothing."""

from __future__ import annotations

import sys

from tests.formal.model import Model
from tests.formal.proving import check
from tests.formal.theorems import THEOREMS


def main() -> int:
    failed = 0
    for theorem in THEOREMS:
        verdict = check(theorem, Model())
        said = "proven" if verdict.proven else "NOT PROVEN"
        scope = f"{theorem.bounds}; {verdict.obligations} cases, {verdict.seconds:.1f} s"
        print(f"{said} {theorem.name}: {theorem.says} [{scope}]")
        for failure in (*verdict.failures, *verdict.vacuous):
            print(f"  {failure}", file=sys.stderr)
        failed += not verdict.proven
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
