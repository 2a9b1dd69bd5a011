"""Floods on eth-tester: `python -m tests.nightly.floods --disputes 200 --claims 1000`; two minutes.

Merges `flood_disputes`, `flood_claims`, `flood_dearest_gas` and `flood_honest_losses` into build/nightly.json and
prints what each transaction costs among few and at most in the floods, and what the honest executor's defence costs.
Exits 1 if somebody honest lost, a transaction grew by more than 2 % or is over the limit of docs/gas.md, the defence
costs more than the bonds that it earns, or the delay bound does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time

from deploy.gas.figures import FIGURES
from tests.model.devnet import Devnet
from tests.model.floods import BOND, DELAY, EXECUTOR, GROWTH, PARAMETERS, flood_claims, flood_disputes
from tests.nightly.report import merge

ETHER = 10**18
LIMIT = next(figure.limit for figure in FIGURES if figure.name == "largest_tx_gas") or 0
"""Gas of a transaction."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.floods", description=__doc__)
    parser.add_argument("--disputes", type=int, default=200, help="disputes of one claim")
    parser.add_argument("--claims", type=int, default=1_000, help="claims open at once")
    arguments = parser.parse_args()
    began = time.monotonic()
    few = flood_disputes(2, Devnet).dearest() | flood_claims(5, Devnet).dearest()
    disputes, claims = flood_disputes(arguments.disputes, Devnet), flood_claims(arguments.claims, Devnet)
    dearest = {name: max(disputes.dearest().get(name, 0), claims.dearest().get(name, 0)) for name in few}
    wrong = [f"{name} is dearer than among few" for name, gas in dearest.items() if gas > few[name] * GROWTH]
    wrong += [f"{name} is over {LIMIT:,} gas" for name, gas in dearest.items() if gas > LIMIT]
    losses, seconds = disputes.lost + claims.lost, max(disputes.seconds, claims.seconds)
    cost = disputes.spent[EXECUTOR] * PARAMETERS.peak_gas_price
    wrong += [f"{losses} losses of somebody honest"] * (losses > 0)
    wrong += [f"a claim took {seconds} s"] * (seconds > DELAY)
    wrong += ["the defence costs more than the bonds"] * (cost >= arguments.disputes * BOND)
    print(f"{'transaction':14}{'gas among few':>15}{'at most':>12}")
    for name, gas in dearest.items():
        print(f"{name:14}{few[name]:15,}{gas:12,}")
    each = disputes.spent[EXECUTOR] / arguments.disputes
    print(f"defence: {each:,.0f} gas a dispute; in all {cost / ETHER:.3f} ETH at peakGasPrice,", end=" ")
    print(f"for bonds of {arguments.disputes * BOND / ETHER:g} ETH and the fee")
    print(f"{seconds} s from a claim to its end, at most {DELAY}; {time.monotonic() - began:.0f} s of play")
    merge(
        flood_disputes=arguments.disputes,
        flood_claims=arguments.claims,
        flood_dearest_gas=max(dearest.values()),
        flood_honest_losses=losses,
    )
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
