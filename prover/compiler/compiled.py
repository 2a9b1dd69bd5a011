"""Compiles a module: capture, fold, calibrate, lower, check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prover import validity
from prover.compiler.builder import Activation
from prover.compiler.calibrate import Statistics, calibrate
from prover.compiler.fold import fold
from prover.compiler.functions import tabulate
from prover.compiler.graph import Graph, capture
from prover.compiler.lower import check_supported, lower
from prover.compiler.patterns import recognise
from prover.compiler.plan import Plan, plan
from prover.compiler.simplify import simplify
from prover.encoding import model_id
from prover.errors import InvalidInput, InvalidProgram, UnsupportedModule
from prover.program import DType, ModelId, Program, TensorRoot
from prover.quantisation import LIMIT, Quantisation, Reals
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


Samples = Iterable[Sequence[torch.Tensor]]


def compile_module(
    module: torch.nn.Module, example_inputs: Sequence[torch.Tensor], calibration: Samples, *, name: str = "model"
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
    return compile_shapes(module, {name: example_inputs}, {name: calibration})[name]


def compile_shapes(
    module: torch.nn.Module, examples: Mapping[str, Sequence[torch.Tensor]], calibration: Mapping[str, Samples]
) -> dict[str, CompiledModel]:
    """Compile a module for several shapes of its inputs, such as lengths of a text; the models share their weights.

    Args:
        examples: per model's name, inputs that fix its shapes.
        calibration: per model's name, tuples of inputs with its shapes; a model may have none of its own.
    """
    graphs = {name: imported(module, inputs) for name, inputs in examples.items()}
    first = next(iter(graphs.values()))
    for name, graph in graphs.items():
        if [(n.name, n.op) for n in graph.nodes] != [(n.name, n.op) for n in first.nodes]:
            raise UnsupportedModule(f"the module computes differently at shape {name}; compile that shape by itself")
    seen = Statistics()
    for name, samples in calibration.items():
        calibrate(graphs[name], samples, seen)
    if not seen.count:
        raise UnsupportedModule("there are no calibration inputs; give at least one, a few hundred are better")
    planned = plan(first, seen)
    return {name: _lowered(name, graph, planned.of(graph), seen) for name, graph in graphs.items()}


def _lowered(name: str, graph: Graph, planned: Plan, seen: Statistics) -> CompiledModel:
    lowered = lower(graph, planned, seen)
    try:
        validity.check(lowered.program, lowered.weights)
    except InvalidProgram as error:
        problem = f"the compiled program breaks a rule of the protocol: {error}"
        raise UnsupportedModule(f"{problem}; make the module smaller") from error
    return CompiledModel(
        name,
        lowered.program,
        lowered.weights,
        tuple(_form(a, lowered.ranges.get(n)) for n, a in zip(graph.inputs, lowered.inputs, strict=True)),
        tuple(_form(a) for a in lowered.outputs),
        graph,
        lowered.values,
    )


def imported(module: torch.nn.Module, example_inputs: Sequence[torch.Tensor]) -> Graph:
    """The module as a graph of operators that can be lowered; UnsupportedModule names the first that cannot be."""
    graph = tabulate(recognise(simplify(fold(capture(module, example_inputs)))))
    check_supported(graph)
    return graph


def _form(value: Activation, within: tuple[int, int] | None = None) -> Quantisation:
    shape = value.shape or (1,)
    if within is not None:
        return Quantisation(value.tensor.dtype, shape, 1.0, *within)
    limit = value.tensor.magnitude if value.tensor.dtype is not DType.I16 else LIMIT
    return Quantisation(value.tensor.dtype, shape, value.scale, -limit, limit)
