"""Little models for games, and ways to run them: honestly, and with one element wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.shelf import Run
from prover.game.adversaries import Fault, FaultyInterpretation
from prover.interpreter import Interpretation
from prover.model_folder import Model
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
    ResultRef,
    TensorSpec,
    View,
    WeightRef,
)
from prover.trace import Array, Execution, array_root

_LO, _HI = DType.I32.lo, DType.I32.hi


def small_model(seed: int = 7) -> Model:
    """Three layers over 300 numbers: a product with a matrix of 4 x 300, a table-free rescaling, a maximum.

    The product's weight crosses a chunk, so that disputes over it go through the terms. `seed` draws the matrix.
    """
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-90, 90, (4, 300)).astype("<i4")
    root = array_root(matrix)
    weight = View(WeightRef(root), DType.I32, 1200, 0, (300, 1))
    given = View(InputRef(0), DType.I8, 300, 0, (0, 1))
    one, zero = Immediate(1), Immediate(0)
    product = Operator(Opcode.DOT, 0, DType.I32, (4, 300), (given, weight, one, zero), _LO, _HI, reduced=1)
    first = View(CheckpointRef(0, 0, 1), DType.I32, 4, 0, (1,))
    halved = Operator(Opcode.ZIP, 0, DType.I32, (4,), (first, one, one, zero), _LO, _HI, shift=1)
    shifted = View(ResultRef(0), DType.I32, 4, 0, (1,))
    raised = Operator(Opcode.ZIP, 0, DType.I32, (4,), (shifted, one, one, Immediate(9)), _LO, _HI)
    second = View(CheckpointRef(1, 0, 1), DType.I32, 4, 0, (1,))
    largest = Operator(Opcode.REDUCE, 0, DType.I32, (4,), (second,), _LO, _HI, reduced=1)
    layers = Layer((product,), (0,)), Layer((halved, raised), (1,)), Layer((largest,), (0,))
    outputs = OutputSpec(CheckpointRef(1, 0, 1), DType.I32, (4,)), OutputSpec(CheckpointRef(2, 0, 1), DType.I32, (1,))
    program = Program((TensorSpec(DType.I8, (300,)),), layers, outputs, ("product", "rescale", "largest"))
    return Model(program, {root: matrix.reshape(-1)})


ROWS, TERMS, DEEP_LAYERS = 264, 8, 9
"""Of the deep model: results and terms of its product, and its layers."""


def deep_model(seed: int = 7) -> Model:
    """Nine layers whose disputes go through every level: trace, layer, tensor, chunk, terms.

    A claim shows nodes over two layers each. A tensor of 264 i32 has two chunks, and so has each column of the
    product's weight, whose 8 terms lie in chunks of their own. The first layer has two operators: the product, with m
    and c of its own for each result, and a rescaling of it; each other layer raises what is before it by 9.
    """
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-90, 90, (TERMS, ROWS)).astype("<i4")
    factors = [rng.integers(low, 99, ROWS).astype("<i4") for low in (1, -99)]
    weights = {array_root(array): array.reshape(-1) for array in (matrix, *factors)}
    given = View(InputRef(0), DType.I8, TERMS, 0, (0, 1))
    column = View(WeightRef(array_root(matrix)), DType.I32, matrix.size, 0, (1, ROWS))
    m, c = (View(WeightRef(array_root(factor)), DType.I32, ROWS, 0, (1,)) for factor in factors)
    product = Operator(Opcode.DOT, 0, DType.I32, (ROWS, TERMS), (given, column, m, c), _LO, _HI, reduced=1)
    result = View(ResultRef(0), DType.I32, ROWS, 0, (1,))
    layers = [Layer((product, _raised(result, 5)), (1,))]
    for number in range(DEEP_LAYERS - 1):
        layers.append(Layer((_raised(View(CheckpointRef(number, 0, 1), DType.I32, ROWS, 0, (1,)), 9),), (0,)))
    output = OutputSpec(CheckpointRef(DEEP_LAYERS - 1, 0, 1), DType.I32, (ROWS,))
    return Model(Program((TensorSpec(DType.I8, (TERMS,)),), tuple(layers), (output,)), weights)


def _raised(operand: View, by: int) -> Operator:
    return Operator(Opcode.ZIP, 0, DType.I32, (ROWS,), (operand, Immediate(1), Immediate(1), Immediate(by)), _LO, _HI)


def interpret(model: Model, inputs: Sequence[Array]) -> Execution:
    """The honest way to run a model in tests: without torch."""
    return Interpretation(model.program, model.weights, tuple(inputs))


def liar(layer: int, operator: int = 0, element: int = 0, delta: int = 1) -> Run:
    """A machine that gets one element wrong, and everything after it accordingly."""
    fault = Fault(layer, operator, element, delta)

    def run(model: Model, inputs: Sequence[Array]) -> Execution:
        return FaultyInterpretation(model.program, model.weights, tuple(inputs), fault=fault)

    return run
