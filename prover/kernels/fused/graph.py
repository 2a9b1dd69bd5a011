"""A program as one list of nodes, lifted to a batch: what each operator reads, and who reads its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from prover.kernels.digits import Range
from prover.kernels.ranges import producer, range_of
from prover.operators import NO_AXIS, Axes, Role, row_of
from prover.program import (
    Immediate,
    InputRef,
    Opcode,
    Operand,
    Operator,
    Program,
    TensorRef,
    TensorRoot,
    View,
    WeightRef,
)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an operator of a program."""

    layer: int
    operator: int


Tensor = InputRef | WeightRef | Result


def tensor_of(program: Program, layer: int, source: TensorRef) -> Tensor:
    """The tensor that a source names, however it is named."""
    if isinstance(source, InputRef | WeightRef):
        return source
    made = producer(program, layer, source)
    assert made is not None
    return Result(*made)


def liftable(operator: Operator) -> bool:
    """Whether one operator over a leading batch axis does the same for every query.

    An operand that runs along no axis and is not a weight (a position, a computed table) differs from query to query.
    """
    roles = row_of(operator).roles
    return not any(
        isinstance(operand, View) and role.axes is Axes.NONE and not isinstance(operand.source, WeightRef)
        for role, operand in zip(roles, operator.operands, strict=True)
    )


def lifted(operator: Operator, batch: int) -> Operator:
    """The operator over a leading axis of `batch` queries: weights are shared, other tensors lie one after another."""

    def lift(role: Role, operand: Operand) -> Operand:
        if isinstance(operand, Immediate) or role.axes is Axes.NONE:
            return operand
        if isinstance(operand.source, WeightRef):
            return replace(operand, strides=(0, *operand.strides))
        return replace(operand, numel=operand.numel * batch, strides=(operand.numel, *operand.strides))

    placed = operator.opcode is Opcode.PLACE
    return replace(
        operator,
        shape=(batch, *operator.shape),
        operands=tuple(map(lift, row_of(operator).roles, operator.operands)),
        box=(batch, *operator.box) if placed else (),
        start=(0, *operator.start) if placed else (),
        k=operator.k + 1 if placed and operator.k != NO_AXIS else operator.k,
    )


def lean(operator: Operator) -> Operator:
    """The operator without axes of extent 1, which no stride can move along: the same result.

    A reduction keeps one reduced axis.
    """
    if operator.opcode is Opcode.PLACE:
        return operator
    kept = [axis for axis, extent in enumerate(operator.shape) if extent > 1]
    outer = operator.axes - operator.reduced
    if operator.opcode is Opcode.REDUCE and not any(axis >= outer for axis in kept):
        kept.append(outer)

    def cut(operand: Operand) -> Operand:
        if isinstance(operand, Immediate):
            return operand
        along = [operand.strides[axis] for axis in kept if axis < len(operand.strides)]
        return replace(operand, strides=(*along, *operand.strides[operator.axes :]))  # a gather's last runs over rows

    return replace(
        operator,
        shape=tuple(operator.shape[axis] for axis in kept),
        reduced=sum(axis >= outer for axis in kept),
        operands=tuple(map(cut, operator.operands)),
    )


@dataclass(frozen=True)
class Node:
    """One operator of a batch of queries.

    `alone` is the program's operator, `whole` the one that computes the batch (None: it must run query by query),
    `lean` the same without idle axes. `tensors` and `ranges` belong to the operands (None for immediates).
    """

    key: Result
    name: str
    alone: Operator
    whole: Operator | None
    lean: Operator
    tensors: tuple[Tensor | None, ...]
    ranges: tuple[Range, ...]

    def view(self, slot: int) -> View:
        operand = self.lean.operands[slot]
        assert isinstance(operand, View)
        return operand


def nodes_of(program: Program, batch: int, weights: Mapping[TensorRoot, Range]) -> list[Node]:
    """All operators in order."""
    nodes = []
    for number, layer in enumerate(program.layers):
        for index, alone in enumerate(layer.operators):
            whole: Operator | None = alone
            if batch > 1:
                whole = lifted(alone, batch) if liftable(alone) else None
            tensors = tuple(
                None if isinstance(operand, Immediate) else tensor_of(program, number, operand.source)
                for operand in alone.operands
            )
            ranges = tuple(range_of(program, number, operand, weights) for operand in alone.operands)
            key, name = Result(number, index), row_of(alone).name
            nodes.append(Node(key, name, alone, whole, lean(whole or alone), tensors, ranges))
    return nodes
