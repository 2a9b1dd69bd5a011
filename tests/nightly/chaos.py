"""Disputes in chaos: `python -m tests.nightly.chaos --disputes 100 --seed 7`; several at once, anvil, real processes.

Agents are killed, nodes fail, the broker (mosquitto) stops, gas gets dear and the chain is reorganised at moments that
follow from the seed (tests/chaos). Merges `chaos_disputes`, `chaos_won`, `chaos_lost` (honest stake, in wei),
`chaos_seed` and what happened meanwhile into build/nightly.json; exits 1 unless every dispute was won, nothing was
lost, no transaction took effect twice and no agent crashed.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest

from prover.errors import RefuteError
from tests.chaos.chaos import play
from tests.chaos.findings import Findings
from tests.nightly.report import merge

AT_ONCE = 20
"""Disputes of one run; each run has a chain and agents of its own."""
EVERY = 2, 10
"""Transactions of an agent between two of its deaths."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.chaos", description=__doc__)
    parser.add_argument("--disputes", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="everything drawn follows from it")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no agent is left behind
    print(f"seed {arguments.seed}", flush=True)
    runs: list[Findings] = []
    while (left := arguments.disputes - sum(run.disputes for run in runs)) > 0:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        try:
            findings = play(min(arguments.at_once, left), arguments.seed + len(runs), folder, EVERY, spells=True)
        except pytest.skip.Exception as missing:
            print(missing, file=sys.stderr)
            return 1
        except RefuteError as error:
            print(f"{error}; the agents' logs are in {folder}", file=sys.stderr)
            return 1
        runs.append(findings)
        print(json.dumps(asdict(findings)), flush=True)
        if findings.good:
            shutil.rmtree(folder)
        else:
            print(f"the agents' logs are in {folder}", file=sys.stderr)
    merge(
        chaos_disputes=sum(run.disputes for run in runs),
        chaos_won=sum(run.won for run in runs),
        chaos_lost=sum(run.lost for run in runs),
        chaos_doubled=sum(len(run.doubled) for run in runs),
        chaos_reverted=sum(run.reverted for run in runs),
        chaos_transactions=sum(run.transactions for run in runs),
        chaos_kills=sum(times for run in runs for name, times in run.disturbances.items() if name.startswith("kills")),
        chaos_broker_stops=sum(run.disturbances["stops of the broker"] for run in runs),
        chaos_spoilt_answers=sum(sum(run.spoilt.values()) for run in runs),
        chaos_seed=arguments.seed,
        chaos_seconds=round(sum(run.seconds for run in runs)),
    )
    return 0 if all(run.good for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
