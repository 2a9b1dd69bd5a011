"""Graph rewrites that find what a module means in what it computes: norms, attention weights, rotary pairs.

Each gives one composite node in place of several, named as the last of them, with the same float value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from prover.compiler.graph import Graph, Node, Ref

NORM = "refute.norm"
SOFTMAX = "refute.softmax"
ROTARY = "refute.rotary"
CONTRACT = "refute.contract"

HIDDEN = -1e4
"""An additive mask hides what it lowers by this much or more."""


def recognise(graph: Graph) -> Graph:
    """The same function with composite nodes."""
    graph = graph.rewritten({}, _guarded_softmaxes(graph))
    for find in (_norms, _rotary_pairs, _contractions, _softmaxes):
        graph = graph.rewritten(find(graph))
    return graph


# Norms


def normalise(arguments: Mapping[str, Any]) -> torch.Tensor:
    """Over the last axis: (x - mean) * rsqrt(mean square + eps) * weight + bias, as far as asked for."""
    x, weight, bias = arguments["input"], arguments["weight"], arguments["bias"]
    if arguments["centred"]:
        x = x - x.mean(-1, keepdim=True)
    squares = x.square().mean(-1, keepdim=True) if arguments["mean"] else x.square().sum(-1, keepdim=True)
    x = x * torch.rsqrt(squares + arguments["eps"])
    x = x if weight is None else x * weight
    result: torch.Tensor = x if bias is None else x + bias
    return result


def _norm(node: Node, value: Any, weight: Any, bias: Any, eps: float, *, centred: bool, mean: bool) -> Node:
    arguments = {"input": value, "weight": weight, "bias": bias, "eps": eps, "centred": centred, "mean": mean}
    return replace(node, op=NORM, arguments=arguments, call=normalise, output=0)


def _norms(graph: Graph) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op == "aten.native_layer_norm" and node.output == 0 and len(node.arguments["normalized_shape"]) == 1:
            a = node.arguments
            found[node.name] = _norm(node, a["input"], a["weight"], a["bias"], float(a["eps"]), centred=True, mean=True)
        elif node.op == "aten.mul":
            _root_mean_square(graph, node, found)
        elif node.op == "aten.div":
            _unit_length(graph, node, found)
    return found


def _scalar(value: Any) -> float | None:
    if isinstance(value, Ref):
        return None
    tensor = torch.as_tensor(value)
    return float(tensor) if tensor.numel() == 1 else None


def _either_way(node: Node) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    first, second = node.arguments["self"], node.arguments["other"]
    return (first, second), (second, first)


def _root_mean_square(graph: Graph, node: Node, found: dict[str, Node]) -> None:
    """x * rsqrt(mean(x^2) + eps), and that times a constant weight."""
    for value, factor in _either_way(node):
        root = graph.producer(factor, "aten.rsqrt")
        total = graph.producer(root.arguments["self"], "aten.add") if root else None
        for mean_, eps in _either_way(total) if total else ():
            mean, small = graph.producer(mean_, "aten.mean"), _scalar(eps)
            square = graph.producer(mean.arguments["self"], "aten.pow") if mean else None
            if mean is None or square is None or small is None or list(mean.arguments["dim"]) != [-1]:
                continue
            if square.arguments["self"] == value and _scalar(square.arguments["exponent"]) == 2:
                found[node.name] = _norm(node, value, None, None, small, centred=False, mean=True)
        inner = found.get(factor.name) if isinstance(factor, Ref) else None
        if inner is None or inner.arguments["weight"] is not None or graph.users(inner.name) != 1:
            continue
        if isinstance(value, torch.Tensor) and value.shape == node.shape[-1:]:
            a = inner.arguments
            found[node.name] = _norm(node, a["input"], value, None, a["eps"], centred=False, mean=True)


def _unit_length(graph: Graph, node: Node, found: dict[str, Node]) -> None:
    """x / max(|x|, eps), as torch.nn.functional.normalize exports it."""
    divisor = node.arguments["other"]
    expanded = graph.producer(divisor, "aten.expand")
    floor = graph.producer(expanded.arguments["self"] if expanded else divisor, "aten.clamp_min", "aten.clamp")
    length = graph.producer(floor.arguments["self"], "aten.linalg_vector_norm") if floor else None
    if floor is None or length is None or length.arguments["self"] != node.arguments["self"]:
        return
    dims = [dim % len(node.shape) for dim in length.arguments["dim"] or ()]
    if dims != [len(node.shape) - 1] or _scalar(length.arguments["ord"]) != 2:
        return
    eps = float(floor.arguments["min"]) ** 2
    found[node.name] = _norm(node, node.arguments["self"], None, None, eps, centred=False, mean=False)


# Rotary embedding


def rotate(arguments: Mapping[str, Any]) -> torch.Tensor:
    """x * cos + rotate_half(x) * sin, rotate_half((a, b)) = (-b, a) over the last axis."""
    x = arguments["input"]
    first, second = x.chunk(2, -1)
    result: torch.Tensor = x * arguments["cos"] + torch.cat((-second, first), -1) * arguments["sin"]
    return result


def _rotary_pairs(graph: Graph) -> dict[str, Node]:
    found = {}
    for node in graph.nodes:
        if node.op != "aten.add":
            continue
        for straight_, turned_ in _either_way(node):
            straight, turned = graph.sole(straight_, "aten.mul"), graph.sole(turned_, "aten.mul")
            if straight is None or turned is None:
                continue
            for value, cos in _either_way(straight):
                for half, sin in _either_way(turned):
                    constants = isinstance(cos, torch.Tensor) and isinstance(sin, torch.Tensor)
                    if constants and isinstance(value, Ref) and _is_rotated(graph, half, value):
                        arguments = {"input": value, "cos": cos, "sin": sin}
                        found[node.name] = replace(node, op=ROTARY, arguments=arguments, call=rotate)
    return found


def _is_rotated(graph: Graph, value: Any, source: Ref) -> bool:
    """Whether `value` is cat((-second half, first half)) of `source` over the last axis."""
    joined = graph.sole(value, "aten.cat")
    if joined is None or len(joined.arguments["tensors"]) != 2:
        return False
    axes = len(joined.shape)
    negated = graph.sole(joined.arguments["tensors"][0], "aten.neg")
    second = graph.sole(negated.arguments["self"], "aten.slice") if negated else None
    first = graph.sole(joined.arguments["tensors"][1], "aten.slice")
    if second is None or first is None or joined.arguments["dim"] % axes != axes - 1:
        return False
    half = joined.shape[-1] // 2
    for part, start in ((first, 0), (second, half)):
        a = part.arguments
        if a["self"] != source or a["dim"] % axes != axes - 1 or a["step"] != 1 or (a["start"] or 0) != start:
            return False
    return first.shape[-1] == second.shape[-1] == half


# Sums of products


def contract(arguments: Mapping[str, Any]) -> torch.Tensor:
    """The sum of a * b over some axes."""
    product: torch.Tensor = arguments["a"] * arguments["b"]
    return product.sum(arguments["dims"], keepdim=arguments["keepdim"])


def _contractions(graph: Graph) -> dict[str, Node]:
    found = {}
    for node in graph.nodes:
        if node.op != "aten.sum" or not node.arguments.get("dim"):
            continue
        product = graph.sole(node.arguments["self"], "aten.mul")
        if product is None:
            continue
        a, b = product.arguments["self"], product.arguments["other"]
        if isinstance(a, Ref) and isinstance(b, Ref):
            dims, keepdim = list(node.arguments["dim"]), node.arguments["keepdim"]
            arguments = {"a": a, "b": b, "dims": dims, "keepdim": keepdim}
            found[node.name] = replace(node, op=CONTRACT, arguments=arguments, call=contract)
    return found


# Attention weights


def attend(arguments: Mapping[str, Any]) -> torch.Tensor:
    """softmax over the last axis of what is visible."""
    scores, visible = arguments["scores"], arguments["visible"]
    if visible is not None:
        scores = scores.masked_fill(~visible.to(torch.bool), torch.finfo(scores.dtype).min)
    return torch.softmax(scores, -1)


def _softmaxes(graph: Graph) -> dict[str, Node]:
    found = {}
    for node in graph.nodes:
        if node.op not in ("aten._softmax", "aten._safe_softmax") or node.arguments["dim"] % len(node.shape) != (
            len(node.shape) - 1
        ):
            continue
        scores, visible = _masked(graph, node.arguments["self"])
        arguments = {"scores": scores, "visible": visible}
        found[node.name] = replace(node, op=SOFTMAX, arguments=arguments, call=attend)
    return found


def _guarded_softmaxes(graph: Graph) -> dict[str, str]:
    """where(nothing is visible, 0, softmax): how scaled_dot_product_attention is exported. The guard is dropped."""
    found = {}
    for node in graph.nodes:
        softmax = graph.producer(node.arguments.get("other"), "aten._softmax") if node.op == "aten.where" else None
        if softmax is None or not _is_zero(graph, node.arguments["self"]):
            continue
        guard: Any = node.arguments["condition"]
        for op in ("aten.logical_not", "aten.any", "aten.logical_not", "aten.eq"):
            step = graph.producer(guard, op)
            if step is None:
                break
            guard = step.arguments["self"]
        else:
            assert step is not None
            if guard == softmax.arguments["self"] and _scalar(step.arguments["other"]) == float("-inf"):
                found[node.name] = softmax.name
    return found


def _is_zero(graph: Graph, value: Any) -> bool:
    filled = graph.producer(value, "aten.full_like", "aten.zeros_like")
    if filled is not None:
        return bool(filled.arguments.get("fill_value", 0) == 0)
    return isinstance(value, torch.Tensor) and not bool(value.any())


def _masked(graph: Graph, value: Any) -> tuple[Any, Any]:
    """(scores, what is visible or None) of a value, if it is scores plus a mask that hides."""
    total = graph.sole(value, "aten.add")
    for scores, mask in _either_way(total) if total else ():
        if isinstance(scores, Ref) and isinstance(mask, torch.Tensor) and _hides(mask):
            return scores, None if bool((mask == 0).all()) else mask == 0
        choice = graph.producer(mask, "aten.where")
        if isinstance(scores, Ref) and choice is not None and isinstance(choice.arguments["condition"], Ref):
            shown, hidden = _scalar(choice.arguments["self"]), _scalar(choice.arguments["other"])
            if shown == 0 and hidden is not None and hidden <= HIDDEN:
                return scores, choice.arguments["condition"]
    return value, None


def _hides(mask: torch.Tensor) -> bool:
    """Whether each element of an additive mask is 0 or hides."""
    return mask.is_floating_point() and bool(((mask == 0) | (mask <= HIDDEN)).all())
