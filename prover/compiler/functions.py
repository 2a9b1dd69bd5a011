"""Graph rewrite: chains of element-wise operators on one value become one function of it, to be tabulated.

So any activation is supported, however it is written out: GELU in both forms, SiLU as x * sigmoid(x), clipped ReLUs.
Chains that only scale and shift stay as they are: they cost nothing or one operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from prover.compiler.graph import Graph, Node, Ref

FUNCTION = "refute.function"

_LINEAR = frozenset({"aten.mul", "aten.div", "aten.add", "aten.sub", "aten.neg", "aten.relu", "aten.rsub"})
_CURVED = frozenset(
    {
        "aten.abs",
        "aten.clamp",
        "aten.clamp_max",
        "aten.clamp_min",
        "aten.cos",
        "aten.elu",
        "aten.erf",
        "aten.exp",
        "aten.expm1",
        "aten.gelu",
        "aten.hardtanh",
        "aten.leaky_relu",
        "aten.log",
        "aten.log1p",
        "aten.maximum",
        "aten.minimum",
        "aten.pow",
        "aten.reciprocal",
        "aten.rsqrt",
        "aten.sigmoid",
        "aten.silu",
        "aten.sin",
        "aten.sqrt",
        "aten.square",
        "aten.tanh",
    }
)


@dataclass(frozen=True)
class _Chain:
    """A value as a function of `base`: the nodes in between, in order."""

    base: str
    nodes: tuple[Node, ...]

    @property
    def curved(self) -> bool:
        multiplied = any(node.op in ("aten.mul", "aten.div") and _both_depend(node) for node in self.nodes)
        return multiplied or any(node.op in _CURVED for node in self.nodes)


def _both_depend(node: Node) -> bool:
    return isinstance(node.arguments["self"], Ref) and isinstance(node.arguments["other"], Ref)


def tabulate(graph: Graph) -> Graph:
    """The same function with each maximal curved chain as one node `refute.function` of its base."""
    chains = _chains(graph)
    found = {name: _function(graph.by_name[name], chain) for name, chain in _maximal(graph, chains).items()}
    return graph.rewritten(found)


def _chains(graph: Graph) -> dict[str, _Chain]:
    """Every value that is a function of one other, element by element."""
    floating = {n.name for n in graph.nodes if n.dtype.is_floating_point}
    floating |= {name for name, given in graph.inputs.items() if given.dtype.is_floating_point}
    chains: dict[str, _Chain] = {}
    for node in graph.nodes:
        refs = list(node.refs)
        if node.op not in _LINEAR | _CURVED or not refs or not _plain(graph, node) or not set(refs) <= floating:
            continue
        bases = {chains[ref].base if ref in chains else ref for ref in refs}
        if len(bases) == 1:
            before = {n.name: n for ref in refs if ref in chains for n in chains[ref].nodes}
            chains[node.name] = _Chain(bases.pop(), (*before.values(), node))
    return chains


def _plain(graph: Graph, node: Node) -> bool:
    """Whether all that is read has the node's shape or is one number."""
    for value in node.arguments.values():
        if isinstance(value, Ref) and graph.shape_of(value) != node.shape:
            return False
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            return False
    return True


def _maximal(graph: Graph, chains: Mapping[str, _Chain]) -> dict[str, _Chain]:
    """Curved chains that something else than a longer curved chain of the same base reads."""
    found = {}
    for name, chain in chains.items():
        if not chain.curved:
            continue
        readers = [n for n in graph.nodes if name in n.refs]
        swallowed = all(n.name in chains and chains[n.name].base == chain.base for n in readers)
        if not swallowed or name in graph.outputs or not readers:
            found[name] = chain
    return found


def _function(node: Node, chain: _Chain) -> Node:
    def call(arguments: Mapping[str, Any]) -> torch.Tensor:
        values = {chain.base: arguments["input"]}
        for step in chain.nodes:
            values[step.name] = step.evaluate(values)
        result: torch.Tensor = values[chain.nodes[-1].name]
        return result

    ops = " ".join(step.op.removeprefix("aten.") for step in chain.nodes)
    return replace(node, op=FUNCTION, arguments={"input": Ref(chain.base), "what": ops}, call=call, relu=False)
