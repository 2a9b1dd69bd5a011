"""The values that a program's tensors can have: what decides which arithmetic is wide enough."""

from __future__ import annotations

from collections.abc import Mapping

from prover.kernels.digits import Range
from prover.program import (
    CheckpointRef,
    Immediate,
    InputRef,
    Operand,
    Operator,
    Program,
    ResultRef,
    TensorRef,
    TensorRoot,
    WeightRef,
)


def producer(program: Program, layer: int, source: TensorRef) -> tuple[int, int] | None:
    """(layer, operator) of the operator whose result a source of this layer is; None for inputs and weights."""
    match source:
        case CheckpointRef(earlier, slot):
            return earlier, program.layers[earlier].outputs[slot]
        case ResultRef(operator):
            return layer, operator
    return None


def range_of(
    program: Program, layer: int, operand: Operand, weights: Mapping[TensorRoot, Range], *, clamped: bool = True
) -> Range:
    """Lowest and highest value of an operand of this layer.

    With `clamped` results stay inside their operator's clamp; without it (an adversary may change them) only
    inside their dtype.
    """
    if isinstance(operand, Immediate):
        return Range(operand.value, operand.value)
    match operand.source:
        case WeightRef(root):
            return weights[root]
        case InputRef():
            return Range(operand.dtype.lo, operand.dtype.hi)
    made = producer(program, layer, operand.source)
    assert made is not None
    operator: Operator = program.operator(*made)
    return Range(operator.lo, operator.hi) if clamped else Range(operand.dtype.lo, operand.dtype.hi)
