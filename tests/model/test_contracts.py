"""Hundreds of games against the contracts: they and the model agree after each transaction, and nobody honest loses."""

from __future__ import annotations

from tests.model.games import table
from tests.model.machine import play_steered, play_worlds
from tests.model.twin import Tally

WORLDS = 70
GAMES = 300


def test_nobody_honest_loses_in_any_interleaving_and_every_ending_is_reached() -> None:
    """INVARIANTS 1, 2, 3, 6, 8 and 9."""
    tally = Tally()
    play_steered(0, tally)
    play_worlds(WORLDS, None, tally)
    print(f"{tally.games} games, {tally.transactions} transactions\n{table(tally.cells)}")
    print(f"seen: {dict(tally.seen)}\nrefused: {dict(tally.refused)}")
    assert tally.games >= GAMES
    assert tally.sound, (tally.honest_losses, tally.astray, tally.seen, table(tally.cells))
