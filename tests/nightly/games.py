"""Many games against the pure machine: `python -m tests.nightly.games --games 100000 --seed 7`.

Merges `games_model`, `honest_losses`, `games_astray` and `games_seed` into build/nightly.json and prints how many games
ended where; exits 1 if an honest side lost, a steered game ended elsewhere, or no game ended in some way that there is.
Without a seed it takes a new one and prints it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from tests.model.games import STEERED, play_games
from tests.nightly.report import merge


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.games", description=__doc__)
    parser.add_argument("--games", type=int, default=100_000, help="games to play")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="everything drawn follows from it")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    began = time.monotonic()
    tally = play_games(arguments.games, arguments.seed)
    merge(
        games_model=tally.games,
        honest_losses=len(tally.lost),
        games_astray=len(tally.astray),
        games_seed=tally.seed,
    )
    print(tally.table())
    print(f"{tally.games} games, {len(tally.lost)} honest losses, {time.monotonic() - began:.0f} s")
    again = f"play again: tests.model.games.play_game(NUMBER, {tally.seed})"
    missing = [cell for cell in STEERED if not tally.cells[cell]]
    for number in tally.lost:
        print(f"game {number}: the honest side lost; {again}", file=sys.stderr)
    for number, intended, actual in tally.astray:
        print(f"game {number}: steered to {intended}, ended at {actual}; {again}", file=sys.stderr)
    for level, ending in missing:
        print(f"no game ended at {level} by {ending}", file=sys.stderr)
    return 1 if tally.lost or tally.astray or missing else 0


if __name__ == "__main__":
    sys.exit(main())
