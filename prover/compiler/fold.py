"""Graph rewrites before quantisation: constants added one after another folded into one, linear layers made whole
again, batch norms folded into their convolution, ReLUs into what they follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from prover.compiler.graph import Graph, Node, refusal

BATCH_NORM = "aten._native_batch_norm_legit_no_training"
FUSES_RELU = frozenset({"aten.convolution", "aten.addmm", "aten.mm", "aten.add", "aten.avg_pool2d", "aten.mean"})
"""Operators that rescale their result, so that a ReLU is their lower clamp."""


def fold(graph: Graph) -> Graph:
    """The same function with fewer nodes."""
    return _fuse_relus(_fold_batch_norms(_add_biases(_restore_linears(_fold_sums(graph)))))


def _fold_sums(graph: Graph) -> Graph:
    """(x + c) + d is x + (c + d): a BERT adds a position and a type to each word."""
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        inner = graph.sole(node.arguments.get("self"), "aten.add")
        if inner is not None and _adds_constant(node) and _adds_constant(inner):
            inner = changed.get(inner.name, inner)
            constant = inner.arguments["other"] + node.arguments["other"]
            changed[node.name] = replace(node, arguments={**inner.arguments, "other": constant})
    return graph.rewritten(changed)


def _adds_constant(node: Node) -> bool:
    constant = node.arguments.get("other")
    adds = node.op == "aten.add" and node.arguments.get("alpha", 1) == 1
    return adds and isinstance(constant, torch.Tensor) and constant.is_floating_point()


def _restore_linears(graph: Graph) -> Graph:
    """bmm with one constant matrix is mm: so torch exports a linear layer on what is not contiguous."""
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        matrices = node.arguments.get("mat2")
        if node.op == "aten.bmm" and isinstance(matrices, torch.Tensor) and bool((matrices == matrices[0]).all()):
            arguments = {"self": node.arguments["self"], "mat2": matrices[0]}
            changed[node.name] = replace(node, op="aten.mm", arguments=arguments, call=_mm)
    return graph.rewritten(changed)


def _add_biases(graph: Graph) -> Graph:
    """mm + vector is addmm, views between them that keep the last axis included."""
    changed: dict[str, Node] = {}
    removed: dict[str, str] = {}
    for node in graph.nodes:
        bias, value = node.arguments.get("other"), node.arguments.get("self")
        if not isinstance(bias, torch.Tensor) or not _adds_constant(node) or graph.shape_of(value) != node.shape:
            continue
        product = graph.sole(_behind_views(graph, value), "aten.mm")
        if product is not None and product.shape[-1:] == node.shape[-1:] == bias.shape and _has_constant_rows(product):
            a = product.arguments
            arguments = {"self": bias, "mat1": a["self"], "mat2": a["mat2"], "beta": 1, "alpha": 1}
            changed[product.name] = replace(product, op="aten.addmm", arguments=arguments, call=_addmm)
            removed[node.name] = node.arguments["self"].name
    return graph.rewritten(changed, removed)


def _behind_views(graph: Graph, value: Any) -> Any:
    """The argument of which another is a view that nothing else reads."""
    while (view := graph.sole(value, "aten.view", "aten._unsafe_view")) is not None:
        value = view.arguments["self"]
    return value


def _mm(arguments: Mapping[str, Any]) -> torch.Tensor:
    """The rows of a value of any rank, times a matrix."""
    result: torch.Tensor = torch.matmul(arguments["self"], arguments["mat2"])
    return result


def _fold_batch_norms(graph: Graph) -> Graph:
    removed: dict[str, str] = {}
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op != BATCH_NORM:
            continue
        producer = graph.sole(node.arguments["input"], "aten.convolution", "aten.addmm", "aten.mm")
        if producer is None or not _has_constant_rows(producer) or not _channels_are_its_rows(producer):
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
    return graph.rewritten(changed, removed)


def _has_constant_rows(node: Node) -> bool:
    """Whether it is a linear layer or plain convolution with constant weights, a row per output channel."""
    constants = {"aten.convolution": ["weight"], "aten.addmm": ["mat2", "self"], "aten.mm": ["mat2"]}.get(node.op, [])
    constant = bool(constants) and all(isinstance(node.arguments[name], torch.Tensor) for name in constants)
    return constant and not node.arguments.get("transposed")


def _channels_are_its_rows(node: Node) -> bool:
    """Whether axis 1, which a batch norm scales, is the one of its output channels."""
    return node.op == "aten.convolution" or len(node.shape) == 2


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
    result: torch.Tensor = arguments["self"] + torch.matmul(arguments["mat1"], arguments["mat2"])
    return result


def _fuse_relus(graph: Graph) -> Graph:
    removed: dict[str, str] = {}
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op != "aten.relu":
            continue
        producer = graph.sole(_behind_views(graph, node.arguments["self"]), *FUSES_RELU)
        if producer is not None:
            changed[producer.name] = replace(producer, relu=True)
            removed[node.name] = node.arguments["self"].name
    return graph.rewritten(changed, removed)
