"""The dishonest executors of the demo: how each makes its execution, and how it defends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prover.errors import RefuteError
from prover.game.adversaries import Fault, LyingDefender, ReplacedOutput, SilentDefender
from prover.game.players import Defender
from prover.model_folder import Model
from prover.operators import row_of
from prover.program import Opcode, Operator, Program, ResultRef, TensorRoot, View
from prover.runtime import Runtime
from prover.trace import Array, Execution, Trace
from prover.views import is_wide

Run = Callable[[Model, Sequence[Array]], Execution]
Defend = Callable[[Execution], Defender]


class FaultyRuntime(Runtime):
    """A runtime that changes one element; everything after it is computed from the changed one."""

    def __init__(self, program: Program, weights: Mapping[TensorRoot, Array], fault: Fault) -> None:
        self.fault = fault
        super().__init__(program, weights)

    def evaluate(self, layer: int, operator: int, result: Array) -> Array:
        return self.fault.apply(layer, operator, result)


@dataclass(frozen=True)
class Substituted:
    """The execution of another program, passed off as one of the model that was asked for."""

    model: Model
    other: Execution

    @property
    def program(self) -> Program:
        return self.model.program

    @property
    def inputs(self) -> tuple[Array, ...]:
        return self.other.inputs

    @property
    def outputs(self) -> tuple[Array, ...]:
        return self.other.outputs

    @property
    def trace(self) -> Trace:
        return self.other.trace

    def weight(self, root: TensorRoot) -> Array:
        return self.model.weights[root]

    def results(self, layer: int) -> Sequence[Array]:
        return self.other.results(layer)


SCORE_FAULT = 4_096
"""How far off the score is: enough that softmax cannot round it away."""


def _has_wide_sum(operator: Operator) -> bool:
    return operator.opcode is Opcode.DOT and is_wide(operator, 0, 0, operator.terms)


def changed_activation(model: Model, inputs: Sequence[Array]) -> Execution:
    """One activation of a middle layer is one higher; what follows is computed consistently."""
    plain = [n for n, layer in enumerate(model.program.layers) if not any(map(_has_wide_sum, layer.operators))]
    layer = plain[len(plain) // 2]
    operator = model.program.layers[layer].outputs[-1]
    element = model.program.operator(layer, operator).numel // 2
    return FaultyRuntime(model.program, model.weights, Fault(layer, operator, element)).run(inputs)


def changed_score(model: Model, inputs: Sequence[Array]) -> Execution:
    """One attention score of a middle block, of two tokens at the start, is far off; what follows is consistent."""
    scores = [
        (number, operand.source.operator)
        for number, layer in enumerate(model.program.layers)
        for largest in layer.operators
        if row_of(largest).name == "reduce_max"
        and isinstance(operand := largest.operands[0], View)
        and isinstance(operand.source, ResultRef)
        and layer.operators[operand.source.operator].opcode is Opcode.DOT
    ]
    if not scores:
        raise RefuteError("the lie 'attention' needs a model with attention, such as minilm-32")
    layer, operator = scores[len(scores) // 2]
    heads, tokens, _ = model.program.operator(layer, operator).out_shape
    element = heads // 2 * tokens * tokens + 1
    return FaultyRuntime(model.program, model.weights, Fault(layer, operator, element, SCORE_FAULT)).run(inputs)


def replaced_output(model: Model, inputs: Sequence[Array]) -> Execution:
    """The trace is honest; the posted output claims the next class."""
    honest = Runtime(model.program, model.weights).run(inputs)
    return ReplacedOutput(honest, tuple(np.roll(output, 1, axis=-1) for output in honest.outputs))


def lying_sum(model: Model, inputs: Sequence[Array]) -> Execution:
    """One element of a long sum is wrong."""
    layer, operator = next(
        (number, index)
        for number, held in enumerate(model.program.layers)
        for index, candidate in enumerate(held.operators)
        if _has_wide_sum(candidate)
    )
    return FaultyRuntime(model.program, model.weights, Fault(layer, operator, 3, 5)).run(inputs)


def smaller_model(smaller: Model) -> Run:
    """Another, smaller model is run and passed off as the one that was asked for."""

    def run(model: Model, inputs: Sequence[Array]) -> Execution:
        return Substituted(model, Runtime(smaller.program, smaller.weights).run(inputs))

    return run


LIES = ("activation", "output", "smaller", "silence", "sums", "attention")


def lie(name: str, smaller: Model | None) -> tuple[Run, Defend]:
    """How the executor that tells lie `name` runs a model, and how it defends the result."""
    match name:
        case "activation":
            return changed_activation, LyingDefender
        case "output":
            return replaced_output, Defender
        case "smaller" if smaller is not None:
            return smaller_model(smaller), LyingDefender
        case "smaller":
            raise RefuteError("the lie 'smaller' needs --smaller, the folder of the smaller model")
        case "silence":
            return changed_activation, SilentDefender
        case "sums":
            return lying_sum, LyingDefender
        case "attention":
            return changed_score, LyingDefender
    raise RefuteError(f"{name!r} is no lie this executor tells; choose one of {', '.join(LIES)}")
