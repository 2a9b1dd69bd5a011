"""Ten thousand games against the pure machine: the honest side wins every one, and every ending is reached."""

from __future__ import annotations

import secrets

from prover import validity
from tests.model.games import STEERED, play_games
from tests.model.players import PROGRAM, WEIGHTS

GAMES = 10_000


def test_the_program_is_valid() -> None:
    validity.check(PROGRAM, WEIGHTS)


def test_the_honest_side_wins_every_game_and_every_ending_is_reached() -> None:
    """INVARIANT 1 and 2."""
    seed = secrets.randbits(32)
    tally = play_games(GAMES, seed)
    print(f"seed {seed}\n{tally.table()}")
    again = f"play again: tests.model.games.play_game(NUMBER, {seed})"
    assert not tally.lost, f"the honest side lost games {tally.lost[:5]}; {again}"
    assert not tally.astray, f"games that ended elsewhere than steered: {tally.astray[:5]}; {again}"
    assert set(tally.cells) == set(STEERED), "a level and ending without a game, or one that is not in the table"
