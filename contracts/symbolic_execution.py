"""Runs halmos on the properties in contracts/properties: `python -m contracts.symbolic_execution [options of halmos]`.

`make halmos` installs halmos in its own environment, build/halmos, and runs this module. Each function `check_...` of
`contracts/properties/*.t.sol` is executed with arguments that stand for every value. Prints how many were proven; exits
1 if one was not, or was not run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.compile import NoCompiler
from contracts.forge import NoForge, environment

_ROOT = Path(__file__).resolve().parent.parent
_BUILD = _ROOT / "build" / "halmos"
PROPERTIES = _ROOT / "contracts" / "properties"
_OPTIONS = ("--loop", "64", "--panic-error-codes", "*", "--solver-timeout-assertion", "60s", "--solver-threads", "2")
"""Loops are unrolled beyond the longest; an overflow is a failure like any other."""


def declared(folder: Path = PROPERTIES) -> set[str]:
    """The properties that there are, as `Contract.function`."""
    found = set()
    for file in sorted(folder.glob("*.t.sol")):
        text = file.read_text()
        (contract,) = re.findall(r"^contract (\w+Properties) is", text, re.MULTILINE)
        found |= {f"{contract}.{name}" for name in re.findall(r"function (check_\w+)\(", text)}
    return found


def proven(report: dict[str, Any]) -> set[str]:
    """The properties that hold on every path, by halmos' JSON report; not one whose loops were cut short."""
    return {
        f"{contract.split(':')[-1]}.{result['name'].split('(')[0]}"
        for contract, results in report["test_results"].items()
        for result in results
        if result["exitcode"] == 0 and not result["num_bounded_loops"]
    }


def execute(options: Sequence[str] = ()) -> dict[str, Any]:
    """Halmos' report on the properties, compiled by forge with the project's compiler."""
    variables = {**environment(PROPERTIES, _BUILD, _BUILD / "bin"), "FOUNDRY_TEST": str(PROPERTIES)}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [_BUILD / "bin" / "halmos", "--forge-build-out", _BUILD / "out", "--json-output", report]
        contracts = "|".join(sorted({name.split(".")[0] for name in declared()}))
        command += ["--match-contract", f"^({contracts})$", "--no-status", *_OPTIONS, *options]
        subprocess.run([*map(str, command)], cwd=_ROOT, env=variables, check=False)
        if not report.exists():
            raise SystemExit("halmos made no report")
        content: dict[str, Any] = json.loads(report.read_text())
        return content


def main() -> int:
    try:
        report = execute(sys.argv[1:])
    except (NoForge, NoCompiler) as missing:
        print(missing, file=sys.stderr)
        return 1
    properties, held = declared(), proven(report)
    for name in sorted(properties - held):
        print(f"not proven: {name}", file=sys.stderr)
    print(f"halmos: {len(held & properties)} of {len(properties)} properties proven")
    return 0 if properties and held == properties else 1


if __name__ == "__main__":
    sys.exit(main())
