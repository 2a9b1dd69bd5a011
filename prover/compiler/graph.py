"""The torch module as a small graph: core ATen operators in order, constants folded, names of modules kept."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch.export.graph_signature import InputKind, OutputKind

from prover.compiler.tracing import exported
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
    Of a call with several results `output` says which. With `relu` the result's negative values are replaced by 0.
    Composite operators that the compiler's rewrites make are named `refute.*`; `aten` names what the module calls.
    """

    name: str
    op: str
    path: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    call: Callable[[Mapping[str, Any]], Any] = field(compare=False)
    dtype: torch.dtype = torch.float32
    output: int = 0
    relu: bool = False
    aten: str = ""

    @property
    def refs(self) -> Iterator[str]:
        """Names of the results it reads."""
        return (value.name for value in _leaves(self.arguments.values()) if isinstance(value, Ref))

    def evaluate(self, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The float result, given the results it reads."""
        result = self.call({name: _resolved(value, values) for name, value in self.arguments.items()})
        value: torch.Tensor = result[self.output] if isinstance(result, tuple | list) else result
        return value.clamp(min=0) if self.relu else value


@dataclass(frozen=True)
class Input:
    """An input of a module."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class Graph:
    """A module: its inputs by name, its nodes in order, the names of its outputs."""

    inputs: Mapping[str, Input]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def evaluate(self, inputs: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Every float value by name, inputs included."""
        values = dict(zip(self.inputs, inputs, strict=True))
        for node in self.nodes:
            values[node.name] = node.evaluate(values)
        return values

    @cached_property
    def _reads(self) -> Counter[str]:
        return Counter([*(ref for node in self.nodes for ref in node.refs), *self.outputs])

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    def shape_of(self, value: Any) -> tuple[int, ...]:
        """Shape of an argument: a value of the graph, or a constant."""
        if not isinstance(value, Ref):
            return tuple(torch.as_tensor(value).shape)
        return self.inputs[value.name].shape if value.name in self.inputs else self.by_name[value.name].shape

    def users(self, name: str) -> int:
        """How often a value is read, outputs included."""
        return self._reads[name]

    def producer(self, value: Any, *ops: str) -> Node | None:
        """The node behind an argument, if it is one of these operators."""
        node = self.by_name.get(value.name) if isinstance(value, Ref) else None
        return node if node is not None and node.op in ops else None

    def sole(self, value: Any, *ops: str) -> Node | None:
        """As `producer`, if nothing else reads it."""
        node = self.producer(value, *ops)
        return node if node is not None and self.users(node.name) == 1 else None

    def rewritten(self, changed: Mapping[str, Node], renamed: Mapping[str, str] | None = None) -> Graph:
        """With nodes replaced under their names, other names read instead of some, and what nobody reads dropped."""
        aliases = renamed or {}

        def final(name: str) -> str:
            while name in aliases:
                name = aliases[name]
            return name

        def substituted(value: Any) -> Any:
            if isinstance(value, Ref):
                return Ref(final(value.name))
            return [substituted(v) for v in value] if isinstance(value, list | tuple) else value

        outputs = tuple(final(name) for name in self.outputs)
        nodes = []
        for node in (changed.get(node.name, node) for node in self.nodes if node.name not in aliases):
            nodes.append(replace(node, arguments={key: substituted(value) for key, value in node.arguments.items()}))
        needed = set(outputs)
        kept = []
        for node in reversed(nodes):
            if node.name in needed:
                needed.update(node.refs)
                kept.append(node)
        return Graph(self.inputs, tuple(reversed(kept)), outputs)


def refusal(node: Node, problem: str, remedy: str) -> UnsupportedModule:
    """The error for a node that cannot be compiled: which operator, where, why, and what to do."""
    return UnsupportedModule(f"{node.aten or node.op} at {node.path}: {problem}; {remedy}")


def capture(module: torch.nn.Module, example_inputs: Sequence[torch.Tensor]) -> Graph:
    """Export a module in evaluation mode to core ATen, for the shapes of `example_inputs`."""
    for number, example in enumerate(example_inputs):
        _check_example(number, example)
    for name, part in module.named_modules():
        if part.training:
            raise UnsupportedModule(f"{name or 'the module'} is in training mode; call the module's eval() first")
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise UnsupportedModule(f"{name} contains NaN or infinite values; retrain or repair the checkpoint")
    for name, parameter in module.named_parameters():
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            raise UnsupportedModule(f"{name} is {parameter.dtype}; give a float32 module: call its float() first")
    with torch.no_grad():
        return _Importer(exported(module, tuple(example_inputs))).graph()


def _check_example(number: int, example: object) -> None:
    if not isinstance(example, torch.Tensor):
        raise UnsupportedModule(f"example input {number} is a {type(example).__name__}; give tensors")
    if example.numel() == 0:
        raise UnsupportedModule(f"example input {number} has no elements: its shape is {tuple(example.shape)}")
    if example.is_complex() or (example.is_floating_point() and example.dtype != torch.float32):
        raise UnsupportedModule(f"example input {number} is {example.dtype}; give torch.float32, in a float32 module")


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


@dataclass(frozen=True)
class _Several:
    """A call with several results, of which getitem takes one."""

    node: Node


_CHECKS = ("aten._assert_tensor_metadata", "aten._assert_scalar", "aten.sym_constrain_range_for_size")
"""Calls that only check what is fixed here anyway."""


def _name(target: torch._ops.OpOverload[..., Any]) -> str:
    """An ATen operator's name without overload."""
    return str(target._schema.name).replace("::", ".")


class _Importer:
    """Walks an exported program once."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.program = program
        self.known: dict[str, Any] = {}
        self.inputs: dict[str, Input] = {}
        self.nodes: list[Node] = []

    def graph(self) -> Graph:
        constants = {**dict(self.program.named_parameters()), **dict(self.program.named_buffers())}
        constants.update({k: v for k, v in self.program.constants.items() if isinstance(v, torch.Tensor)})
        for spec in self.program.graph_signature.input_specs:
            name = spec.arg.name
            if spec.kind is InputKind.USER_INPUT:
                self.known[name] = Ref(name)
            elif spec.target in constants:
                self.known[name] = constants[spec.target].detach()
            else:
                problem = f"the module uses {spec.target} ({type(spec.arg).__name__}), which is no tensor"
                raise UnsupportedModule(f"{problem}; compute it before and keep it as a buffer")
        for result in self.program.graph_signature.output_specs:
            if result.kind is not OutputKind.USER_OUTPUT:
                changed = result.target or result.arg.name
                raise UnsupportedModule(f"the module changes {changed} when it runs; return it as an output instead")
        outputs: tuple[str, ...] = ()
        for node in self.program.graph.nodes:
            if node.op == "placeholder" and isinstance(self.known[node.name], Ref):
                value = node.meta["val"]
                self.inputs[node.name] = Input(tuple(value.shape), value.dtype)
            elif node.op == "call_function":
                self.known[node.name] = self._call(node)
            elif node.op == "output":
                outputs = tuple(self._output(number, value) for number, value in enumerate(_leaves(node.args)))
        if not outputs:
            raise UnsupportedModule("the module returns nothing; return tensors that depend on its inputs")
        return Graph(self.inputs, tuple(self.nodes), outputs)

    def _output(self, number: int, value: Any) -> str:
        known = self.known[value.name] if isinstance(value, torch.fx.Node) else None
        if not isinstance(known, Ref):
            problem = f"output {number} of the module does not depend on its inputs"
            raise UnsupportedModule(f"{problem}; return only tensors that do")
        return known.name

    def _call(self, node: torch.fx.Node) -> Any:
        """What a node's name stands for from now on: a `Ref`, or a tensor if it depends on constants only."""
        stack = node.meta.get("nn_module_stack") or {}
        path = [entry[0] for entry in stack.values()][-1] if stack else ""
        if node.target is operator.getitem:
            index: Any = node.args[1]
            base = self._value(node.args[0])
            if not isinstance(base, _Several):
                return base[index]
            return self._add(replace(base.node, name=node.name, output=index), node.meta["val"])
        if not isinstance(node.target, torch._ops.OpOverload):
            raise UnsupportedModule(f"{node.target} at {path or 'the module'} is no ATen operator; express it in them")
        target = node.target
        arguments: dict[str, Any] = {}
        for position, argument in enumerate(target._schema.arguments):
            default = node.kwargs.get(argument.name, argument.default_value)
            given = node.args[position] if position < len(node.args) else default
            arguments[argument.name] = self._value(given)
        name = _name(target)
        if name in _CHECKS:
            return None
        imported = Node(node.name, name, path or "the module", arguments, (), _caller(target), aten=name)
        if torch.Tag.nondeterministic_seeded in target.tags:
            raise refusal(imported, "its result is random", "draw it outside and pass it as an input")
        if not any(imported.refs):
            return imported.call(arguments)
        value = node.meta["val"]
        return _Several(imported) if isinstance(value, tuple | list) else self._add(imported, value)

    def _add(self, node: Node, value: torch.Tensor) -> Ref:
        """Append a node whose result is like `value`."""
        if not isinstance(value, torch.Tensor):
            raise refusal(node, "it makes a number of a value", "control flow and shapes may not depend on values")
        self.nodes.append(replace(node, shape=tuple(value.shape), dtype=value.dtype))
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
