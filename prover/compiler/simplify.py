"""Graph rewrites that undo what exporting did: calls that change nothing go, and products get their axes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from prover.compiler.graph import Graph, Node, Ref

MATMUL = "refute.matmul"

_SAME = frozenset({"aten.alias", "aten.clone", "aten.detach", "aten.detach_", "aten.lift_fresh_copy"})
_SAME_SHAPE = frozenset({"aten.view", "aten.expand"})
_VIEWS = ("aten.view", "aten._unsafe_view", "aten.reshape")


def simplify(graph: Graph) -> Graph:
    """The same function without copies, conversions between float types and flattened batch axes."""
    views = {n.name: replace(n, op="aten.view", call=_reshaped) for n in graph.nodes if n.op in _VIEWS}
    return _restore_matmuls(_drop_identities(graph.rewritten(views)))


def _reshaped(arguments: Mapping[str, Any]) -> torch.Tensor:
    """A view of whatever strides: what the rewrites leave out may have made its source contiguous."""
    source: torch.Tensor = arguments["self"]
    return source.reshape(arguments["size"])


def _drop_identities(graph: Graph) -> Graph:
    shapes = {name: (given.shape, given.dtype) for name, given in graph.inputs.items()}
    shapes.update({node.name: (node.shape, node.dtype) for node in graph.nodes})
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        source = node.arguments.get("self")
        if not isinstance(source, Ref):
            continue
        shape, dtype = shapes[source.name]
        same_type = dtype == node.dtype or (dtype.is_floating_point and node.dtype.is_floating_point)
        if (
            node.op in _SAME
            or (node.op == "aten._to_copy" and same_type)
            or (node.op in _SAME_SHAPE and shape == node.shape)
        ):
            renamed[node.name] = source.name
    # What the module returns may be one of its inputs, which has no node: such a copy stays.
    for name in graph.outputs:
        renamed.pop(name, None)
    return graph.rewritten({}, renamed)


def multiply(arguments: Mapping[str, Any]) -> torch.Tensor:
    """a @ b."""
    return torch.matmul(arguments["a"], arguments["b"])


def _restore_matmuls(graph: Graph) -> Graph:
    """bmm of flattened batches, and mm of two activations, as one product over the axes that the module had."""
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op == "aten.bmm" or (node.op == "aten.mm" and isinstance(node.arguments["mat2"], Ref)):
            whole = node
            a, b = node.arguments["self"], node.arguments["mat2"]
            if node.op == "aten.bmm":
                whole, a, b = _unflattened(graph, node, a, b)
            changed[whole.name] = replace(
                whole, op=MATMUL, path=node.path, arguments={"a": a, "b": b}, call=multiply, aten=node.op
            )
    return graph.rewritten(changed)


def _unflattened(graph: Graph, node: Node, a: Any, b: Any) -> tuple[Node, Any, Any]:
    """(the node that has the whole shape, its factors), for view(bmm(view(a), view(b)))."""
    readers = [n for n in graph.nodes if node.name in n.refs]
    views = [graph.producer(value, "aten.view") for value in (a, b)]
    if len(readers) == 1 and readers[0].op == "aten.view" and all(views) and node.name not in graph.outputs:
        sources = [view.arguments["self"] for view in views if view is not None]
        shapes = [graph.shape_of(source) for source in sources]
        if all(shape[:-2] == readers[0].shape[:-2] for shape in shapes):
            return readers[0], sources[0], sources[1]
    return node, a, b
