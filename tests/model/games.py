"""Games against the pure machine: steered to an ending at a level, or random; every one has an honest side, which wins.

A game follows from its number and seed alone: `play_game(number, seed)` plays it again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prover.game import rules
from prover.game.adversaries import (
    LyingDefender,
    LyingFactorDefender,
    MisopeningDefender,
    MistakenChallenger,
    SilentDefender,
    WanderingChallenger,
)
from prover.game.moves import Step
from prover.game.players import Challenger, Defender, Player
from prover.game.position import Phase, Position, Side
from prover.game.refutations import Refuted
from prover.game.simulator import Opens, Outcome, Picks, initial_position, play
from prover.trace import Execution
from tests.model import players
from tests.model.players import BACK, DOUBLED, INPUTS, LARGEST, LOOKED_UP, OPERATORS, PROGRAM, SUMS, Quitting

Cell = tuple[str, str]
"""(level, ending). Endings: "step"; "seam", a refutation of what was opened; "executor out" and "challenger out" of
time, by silence or a move that the rules refuse."""


@dataclass(frozen=True)
class Game:
    """Two sides over one claim, which of them is honest, and where it is to end, if it is steered."""

    executor: Opens
    challenger: Picks
    position: Position
    honest: Side
    intended: Cell | None = None

    @property
    def execution(self) -> Execution:
        """What the executor claims."""
        assert isinstance(self.executor, Player)
        return self.executor.execution


@dataclass
class Tally:
    """What a number of games showed."""

    seed: int
    games: int = 0
    cells: Counter[Cell] = field(default_factory=Counter)
    lost: list[int] = field(default_factory=list)
    """Numbers of the games that the honest side lost."""
    astray: list[tuple[int, Cell, Cell]] = field(default_factory=list)
    """Number, intended and actual cell of steered games that ended elsewhere."""

    def table(self) -> str:
        return table(self.cells)


def table(cells: Mapping[Cell, int]) -> str:
    """How many games ended where: a row for each level, "-" where there is no such ending."""
    endings = sorted({ending for _, ending in STEERED})
    rows = [f"{'level':8}" + "".join(f"{ending:>16}" for ending in endings)]
    for level in dict.fromkeys(phase.level for phase in Phase):
        counts = ((cells.get((level, e), 0) if (level, e) in STEERED else "-") for e in endings)
        rows.append(f"{level:8}" + "".join(f"{count:>16}" for count in counts))
    return "\n".join(rows)


def cell_of(outcome: Outcome, first: Position) -> Cell:
    """Where and how a game ended."""
    if not outcome.walk:
        return first.phase.level, _out(first)
    last = outcome.walk[-1]
    after = rules.apply(last.position, last.move)
    if isinstance(after, Refuted):
        return last.position.phase.level, "step" if isinstance(last.move, Step) else "seam"
    return after.phase.level, _out(after)


def _out(position: Position) -> str:
    return "executor out" if position.phase.side is Side.EXECUTOR else "challenger out"


# Steered games

_DEEP = (SUMS,)
"""Faults in it lead through every level."""
_MISTAKES = {Phase.OPERATOR_PICK: (LOOKED_UP, LARGEST, DOUBLED), Phase.STEP: (LOOKED_UP, DOUBLED, BACK)}
"""Where a mistaken challenger believes in a fault to get to a phase, if not in the sums."""


def _against(executor: Defender, intended: Cell, challenger: Challenger | None = None) -> Game:
    """A wrong claim, and the honest challenger."""
    execution = executor.execution
    position = initial_position(execution.program, execution.trace.root, INPUTS)
    other = challenger or players.player(Challenger, players.honest())
    return Game(executor, other, position, Side.CHALLENGER, intended)


def _step(rng: random.Random) -> Game:
    liar = players.player(LyingDefender, players.draw_fault(rng))
    return _against(liar, ("step", "step"))


def _silent(phase: Phase) -> Callable[[random.Random], Game]:
    def make(rng: random.Random) -> Game:
        silent = SilentDefender(players.draw_fault(rng, _DEEP))
        silent.silent_from = phase
        return _against(silent, (phase.level, "executor out"))

    return make


def _misopened(phase: Phase) -> Callable[[random.Random], Game]:
    def make(rng: random.Random) -> Game:
        liar = players.draw_fault(rng, (SUMS, LOOKED_UP, DOUBLED, BACK))
        return _against(MisopeningDefender(liar, players.honest(), phase), (phase.level, "seam"))

    return make


def _false_factor(rng: random.Random) -> Game:
    return _against(LyingFactorDefender(players.draw_fault(rng, _DEEP)), ("terms", "seam"))


def _malformed(rng: random.Random) -> Game:
    claimed = players.of_malformed(players.honest())
    differs = players.of_malformed(players.draw_fault(rng, (LARGEST, DOUBLED)))
    return _against(Defender(claimed), ("layer", "seam"), players.Prosecutor(differs))


def _quits(phase: Phase) -> Callable[[random.Random], Game]:
    def make(rng: random.Random) -> Game:
        mistaken = players.draw_fault(rng, _MISTAKES.get(phase, _DEEP))
        quitting = Quitting(players.player(MistakenChallenger, mistaken), phase)
        return _defended(quitting, (phase.level, "challenger out"))

    return make


def _defended(challenger: Picks, intended: Cell | None = None) -> Game:
    """A right claim, and the honest executor."""
    executor = players.player(Defender, players.honest())
    position = initial_position(PROGRAM, players.honest().trace.root, INPUTS)
    return Game(executor, challenger, position, Side.EXECUTOR, intended)


STEERED: dict[Cell, Callable[[random.Random], Game]] = {
    ("step", "step"): _step,
    ("layer", "seam"): _malformed,
    ("tensor", "seam"): _misopened(Phase.TENSOR_OPEN),
    ("chunk", "seam"): _misopened(Phase.CHUNK_OPEN),
    ("terms", "seam"): _false_factor,
    **{(p.level, "executor out"): _silent(p) for p in Phase if p.side is Side.EXECUTOR},
    **{(p.level, "challenger out"): _quits(p) for p in Phase if p.side is Side.CHALLENGER},
}
"""Every ending that each level has, with what leads there."""


# Random games


def _random_game(rng: random.Random) -> Game:
    """One side is honest; the other is any adversary, with any fault, that changes its ways at any phase."""
    if rng.random() < 0.6:
        wandering = WanderingChallenger(players.honest(), rng.randrange)
        mistaken = players.player(MistakenChallenger, players.draw_fault(rng))
        phase = rng.choice([p for p in Phase if p.side is Side.CHALLENGER])
        others: list[Picks] = [wandering, wandering, mistaken, Quitting(wandering, phase)]
        return _defended(rng.choice(others))
    execution = players.draw_fault(rng, OPERATORS)
    phase = rng.choice([p for p in Phase if p.side is Side.EXECUTOR])
    silent = SilentDefender(execution)
    silent.silent_from = phase
    liars = LyingDefender, LyingFactorDefender, Defender
    known = [players.player(kind, execution) for kind in liars]
    game = _against(rng.choice([*known, silent, MisopeningDefender(execution, players.honest(), phase)]), ("", ""))
    return Game(game.executor, game.challenger, game.position, game.honest)


def make_game(number: int, seed: int) -> Game:
    """Every second game is steered, to each cell in turn."""
    rng = random.Random(f"{seed}/{number}")
    if number % 2:
        return _random_game(rng)
    cells = list(STEERED)
    return STEERED[cells[number // 2 % len(cells)]](rng)


def play_game(number: int, seed: int, tally: Tally | None = None) -> Outcome:
    """Play game `number` of a seed, into the tally if there is one."""
    game = make_game(number, seed)
    outcome = play(game.position, game.executor, game.challenger)
    if tally is not None:
        tally.games += 1
        cell = cell_of(outcome, game.position)
        tally.cells[cell] += 1
        if outcome.winner is not game.honest:
            tally.lost.append(number)
        if game.intended not in (None, cell):
            assert game.intended is not None
            tally.astray.append((number, game.intended, cell))
    return outcome


def play_games(count: int, seed: int) -> Tally:
    tally = Tally(seed)
    with players.remembered_hashes():
        for number in range(count):
            play_game(number, seed, tally)
    return tally
