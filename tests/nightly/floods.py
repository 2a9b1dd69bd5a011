"""Floods on eth-tester: `python -m tests.nightly.floods --disputes 200 --claims 1000`; three minutes.

Merges `flood_disputes`, `flood_claims`, `flood_dearest_gas` and `flood_honest_losses` into build/nightly.json and
prints what each transaction costs among few and at most in the floods, and what the honest executor's defence costs.
Exits 1 if somebody honest lost, a transaction grew by more than 2 %, or the delay bound does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.model.devnet import Devnet
from tests.model.floods import BOND, DELAY, PARAMETERS, flood_claims, flood_disputes
from tests.model.test_floods import GROWTH
from tests.nightly.report import merge

ETHER = 10**18


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.floods", description=__doc__)
    parser.add_argument("--disputes", type=int, default=200, help="disputes of one claim")
    parser.add_argument("--claims", type=int, default=1_000, help="claims open at once")
    arguments = parser.parse_args()
    began = time.monotonic()
    few = flood_disputes(2, Devnet).dearest() | flood_claims(5, Devnet).dearest()
    disputes, claims = flood_disputes(arguments.disputes, Devnet), flood_claims(arguments.claims, Devnet)
    print(f"{'transaction':14}{'gas of few':>12}{'at most':>12}")
    grown = []
    dearest = {name: max(disputes.dearest().get(name, 0), claims.dearest().get(name, 0)) for name in few}
    for name, gas in dearest.items():
        print(f"{name:14}{few[name]:12,}{gas:12,}")
        if gas > few[name] * GROWTH:
            grown.append(name)
    each = disputes.spent_by_executor / arguments.disputes
    cost = each * PARAMETERS.peak_gas_price / ETHER
    print(f"defence: {each:,.0f} gas a dispute, {cost:.4f} ETH at peakGasPrice, for a bond of {BOND / ETHER:g} ETH")
    print(f"{disputes.seconds} s from the claim to its end, at most {DELAY}; {time.monotonic() - began:.0f} s of play")
    losses = disputes.lost + claims.lost
    merge(
        flood_disputes=arguments.disputes,
        flood_claims=arguments.claims,
        flood_dearest_gas=max(dearest.values()),
        flood_honest_losses=losses,
    )
    if grown:
        print(f"dearer than among few: {', '.join(grown)}", file=sys.stderr)
    return 1 if losses or grown or disputes.seconds > DELAY else 0


if __name__ == "__main__":
    sys.exit(main())
