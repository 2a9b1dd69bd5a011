"""A dispute in one process, without a chain: two players, the rules, and the walk they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prover import encoding, posted
from prover.errors import IllegalMove
from prover.game import rules
from prover.game.moves import Move, Step, opened_content
from prover.game.openings import Opened
from prover.game.players import NothingDiffers
from prover.game.position import Ground, Position, Side
from prover.game.refutations import Refuted
from prover.program import Program, TraceRoot
from prover.trace import Array, tensor_bytes


class Opens(Protocol):
    """The executor's side. None: it stays silent."""

    def answer(self, position: Position) -> Move | None: ...


class Picks(Protocol):
    """The challenger's side. None: it stays silent."""

    def reply(self, position: Position, history: Sequence[Opened]) -> Move | None: ...


@dataclass(frozen=True)
class Stage:
    """One move of the walk: the position it answered and the move."""

    position: Position
    move: Move


@dataclass
class Outcome:
    """Who won, by what, and the walk that led there."""

    winner: Side
    ending: str
    walk: list[Stage] = field(default_factory=list)

    @property
    def last_level(self) -> str:
        return self.walk[-1].position.phase.level if self.walk else "trace"


def initial_position(program: Program, trace_root: TraceRoot, inputs: tuple[Array, ...]) -> Position:
    """The first position of any dispute over a claim of this program and input."""
    commitment = posted.commitment([tensor_bytes(a) for a in inputs])
    return Position.initial(Ground(len(program.layers), encoding.layers_root(program), trace_root, commitment))


def play(position: Position, executor: Opens, challenger: Picks) -> Outcome:
    """Play a dispute to its end. A side that stays silent or tries an illegal move loses by the clock."""
    outcome = Outcome(Side.EXECUTOR, "")
    history: list[Opened] = []
    while True:
        side = position.phase.side
        other = Side.CHALLENGER if side is Side.EXECUTOR else Side.EXECUTOR
        try:
            move = executor.answer(position) if side is Side.EXECUTOR else challenger.reply(position, history)
        except NothingDiffers:
            move = None
        if move is None:
            outcome.winner, outcome.ending = other, "silence"
            return outcome
        try:
            after = rules.apply(position, move)
        except IllegalMove as error:
            outcome.winner, outcome.ending = other, error.rule
            return outcome
        outcome.walk.append(Stage(position, move))
        if isinstance(after, Refuted):
            ending = "step" if isinstance(move, Step) else type(move).__name__
            outcome.winner, outcome.ending = Side.CHALLENGER, ending
            return outcome
        if content := opened_content(move):
            history.append(Opened(position, content))
        position = after
