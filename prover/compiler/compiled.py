"""Compiles a module: capture, fold, calibrate, lower, check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prover import validity
from prover.compiler.builder import Activation
from prover.compiler.calibrate import calibrate
from prover.compiler.fold import fold
from prover.compiler.graph import Graph, capture
from prover.compiler.lower import lower
from prover.encoding import model_id
from prover.errors import InvalidInput, InvalidProgram, UnsupportedModule
from prover.program import ModelId, Program, TensorRoot
from prover.quantisation import Quantisation, Reals
from prover.trace import Array


@dataclass(frozen=True)
class CompiledModel:
    """An integer program with what is needed to feed it, to read it, and to compare it with its float original.

    `values` says where each float value of `graph` lies in the program.
    """

    name: str
    program: Program
    weights: Mapping[TensorRoot, Array]
    inputs: tuple[Quantisation, ...]
    outputs: tuple[Quantisation, ...]
    graph: Graph
    values: Mapping[str, Activation]

    @property
    def id(self) -> ModelId:
        return model_id(self.program)

    def quantise(self, *inputs: Any) -> list[Array]:
        """The program's inputs from the module's."""
        if len(inputs) != len(self.inputs):
            raise InvalidInput(f"the model takes {len(self.inputs)} inputs, not {len(inputs)}")
        return [form.quantise(values) for form, values in zip(self.inputs, inputs, strict=True)]

    def dequantise(self, outputs: Sequence[Array]) -> list[Reals]:
        """The module's outputs, in reals, from the program's."""
        return [form.dequantise(values) for form, values in zip(self.outputs, outputs, strict=True)]

    def describe(self) -> dict[str, Any]:
        """JSON-able: name, scales and layers; the part of a published report that callers need."""
        return {
            "name": self.name,
            "inputs": [form.as_dict() for form in self.inputs],
            "outputs": [form.as_dict() for form in self.outputs],
            "layers": list(self.program.names),
        }


def compile_module(
    module: torch.nn.Module,
    example_inputs: Sequence[torch.Tensor],
    calibration: Iterable[Sequence[torch.Tensor]],
    *,
    name: str = "model",
) -> CompiledModel:
    """Compile a module in evaluation mode.

    Args:
        module: made of the operators in `prover.compiler.lower.TABLE`.
        example_inputs: fix the shapes, the batch included.
        calibration: tuples of inputs with those shapes; activations keep a quarter of headroom above them.

    Raises:
        UnsupportedModule: an operator, a size or a weight that has no exact integer form; says which, where, and what
            to do.
    """
    graph = fold(capture(module, example_inputs))
    lowered = lower(graph, calibrate(graph, calibration))
    try:
        validity.check(lowered.program, lowered.weights)
    except InvalidProgram as error:
        problem = f"the compiled program breaks a rule of the protocol: {error}"
        raise UnsupportedModule(f"{problem}; make the module smaller") from error
    return CompiledModel(
        name,
        lowered.program,
        lowered.weights,
        tuple(Quantisation(a.tensor.dtype, a.shape, a.scale) for a in lowered.inputs),
        tuple(Quantisation(a.tensor.dtype, a.shape or (1,), a.scale) for a in lowered.outputs),
        graph,
        lowered.values,
    )
