"""One program with an honest and a dishonest run of it, and a dispute over it played to a phase."""

from __future__ import annotations

from contracts import calls
from prover.game.adversaries import Fault, FaultyInterpretation
from prover.game.openings import Opened
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position, Side
from prover.interpreter import Interpretation
from tests.game.arena import Arena, moved_to
from tests.strategies import random_program

PROGRAM, WEIGHTS, INPUTS = random_program(3)
HONEST = Interpretation(PROGRAM, WEIGHTS, tuple(INPUTS))


def _liar() -> FaultyInterpretation:
    """A fault in the last layer's checkpointed result, which no later operator hides."""
    layer = len(PROGRAM.layers) - 1
    return FaultyInterpretation(PROGRAM, WEIGHTS, tuple(INPUTS), Fault(layer, PROGRAM.layers[layer].outputs[-1], 0))


LIAR = _liar()


def walk_to(
    arena: Arena, claim: bytes, phase: Phase, executor: Defender, challenger: Challenger
) -> tuple[bytes, Position, list[Opened]]:
    """Play a dispute until `phase` is to be answered."""
    dispute, position = arena.challenge(claim, executor.execution.program)
    history: list[Opened] = []
    while position.phase is not phase:
        executors = position.phase.side is Side.EXECUTOR
        move = executor.answer(position) if executors else challenger.reply(position, history)
        done = (arena.executor if executors else arena.challenger).transact(calls.answer(dispute, position, move))
        if content := done.event("Moved").arguments["opened"]:
            history.append(Opened(position, content))
        position = moved_to(position, done)
    return dispute, position, history


def deadline_of(arena: Arena, dispute: bytes) -> int:
    return int(arena.by_name("disputeOf", dispute)[""]["standing"]["deadline"])
