"""Graph rewrites before quantisation: constants added one after another folded into one, batch norms into their
convolution, ReLUs into what they follow."""

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
    return _fuse_relus(_fold_batch_norms(_fold_sums(graph)))


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


def _fold_batch_norms(graph: Graph) -> Graph:
    removed: dict[str, str] = {}
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op != BATCH_NORM:
            continue
        producer = graph.sole(node.arguments["input"], "aten.convolution", "aten.addmm", "aten.mm")
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
    return graph.rewritten(changed, removed)


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
        producer = graph.sole(node.arguments["self"], *FUSES_RELU)
        if producer is not None:
            changed[producer.name] = replace(producer, relu=True)
            removed[node.name] = producer.name
    return graph.rewritten(changed, removed)
