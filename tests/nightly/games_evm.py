"""Many games against the contracts on pyrevm: `python -m tests.nightly.games_evm --games 3000 --seed 7`.

Merges `games_evm`, `games_evm_seed` and, on top of what is there of this night, `honest_losses` into
build/nightly.json; prints how many games ended where; exits 1 if an honest side lost, the model and a contract
disagreed, a steered game ended elsewhere, no game ended in some way that there is, or something rare was not seen.
Without a seed it takes a new one and prints it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from tests.model.games import table
from tests.model.machine import play_steered, play_worlds
from tests.model.twin import Tally
from tests.nightly.report import held, merge

WORLDS = 50
"""Before the games are counted again."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.games_evm", description=__doc__)
    parser.add_argument("--games", type=int, default=3_000, help="games to play")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="everything drawn follows from it")
    parser.add_argument("--shrink", action="store_true", help="make a failing world small; takes minutes")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    began, tally, seed = time.monotonic(), Tally(), arguments.seed
    try:
        play_steered(seed, tally)
        while tally.games < arguments.games:
            play_worlds(WORLDS, seed, tally, shrink=arguments.shrink)
            seed += 1
    finally:  # a loss is an AssertionError, and counts
        losses = held().get("honest_losses", 0) + tally.honest_losses
        merge(games_evm=tally.games, games_evm_seed=arguments.seed, honest_losses=losses)
    print(table(tally.cells))
    print(", ".join(f"{what}: {count}" for what, count in sorted(tally.seen.items())))
    print(
        f"{tally.games} games, {tally.transactions} transactions, {tally.refused.total()} of them refused, "
        f"{tally.honest_losses} honest losses, {len(tally.astray)} astray, {time.monotonic() - began:.0f} s"
    )
    return 0 if tally.sound else 1


if __name__ == "__main__":
    sys.exit(main())
