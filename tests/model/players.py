"""One small program whose disputes reach every level, executions of it with one fault, and sides that give up."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TypeVar

import numpy as np

from deploy.lies import FaultyRuntime
from prover import blake3_tree, encoding, merkle
from prover.game.adversaries import Fault, MistakenChallenger
from prover.game.moves import Move, RefuteProgram
from prover.game.openings import Opened
from prover.game.players import Player
from prover.game.position import Phase, Position
from prover.game.simulator import Picks
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
    TensorRoot,
    TensorSpec,
    View,
    WeightRef,
)
from prover.runtime import Runtime
from prover.trace import Array, Execution, Trace, array_root

Kind = TypeVar("Kind", bound=Player)

TERMS = 4
WIDTH = 520
"""Elements of the input: two chunks of i16."""
ROWS = 260
"""Outputs of a layer: two chunks of i32."""

_RANDOM = np.random.default_rng(11)
_MATRIX = _RANDOM.integers(-128, 128, (ROWS, TERMS), dtype=np.int8)
_BIAS = _RANDOM.integers(-1000, 1000, ROWS, dtype=np.int32)
_TABLE = _RANDOM.integers(-(1 << 15), 1 << 15, 64, dtype=np.int16)
WEIGHTS = {array_root(a): a for a in (_MATRIX, _BIAS, _TABLE)}
INPUTS = (_RANDOM.integers(-(1 << 15), 1 << 15, WIDTH, dtype=np.int16),)
_ONE, _ZERO = Immediate(1), Immediate(0)
_I32 = -(1 << 30), 1 << 30


def _weight(array: Array, dtype: DType, strides: tuple[int, ...]) -> View:
    return View(WeightRef(array_root(array)), dtype, array.size, 0, strides)


def _program() -> Program:
    """Sums whose terms cross a chunk, with a factor from a weight; a table, argmax and product; a reversed copy."""
    crossing = View(InputRef(0), DType.I16, WIDTH, 510, (0, 1))
    rows, bias = _weight(_MATRIX, DType.I8, (TERMS, 1)), _weight(_BIAS, DType.I32, (1,))
    sums = Operator(Opcode.DOT, 0, DType.I32, (ROWS, TERMS), (crossing, rows, _ONE, bias), *_I32, 1)
    hidden, table = View(CheckpointRef(0, 0, 1), DType.I32, ROWS, 0, (1,)), _weight(_TABLE, DType.I16, ())
    centred = hidden, table, _ONE, Immediate(1 << 14)
    looked_up = Operator(Opcode.MAP, 0, DType.I32, (ROWS,), centred, -(1 << 15), (1 << 15) - 1, 0, 17)
    looked = View(ResultRef(0), DType.I32, ROWS, 0, (1,))
    largest = Operator(Opcode.REDUCE, 2, DType.I32, (ROWS,), (looked,), 0, 1 << 20, 1)
    doubled = Operator(Opcode.ZIP, 0, DType.I32, (ROWS,), (looked, Immediate(2), _ONE, _ZERO), *_I32)
    third = View(CheckpointRef(1, 1, 2), DType.I32, ROWS, ROWS - 1, (-1,))
    back = Operator(Opcode.ZIP, 0, DType.I32, (ROWS,), (third, _ONE, _ONE, _ZERO), *_I32)
    return Program(
        (TensorSpec(DType.I16, (WIDTH,)),),
        (Layer((sums,), (0,)), Layer((looked_up, largest, doubled), (1, 2)), Layer((back,), (0,))),
        (OutputSpec(CheckpointRef(2, 0, 1), DType.I32, (ROWS,)),),
    )


PROGRAM = _program()
SUMS, LOOKED_UP, LARGEST, DOUBLED, BACK = (0, 0), (1, 0), (1, 1), (1, 2), (2, 0)
OPERATORS = SUMS, LOOKED_UP, LARGEST, DOUBLED, BACK


@cache
def honest() -> Execution:
    return Runtime(PROGRAM, WEIGHTS).run(INPUTS)


@cache
def faulty(operator: tuple[int, int], element: int, delta: int) -> Execution:
    """The execution in which one element is off by `delta`, and what follows is consistent."""
    execution = FaultyRuntime(PROGRAM, WEIGHTS, Fault(*operator, element, delta)).run(INPUTS)
    assert execution.trace.root != honest().trace.root
    return execution


def draw_fault(rng: random.Random, operators: Sequence[tuple[int, int]] = OPERATORS) -> Execution:
    """A faulty execution. Few elements of each operator, so that runs, which are dear, are kept."""
    operator = rng.choice(operators)
    elements = PROGRAM.operator(*operator).numel
    element = rng.choice([0, 1, elements // 2, 255, 256, elements - 1]) % elements
    return faulty(operator, element, rng.choice([1, 1 << 10]))


@dataclass(frozen=True)
class OfMalformed:
    """An execution passed off as one of a program whose layer 1 has an operator with lo > hi."""

    of: Execution
    program: Program

    @property
    def inputs(self) -> tuple[Array, ...]:
        return self.of.inputs

    @property
    def outputs(self) -> tuple[Array, ...]:
        return self.of.outputs

    @property
    def trace(self) -> Trace:
        return self.of.trace

    def weight(self, root: TensorRoot) -> Array:
        return self.of.weight(root)

    def results(self, layer: int) -> Sequence[Array]:
        return self.of.results(layer)


def of_malformed(execution: Execution) -> OfMalformed:
    first, layer, last = PROGRAM.layers
    broken = replace(layer.operators[0], lo=1, hi=0)
    layers = first, replace(layer, operators=(broken, *layer.operators[1:])), last
    return OfMalformed(execution, replace(PROGRAM, layers=layers))


class Prosecutor(MistakenChallenger):
    """Goes where its own execution differs, and there refutes the program."""

    def reply(self, position: Position, history: Sequence[Opened]) -> Move:
        if position.phase is not Phase.OPERATOR_PICK:
            return super().reply(position, history)
        records = [encoding.encode_operator(o) for o in self.layer(position).operators]
        return RefuteProgram(0, records[0], tuple(merkle.path([merkle.leaf(r) for r in records], 0)))


@dataclass(frozen=True)
class Quitting:
    """A challenger that is silent from `phase` on."""

    challenger: Picks
    phase: Phase

    def reply(self, position: Position, history: Sequence[Opened]) -> Move | None:
        return None if position.phase >= self.phase else self.challenger.reply(position, history)


@contextmanager
def remembered_hashes() -> Iterator[None]:
    """BLAKE3 of the same chunk or pair is computed once: nine tenths of a game otherwise, and few are new."""
    names = "chunk_value", "chunk_values", "parent", "root_parent"
    functions = {name: getattr(blake3_tree, name) for name in names}
    for name, function in functions.items():
        setattr(blake3_tree, name, lru_cache(4096)(function))
    try:
        yield
    finally:
        for name, function in functions.items():
            setattr(blake3_tree, name, function)


_PLAYERS: dict[tuple[type[Player], int], Player] = {}


def player(kind: type[Kind], execution: Execution) -> Kind:
    """The player of an execution that is kept: it says the same in every game, so it computes everything once."""
    key = kind, id(execution)
    if key not in _PLAYERS:
        _PLAYERS[key] = kind(execution)
    held = _PLAYERS[key]
    assert isinstance(held, kind)
    return held
