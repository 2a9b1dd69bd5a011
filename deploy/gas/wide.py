"""Programs of any width, written out by hand: single products, and GPT-3's decoder blocks with shared weights.

Compiling a torch module of this width would need its float weights in memory; the operators are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from prover.benchmarks.writing import I8, I16, I32, ONE, ZERO
from prover.program import (
    CheckpointRef,
    DType,
    InputRef,
    Layer,
    Opcode,
    Operand,
    Operator,
    OutputSpec,
    Program,
    ResultRef,
    TensorRef,
    TensorRoot,
    TensorSpec,
    View,
    WeightRef,
)
from prover.trace import Array, array_root

WINDOW = 4
"""Positions that attend to each other. Every window holds the tokens 0 to 3, so that one is computed for all."""
EMBED = 0

Weights = dict[TensorRoot, Array]


def drawn(seed: int, count: int, dtype: DType = I8) -> Array:
    """Flat numbers drawn evenly from all that a dtype holds."""
    return np.frombuffer(np.random.default_rng(seed).bytes(count * dtype.size), f"<i{dtype.size}")


def viewed(source: TensorRef, dtype: DType, shape: Sequence[int], strides: Sequence[int]) -> View:
    """A tensor of `shape`, by strides that run over an operator's axes."""
    return View(source, dtype, math.prod(shape), 0, tuple(strides))


def checkpoint(layer: int, shape: Sequence[int], strides: Sequence[int]) -> View:
    """The i16 tensor that a layer with one output hands on."""
    return viewed(CheckpointRef(layer, 0, 1), I16, shape, strides)


def result(operator: int, shape: Sequence[int], strides: Sequence[int], dtype: DType = I16) -> View:
    """What an earlier operator of the layer gave."""
    return viewed(ResultRef(operator), dtype, shape, strides)


def dot(
    a: View, b: Operand, shape: tuple[int, ...], *, shift: int, m: Operand = ONE, c: Operand = ZERO, reduced: int = 1
) -> Operator:
    """An i16 product, clamped to what an i16 holds."""
    operands = (a, b, m, c)
    return Operator(Opcode.DOT, 0, I16, shape, operands, I16.lo, I16.hi, reduced=reduced, shift=shift)


class Shelf:
    """The weights of programs; layers that draw with the same seed share them."""

    def __init__(self) -> None:
        self.weights: Weights = {}
        self._drawn: dict[tuple[int, int, DType], TensorRoot] = {}

    def weight(self, array: Array, dtype: DType, strides: Sequence[int]) -> View:
        """A flat tensor that is given."""
        root = array_root(array)
        self.weights.setdefault(root, array)
        return View(WeightRef(root), dtype, array.size, 0, tuple(strides))

    def random(self, seed: int, count: int, dtype: DType, strides: Sequence[int]) -> View:
        """Numbers drawn evenly from all that a dtype holds."""
        key = seed, count, dtype
        if key not in self._drawn:
            array = drawn(seed, count, dtype)
            self._drawn[key] = array_root(array)
            self.weights[self._drawn[key]] = array
        return View(WeightRef(self._drawn[key]), dtype, count, 0, tuple(strides))

    def linear(self, a: View, rows: int, terms: int, width: int, *, seed: int) -> Operator:
        """[rows, width] from [rows, terms]: i8 weights that lie along the terms, a scale and a bias per column."""
        shift = 20 + (terms.bit_length() + 1) // 2
        scales = (1 << 14) + (drawn(seed + 1, width, I16).astype("<i4") & 0x3FFF)
        biases = drawn(seed + 2, width, I16).astype("<i4") << 12
        matrix = self.random(seed, width * terms, I8, (0, terms, 1))
        m, c = self.weight(scales, I32, (0, 1)), self.weight(biases, I32, (0, 1))
        return dot(a, matrix, (rows, width, terms), shift=shift, m=m, c=c)

    def embedding(self, positions: int, width: int) -> Layer:
        """[positions, width] i16 from i8 ids below WINDOW."""
        ids = viewed(InputRef(0), I8, (positions,), (1, 0))
        table = self.random(1, WINDOW * width, I16, (0, 1, width))
        gather = Operator(Opcode.GATHER, 0, I16, (positions, width), (ids, table), I16.lo, I16.hi, rows=WINDOW)
        return Layer((gather,), (0,))


def largest(layer: int, shape: tuple[int, int]) -> Layer:
    """The place of the largest number at the last position of a layer's [positions, width]: an output that is small."""
    positions, width = shape
    row = View(CheckpointRef(layer, 0, 1), I16, positions * width, (positions - 1) * width, (1,))
    return Layer((Operator(Opcode.REDUCE, 2, I32, (width,), (row,), 0, I32.hi, reduced=1),), (0,))


def complete(positions: int, layers: Sequence[Layer]) -> Program:
    """A program from ids to the last layer's number."""
    output = OutputSpec(CheckpointRef(len(layers) - 1, 0, 1), I32, (1,))
    return Program((TensorSpec(I8, (positions,)),), tuple(layers), (output,))


def linear(shelf: Shelf, terms: int, width: int, positions: int) -> Program:
    """One linear layer, between an embedding and the place of its largest number."""
    given = checkpoint(EMBED, (positions, terms), (terms, 0, 1))
    product = Layer((shelf.linear(given, positions, terms, width, seed=10),), (0,))
    return complete(positions, [shelf.embedding(positions, terms), product, largest(1, (positions, width))])


def scattered(shelf: Shelf, width: int, columns: int, positions: int) -> Program:
    """A product whose step is as dear as one can be: 1,024 terms in 64 runs of 16 against memory order, 4 operands."""
    shape, runs, reach = (positions, width), (64, 16), 1_024
    given = checkpoint(EMBED, shape, (width, 1))
    narrow = Operator(Opcode.ZIP, 0, I8, shape, (given, ONE, ONE, ZERO), I8.lo, I8.hi, shift=8)
    a = result(0, shape, (width, 0, 1, runs[0]), I8)
    b = shelf.random(60, columns * reach, I8, (0, reach, 1, runs[0]))
    m, c = shelf.random(61, columns, I32, (0, 1)), shelf.random(62, columns, I32, (0, 1))
    product = dot(a, b, (positions, columns, *runs), shift=40, m=m, c=c, reduced=2)
    layers = shelf.embedding(positions, width), Layer((narrow, product), (1,)), largest(1, (positions, columns))
    return complete(positions, layers)
