"""A program in which tensors, sums and layers each take two openings, with layers of one operator and one chunk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deploy.lies import FaultyRuntime
from prover.game.adversaries import Fault, LyingDefender
from prover.game.players import Challenger
from prover.game.simulator import Outcome, initial_position, play
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
    Operator,
    OutputSpec,
    Program,
    TensorSpec,
    View,
)
from prover.runtime import Runtime

TERMS = 1 << 18
LAYERS = 70

_ONE, _ZERO = Immediate(1), Immediate(0)


def _program() -> Program:
    """A copy of the input, its sum, and the sum handed on from layer to layer."""
    given = View(InputRef(0), DType.I8, TERMS, 0, (1,))
    copied = Operator(Opcode.ZIP, 0, DType.I8, (TERMS,), (given, _ONE, _ONE, _ZERO), -128, 127)
    copy = View(CheckpointRef(0, 0, 1), DType.I8, TERMS, 0, (0, 1))
    low, high = DType.I32.lo, DType.I32.hi
    summed = Operator(Opcode.DOT, 0, DType.I32, (1, TERMS), (copy, _ONE, _ONE, _ZERO), low, high, 1)
    layers = [Layer((copied,), (0,)), Layer((summed,), (0,))]
    while len(layers) < LAYERS:
        last = View(CheckpointRef(len(layers) - 1, 0, 1), DType.I32, 1, 0, (1,))
        layers.append(Layer((Operator(Opcode.ZIP, 0, DType.I32, (1,), (last, _ONE, _ONE, _ZERO), low, high),), (0,)))
    output = OutputSpec(CheckpointRef(LAYERS - 1, 0, 1), DType.I32, (1,))
    return Program((TensorSpec(DType.I8, (TERMS,)),), tuple(layers), (output,))


def games() -> Iterator[Outcome]:
    """A wrong element of the copy, and a wrong sum."""
    program = _program()
    inputs = (np.random.default_rng(3).integers(-128, 127, TERMS).astype("<i1"),)
    honest = Runtime(program, {}).run(inputs)
    for fault in (Fault(0, 0, 1000, 1), Fault(1, 0, 0, 1)):
        liar = FaultyRuntime(program, {}, fault).run(inputs)
        yield play(initial_position(program, liar.trace.root, inputs), LyingDefender(liar), Challenger(honest))
