"""The step's gas against the loader's formula (protocol, section 3.6): never above it, whatever the view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts import calls
from prover import validity
from prover.game import rules
from prover.game.adversaries import MistakenChallenger, WanderingChallenger
from prover.game.players import Defender
from prover.game.position import Phase, Position
from prover.game.simulator import initial_position, play
from prover.interpreter import Interpretation
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
    WeightRef,
)
from prover.trace import NUMPY_DTYPES, array_root
from prover.views import contiguous
from tests.contracts.machine import machine

SHAPES = [
    (1024,),
    (64, 16),
    (2, 512),
    (512, 2),
    (8, 2, 2, 2, 2, 2, 2, 2),
    (2, 2, 2, 2, 2, 2, 16),
    (7, 3, 3, 5),
    (1, 1, 900),
]


def reduction(shape: tuple[int, ...], opcode: Opcode, dtype: DType, *, swapped: bool) -> Interpretation:
    """One output element over all of two tensors, in memory order or against it."""
    numel = int(np.prod(shape))
    rng = np.random.default_rng(1)
    given, weight = (rng.integers(-9, 9, numel).astype(NUMPY_DTYPES[dtype]) for _ in range(2))
    strides = contiguous(shape) if not swapped else contiguous(shape[::-1])[::-1]
    a = View(InputRef(0), dtype, numel, 0, strides)
    b = View(WeightRef(array_root(weight)), dtype, numel, 0, strides)
    operands = (a, b, Immediate(1), Immediate(0)) if opcode is Opcode.DOT else (a,)
    variant = 0 if opcode is Opcode.DOT else 2
    operator = Operator(opcode, variant, DType.I32, shape, operands, 0, DType.I32.hi, reduced=len(shape))
    output = OutputSpec(CheckpointRef(0, 0, 1), DType.I32, (1,))
    program = Program((TensorSpec(dtype, (numel,)),), (Layer((operator,), (0,)),), (output,))
    weights = {array_root(weight): weight} if opcode is Opcode.DOT else {}
    validity.check(program, weights)
    return Interpretation(program, weights, (given,))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("opcode", [Opcode.DOT, Opcode.REDUCE])
@pytest.mark.parametrize("dtype", [DType.I8, DType.I32])
@pytest.mark.parametrize("swapped", [False, True])
def test_no_step_costs_more_than_the_formula_says(
    shape: tuple[int, ...], opcode: Opcode, dtype: DType, swapped: bool
) -> None:
    honest = reduction(shape, opcode, dtype, swapped=swapped)
    position = initial_position(honest.program, honest.trace.root, honest.inputs)
    last = play(position, Defender(honest), WanderingChallenger(honest, lambda _: 0)).walk[-1]
    reached = rules.apply(last.position, last.move)
    assert isinstance(reached, Position)
    assert reached.phase is Phase.STEP
    step = MistakenChallenger(honest).reply(reached, ())
    call = calls.answer(bytes(32), replace(reached, value=reached.value + 1), step)
    referee = machine("Referee")
    referee.call(call.function, *call.arguments)
    _, most = validity.dearest_move(honest.program, 0, honest.program.operator(0, 0))
    assert referee.gas < most <= validity.MAX_MOVE_GAS
