"""The living definition: runs a program element by element with the scalar meanings, slowly and without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prover import operators
from prover.program import (
    CheckpointRef,
    InputRef,
    Operator,
    Program,
    ResultRef,
    TensorRoot,
    View,
    WeightRef,
)
from prover.trace import NUMPY_DTYPES, Array, Trace

Weights = Mapping[TensorRoot, Array]


def operand_array(
    view: View,
    inputs: Sequence[Array],
    weights: Weights,
    checkpoints: Sequence[Sequence[Array]],
    results: Sequence[Array],
) -> Array:
    """The whole tensor that a view looks at, flat."""
    match view.source:
        case InputRef(index):
            return inputs[index].reshape(-1)
        case WeightRef(root):
            return weights[root].reshape(-1)
        case CheckpointRef(layer, slot):
            return checkpoints[layer][slot].reshape(-1)
        case ResultRef(operator):
            return results[operator].reshape(-1)


def reader(
    operator: Operator,
    inputs: Sequence[Array],
    weights: Weights,
    checkpoints: Sequence[Sequence[Array]],
    results: Sequence[Array],
) -> operators.Read:
    """Reads elements of an operator's operands."""
    tensors = [
        operand_array(o, inputs, weights, checkpoints, results) if isinstance(o, View) else None
        for o in operator.operands
    ]

    def read(slot: int, address: int) -> int:
        tensor = tensors[slot]
        assert tensor is not None
        return int(tensor[address])

    return read


def run_operator(operator: Operator, read: operators.Read) -> Array:
    """Every output element of an operator, shaped."""
    values = [operators.element(operator, index, read) for index in range(operator.numel)]
    return np.array(values, NUMPY_DTYPES[operator.dtype]).reshape(operator.out_shape)


@dataclass(frozen=True)
class Interpretation:
    """A run by the interpreter (an `Execution`)."""

    program: Program
    weights: Weights
    inputs: tuple[Array, ...]

    def run_layer(self, layer: int, checkpoints: Sequence[Sequence[Array]]) -> list[Array]:
        """Results of all operators of a layer from the checkpoints of earlier layers."""
        results: list[Array] = []
        for index, operator in enumerate(self.program.layers[layer].operators):
            read = reader(operator, self.inputs, self.weights, checkpoints, results)
            results.append(self.evaluate(layer, index, run_operator(operator, read)))
        return results

    def evaluate(self, layer: int, operator: int, result: Array) -> Array:
        """A place for an adversary to change a result; the honest one keeps it."""
        return result

    @cached_property
    def trace(self) -> Trace:
        checkpoints: list[list[Array]] = []
        for index, layer in enumerate(self.program.layers):
            results = self.run_layer(index, checkpoints)
            checkpoints.append([results[output] for output in layer.outputs])
        return Trace.commit(checkpoints)

    @cached_property
    def outputs(self) -> tuple[Array, ...]:
        return tuple(
            self.trace.checkpoints[spec.source.layer][spec.source.slot].reshape(spec.shape)
            for spec in self.program.outputs
        )

    def weight(self, root: TensorRoot) -> Array:
        return self.weights[root]

    def results(self, layer: int) -> list[Array]:
        return self.run_layer(layer, self.trace.checkpoints)
