"""Golden vectors of whole disputes of one small program: what is posted, and every move as calldata.

A move names its dispute, and a proof its claim, in the first word after the selector, which is 0 here. So are the claim
in a move's position, and the challenger of its ground: nothing else in the calldata depends on the chain, but for the
hash of the ground.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from contracts import calls
from contracts.abi import refute_abi
from contracts.calls import Call
from prover import encoding
from prover.game import rules
from prover.game.adversaries import (
    Fault,
    FaultyInterpretation,
    LyingDefender,
    MisopeningDefender,
    MistakenChallenger,
    ReplacedOutput,
    WanderingChallenger,
)
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position, Side
from prover.game.simulator import Outcome, initial_position, play
from prover.interpreter import Interpretation
from prover.trace import Execution, tensor_bytes
from tests.golden_primitives import Vector, hexed
from tests.strategies import random_program

SEED = 23
"""A program with tensors of several chunks and sums of many terms, but few bytes posted."""
FAULTS = {"tensor": Fault(0, 0, 255, 1 << 30), "terms": Fault(0, 3, 0, 7)}
"""Liars by the level at which their walks end up."""
MISOPENED = (Phase.TENSOR_OPEN, Phase.CHUNK_OPEN)
"""Where a liar opens what does not hash to what is in dispute."""
DISPUTE = bytes(32)


def games() -> Vector:
    """Everything of `games.json`; the claims are an honest one, four false traces, and a false output."""
    program, weights, inputs = random_program(SEED)
    honest = Interpretation(program, weights, tuple(inputs))
    wandering = WanderingChallenger(honest, random.Random(SEED).randrange)
    claims = [_claim(honest, honest, play(_first(honest), Defender(honest), wandering))]
    for fault in FAULTS.values():
        liar = FaultyInterpretation(program, weights, tuple(inputs), fault)
        claims.append(_claim(liar, honest, play(_first(liar), LyingDefender(liar), Challenger(honest))))
    for phase in MISOPENED:
        liar = FaultyInterpretation(program, weights, tuple(inputs), FAULTS["tensor"])
        opener = MisopeningDefender(liar, honest, phase)
        claims.append(_claim(liar, honest, play(_first(liar), opener, Challenger(honest))))
    outputs = tuple(np.array(array) for array in honest.outputs)
    outputs[0].reshape(-1)[0] ^= 1
    claims.append(_claim(ReplacedOutput(honest, outputs), honest, None))
    return {
        "claims": claims,
        "head": hexed(encoding.encode_head(program)),
        "inputs": [hexed(tensor_bytes(array)) for array in inputs],
        "interface": hexed(encoding.encode_interface(program)),
        "model": hexed(encoding.model_id(program)),
    }


def _first(execution: Execution) -> Position:
    return initial_position(execution.program, execution.trace.root, tuple(execution.inputs))


def _claim(execution: Any, honest: Interpretation, outcome: Outcome | None) -> Vector:
    """A claim and what a challenger can do: the moves, and the last one, which is a step or refutes an opening; or the
    proof of an output. `wins` says whether the last move (or the proof) beats the claim.
    """
    moves: list[Vector] = []
    final = proof = b""
    if outcome is None:
        posted = [tensor_bytes(array) for array in execution.outputs]
        proof = _encoded(calls.prove_output(DISPUTE, honest, posted, 0, 0))
    else:
        walk = outcome.walk[:-1] if outcome.winner is Side.CHALLENGER else outcome.walk
        for stage in walk:
            call = _encoded(calls.answer(DISPUTE, stage.position, stage.move))
            moves.append({"call": hexed(call), "challenger": stage.position.phase.side is Side.CHALLENGER})
        last = rules.apply(walk[-1].position, walk[-1].move)
        assert isinstance(last, Position)
        won = outcome.winner is Side.CHALLENGER
        move = outcome.walk[-1].move if won else MistakenChallenger(honest).reply(last, ())
        final = _encoded(calls.answer(DISPUTE, last, move))
    return {
        "last": hexed(final),
        "moves": moves,
        "nodes": [hexed(node) for node in execution.trace.nodes],
        "outputs": [hexed(tensor_bytes(array)) for array in execution.outputs],
        "proof": hexed(proof),
        "traceRoot": hexed(execution.trace.root),
        "wins": outcome is None or outcome.winner is Side.CHALLENGER,
    }


def _encoded(call: Call) -> bytes:
    return refute_abi().encode_call(call.function, call.arguments)
