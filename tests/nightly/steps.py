"""A long run of the differential fuzzer: `python -m tests.nightly.steps --elements 100000 --seed 7`.

Merges `fuzz_elements`, `fuzz_mismatches`, `fuzz_malformed` and `fuzz_seed` into build/nightly.json; exits 1 if contract
and specification differ anywhere. Without a seed it takes a new one and prints it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from tests.nightly.report import merge
from tests.step_fuzz import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.steps", description=__doc__)
    parser.add_argument("--elements", type=int, default=100_000, help="elements to compare, at least")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="everything drawn follows from it")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    began = time.monotonic()
    findings = fuzz(arguments.seed, arguments.elements)
    for mismatch in findings.mismatches:
        print(mismatch, file=sys.stderr)
    merge(
        fuzz_elements=findings.elements.total(),
        fuzz_mismatches=len(findings.mismatches),
        fuzz_malformed=findings.malformed,
        fuzz_seed=findings.seed,
    )
    seconds = time.monotonic() - began
    counted = ", ".join(f"{name} {count}" for name, count in sorted(findings.elements.items()))
    print(f"{findings.elements.total()} elements, {findings.malformed} malformed, {seconds:.0f} s: {counted}")
    print(f"{len(findings.mismatches)} mismatches")
    return 1 if findings.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
