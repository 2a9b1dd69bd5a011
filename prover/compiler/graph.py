"""The torch module as a small graph: core ATen operators in order, constants folded, names of modules kept."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.export.graph_signature import InputKind

from prover.errors import UnsupportedModule


@dataclass(frozen=True)
class Ref:
    """The result of a node, or an input of the module, by name."""

    name: str


@dataclass(frozen=True)
class Node:
    """One ATen call.

    `op` is its name without overload, such as `aten.convolution`; `path` the module it stands in, such as `stem.conv`;
    `arguments` its arguments by their names in the ATen schema, constants as tensors, everything else as `Ref`.
    With `relu` the result's negative values are replaced by 0.
    """

    name: str
    op: str
    path: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    call: Callable[..., Any] = field(compare=False)
    relu: bool = False

    @property
    def refs(self) -> Iterator[str]:
        """Names of the results it reads."""
        return (value.name for value in _leaves(self.arguments.values()) if isinstance(value, Ref))

    def evaluate(self, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The float result, given the results it reads."""
        result = self.call({name: _resolved(value, values) for name, value in self.arguments.items()})
        first: torch.Tensor = result[0] if isinstance(result, tuple | list) else result
        return first.clamp(min=0) if self.relu else first


@dataclass(frozen=True)
class Graph:
    """A module: the names and shapes of its inputs, its nodes in order, the names of its outputs."""

    inputs: Mapping[str, tuple[int, ...]]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def evaluate(self, inputs: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Every float value by name, inputs included."""
        values = dict(zip(self.inputs, inputs, strict=True))
        for node in self.nodes:
            values[node.name] = node.evaluate(values)
        return values

    def users(self, name: str) -> int:
        """How often a value is read, outputs included."""
        return sum(ref == name for node in self.nodes for ref in node.refs) + self.outputs.count(name)


def refusal(node: Node, problem: str, remedy: str) -> UnsupportedModule:
    """The error for a node that cannot be compiled: which operator, where, why, and what to do."""
    return UnsupportedModule(f"{node.op} at {node.path}: {problem}; {remedy}")


def capture(module: torch.nn.Module, example_inputs: Sequence[torch.Tensor]) -> Graph:
    """Export a module in evaluation mode to core ATen, for the shapes of `example_inputs`."""
    if module.training:
        raise UnsupportedModule("the module is in training mode; call its eval() first")
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UnsupportedModule(f"{name} contains NaN or infinite values; retrain or repair the checkpoint")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # raised inside torch.export itself
        program = torch.export.export(module, tuple(example_inputs)).run_decompositions()
        return _Importer(program).graph()


def _leaves(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _resolved(value: Any, values: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, Ref):
        return values[value.name]
    return [_resolved(v, values) for v in value] if isinstance(value, list | tuple) else value


class _Importer:
    """Walks an exported program once."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.program = program
        self.known: dict[str, Any] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.nodes: list[Node] = []

    def graph(self) -> Graph:
        constants = {**dict(self.program.named_parameters()), **dict(self.program.named_buffers())}
        constants.update({k: v for k, v in self.program.constants.items() if isinstance(v, torch.Tensor)})
        for spec in self.program.graph_signature.input_specs:
            name = spec.arg.name
            if spec.kind is InputKind.USER_INPUT:
                self.known[name] = Ref(name)
            else:
                self.known[name] = constants[str(spec.target)].detach()
        outputs: tuple[str, ...] = ()
        for node in self.program.graph.nodes:
            if node.op == "placeholder" and isinstance(self.known[node.name], Ref):
                self.inputs[node.name] = tuple(node.meta["val"].shape)
            elif node.op == "call_function":
                self.known[node.name] = self._call(node)
            elif node.op == "output":
                outputs = tuple(self._output(value) for value in _leaves(node.args))
        return Graph(self.inputs, tuple(self.nodes), outputs)

    def _output(self, value: torch.fx.Node | None) -> str:
        known = self.known[value.name] if value is not None else None
        if not isinstance(known, Ref):
            raise UnsupportedModule("an output of the module does not depend on its inputs; return tensors that do")
        return known.name

    def _call(self, node: torch.fx.Node) -> Any:
        """What a node's name stands for from now on: a `Ref`, or a tensor if it depends on constants only."""
        stack = node.meta.get("nn_module_stack") or {}
        path = [entry[0] for entry in stack.values()][-1] if stack else ""
        if node.target is operator.getitem:
            base, index = self._value(node.args[0]), node.args[1]
            if index != 0:
                raise UnsupportedModule(f"output {index} of a call at {path or 'the module'} is used; use the first")
            return base[0] if isinstance(base, tuple | list) else base
        if not isinstance(node.target, torch._ops.OpOverload):
            raise UnsupportedModule(f"{node.target} at {path or 'the module'} is no ATen operator; express it in them")
        target = node.target
        arguments: dict[str, Any] = {}
        for position, argument in enumerate(target._schema.arguments):
            default = node.kwargs.get(argument.name, argument.default_value)
            given = node.args[position] if position < len(node.args) else default
            arguments[argument.name] = self._value(given)
        name = str(target._schema.name).replace("::", ".")
        value = node.meta["val"]
        shape = tuple((value[0] if isinstance(value, tuple | list) else value).shape)
        imported = Node(node.name, name, path or "the module", arguments, shape, _caller(target))
        if not any(imported.refs):
            return imported.call(arguments)
        self.nodes.append(imported)
        return Ref(node.name)

    def _value(self, value: Any) -> Any:
        if isinstance(value, torch.fx.Node):
            return self.known[value.name]
        return [self._value(v) for v in value] if isinstance(value, list | tuple) else value


def _caller(target: torch._ops.OpOverload[..., Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Calls an ATen operator with its arguments by name."""
    positional = [a.name for a in target._schema.arguments if not a.kwarg_only]
    keywords = [a.name for a in target._schema.arguments if a.kwarg_only]

    def call(arguments: Mapping[str, Any]) -> Any:
        return target(*(arguments[name] for name in positional), **{name: arguments[name] for name in keywords})

    return call
