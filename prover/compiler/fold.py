"""Graph rewrites before quantisation: batch norms folded into their convolution, ReLUs into what they follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from prover.compiler.graph import Graph, Node, Ref, refusal

BATCH_NORM = "aten._native_batch_norm_legit_no_training"
FUSES_RELU = frozenset({"aten.convolution", "aten.addmm", "aten.mm", "aten.add", "aten.avg_pool2d", "aten.mean"})
"""Operators that rescale their result, so that a ReLU is their lower clamp."""


def fold(graph: Graph) -> Graph:
    """The same function with fewer nodes."""
    return _fuse_relus(_fold_batch_norms(graph))


def _without(graph: Graph, removed: Mapping[str, str], changed: Mapping[str, Node]) -> Graph:
    """`graph` with nodes removed, their readers reading another node, and nodes changed."""

    def renamed(value: Any) -> Any:
        if isinstance(value, Ref):
            return Ref(removed.get(value.name, value.name))
        return [renamed(v) for v in value] if isinstance(value, list | tuple) else value

    nodes = []
    for node in graph.nodes:
        if node.name not in removed:
            kept = changed.get(node.name, node)
            arguments = {name: renamed(value) for name, value in kept.arguments.items()}
            nodes.append(replace(kept, arguments=arguments))
    return Graph(graph.inputs, tuple(nodes), tuple(removed.get(name, name) for name in graph.outputs))


def _producer(graph: Graph, node: Node, argument: str) -> Node | None:
    """The node behind an argument, if nothing else reads it."""
    ref = node.arguments[argument]
    if not isinstance(ref, Ref) or graph.users(ref.name) != 1:
        return None
    return next((n for n in graph.nodes if n.name == ref.name), None)


def _fold_batch_norms(graph: Graph) -> Graph:
    removed: dict[str, str] = {}
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op != BATCH_NORM:
            continue
        producer = _producer(graph, node, "input")
        if producer is None or not _has_constant_rows(producer):
            raise refusal(
                node, "a batch norm that does not directly follow a plain convolution or linear", "reorder them"
            )
        scale = torch.rsqrt(node.arguments["running_var"] + node.arguments["eps"])
        if node.arguments["weight"] is not None:
            scale = scale * node.arguments["weight"]
        offset = -node.arguments["running_mean"] * scale
        if node.arguments["bias"] is not None:
            offset = offset + node.arguments["bias"]
        changed[producer.name] = _scaled(producer, scale, offset)
        removed[node.name] = producer.name
    return _without(graph, removed, changed)


def _has_constant_rows(node: Node) -> bool:
    """Whether it is a linear layer or plain convolution with constant weights, a row per output channel."""
    constants = {"aten.convolution": ["weight"], "aten.addmm": ["mat2", "self"], "aten.mm": ["mat2"]}.get(node.op, [])
    constant = bool(constants) and all(isinstance(node.arguments[name], torch.Tensor) for name in constants)
    return constant and not node.arguments.get("transposed")


def _scaled(node: Node, scale: torch.Tensor, offset: torch.Tensor) -> Node:
    """A convolution or linear layer whose output channels are multiplied by scale, plus offset."""
    arguments = dict(node.arguments)
    if node.op == "aten.mm":
        matrix = arguments["mat2"] * scale
        biased = {"self": offset, "mat1": arguments["self"], "mat2": matrix, "beta": 1, "alpha": 1}
        return replace(node, op="aten.addmm", arguments=biased, call=_addmm)
    if node.op == "aten.addmm":
        arguments["mat2"] = arguments["mat2"] * scale
        arguments["self"] = arguments["self"] * arguments["beta"] * scale + offset
        return replace(node, arguments={**arguments, "beta": 1})
    weight, bias = arguments["weight"], arguments["bias"]
    arguments["weight"] = weight * scale.reshape(-1, *[1] * (weight.dim() - 1))
    arguments["bias"] = offset if bias is None else bias * scale + offset
    return replace(node, arguments=arguments)


def _addmm(arguments: Mapping[str, Any]) -> torch.Tensor:
    return torch.addmm(arguments["self"], arguments["mat1"], arguments["mat2"])


def _fuse_relus(graph: Graph) -> Graph:
    removed: dict[str, str] = {}
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op != "aten.relu":
            continue
        producer = _producer(graph, node, "self")
        if producer is not None and producer.op in FUSES_RELU:
            changed[producer.name] = replace(producer, relu=True)
            removed[node.name] = producer.name
    return _without(graph, removed, changed)
