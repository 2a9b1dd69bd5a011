"""Before lowering: which integers each value is held in, and at what scale.

i16      what products read, +-32,639 at 1.25 times the largest magnitude that calibration has seen
wide     what only sums and norms read (the residual stream): i32 with 24 bits of content, and one scale for all
         values that are added to each other, so that these sums round nothing
scores   what a softmax reads: i16 whose lower end is left to what is hidden
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from prover.compiler.calibrate import LINEAR, Statistics, row_source
from prover.compiler.functions import FUNCTION
from prover.compiler.graph import Graph, Node, Ref
from prover.compiler.patterns import NORM, SOFTMAX
from prover.compiler.rounding import SMOOTHING, IntegerRows, round_rows, smoothing_factors
from prover.compiler.simplify import MATMUL
from prover.program import DType
from prover.quantisation import LIMIT, Reals

HEADROOM = 1.25
"""Values this much above the calibrated largest are still not clamped; it costs a third of a bit of sixteen."""
WIDE_CONTENT = 1 << 23
WIDE_LIMIT = (1 << 24) - 1
"""Clamp of wide values: D squares of their differences still fit in an int64 for D up to 2^13."""
SCORE_CONTENT = 16_000
LEAST_SCORE_RANGE = 16.0
"""Logits below the largest at which a hidden score must lie: exp(-16) is nothing in 15 bits."""

UNEVEN_ROWS = 16.0
"""A row this many times larger than the median one would cost the others four of their sixteen bits."""

MOVES = frozenset(
    {
        "aten.expand",
        "aten.permute",
        "aten.select",
        "aten.slice",
        "aten.split_with_sizes",
        "aten.squeeze",
        "aten.transpose",
        "aten.unsqueeze",
        "aten.view",
    }
)
"""Operators that only look at a value differently."""


@dataclass(frozen=True)
class Form:
    """How a value is held: real = scale * integer, clamped to lo .. hi."""

    dtype: DType
    scale: float
    lo: int
    hi: int


@dataclass
class Plan:
    """Decisions for a whole graph, by the names of its values."""

    forms: dict[str, Form] = field(default_factory=dict)
    visible: dict[str, Any] = field(default_factory=dict)
    """Per value that a softmax reads, the mask that the product which makes it applies, or None."""
    factors: dict[str, Reals] = field(default_factory=dict)
    """Per channel of a norm's result, what it is divided by for the linear layers that read it."""
    rows: dict[str, IntegerRows] = field(default_factory=dict)
    """The i8 rows [O, K] of each linear layer."""
    by_row: frozenset[str] = frozenset()
    """Inputs of linear layers that are brought to a scale of their own in each row."""

    def of(self, graph: Graph) -> Plan:
        """The same decisions for the same module at another shape: only what its masks hide differs."""
        return replace(self, visible={score.name: score.visible for score in _scores(graph)})


def plan(graph: Graph, seen: Statistics) -> Plan:
    """Decide for every value and every linear layer of a graph."""
    made = Plan()
    wide = _wide_values(graph)
    shared = _shared_scales(graph, wide, seen)
    for name in [*graph.inputs, *(node.name for node in graph.nodes)]:
        if name in wide:
            made.forms[name] = Form(DType.I32, shared[name], -WIDE_LIMIT, WIDE_LIMIT)
        else:
            made.forms[name] = Form(DType.I16, seen.magnitude(name) * HEADROOM / LIMIT, -LIMIT, LIMIT)
    _plan_scores(graph, seen, made)
    _plan_rows(graph, seen, made)
    _plan_weights(graph, seen, made)
    return made


# Wide values


def is_move(node: Node) -> bool:
    """Whether an operator only looks at a value differently; a number as factor is part of how it looks."""
    return node.op in MOVES or (node.op in ("aten.mul", "aten.div") and scalar_of(node.arguments["other"]) is not None)


def readers(graph: Graph, name: str) -> Iterator[Node]:
    """Who computes with a value, however it looks at it."""
    for node in graph.nodes:
        if name in node.refs:
            if is_move(node):
                yield from readers(graph, node.name)
            else:
                yield node


def _is_sum(node: Node) -> bool:
    return node.op in ("aten.add", "aten.sub") and not node.relu


def _wide_values(graph: Graph) -> set[str]:
    """Results of sums and linear layers that only sums and norms read."""
    found: set[str] = set()
    normed = {ref for node in graph.nodes if node.op == NORM for ref in node.refs}
    for node in graph.nodes:
        if node.op not in ("aten.add", "aten.sub", *LINEAR) or node.relu:
            continue
        uses = list(readers(graph, node.name))
        if uses and node.name not in graph.outputs and all(_is_sum(n) or n.op == NORM for n in uses):
            found.add(node.name)
    # Only where a norm is at the end of the sums: what a vision network adds up is read by convolutions.
    reach = set(normed)
    for node in reversed(graph.nodes):
        if node.name in reach and (_is_sum(node) or node.op in MOVES):
            reach.update(node.refs)
    found &= reach
    for node in graph.nodes:
        source = node.arguments.get("self")
        if node.op in MOVES and isinstance(source, Ref) and source.name in found:
            found.add(node.name)
    return found


def _shared_scales(graph: Graph, wide: set[str], seen: Statistics) -> dict[str, float]:
    """One scale for all wide values that sums connect."""
    group = {name: name for name in wide}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for node in graph.nodes:
        if node.name in wide:
            for ref in node.refs:
                if ref in wide and (_is_sum(node) or node.op in MOVES):
                    group[root(ref)] = root(node.name)
    largest: dict[str, float] = {}
    for name in wide:
        largest[root(name)] = max(largest.get(root(name), 0.0), seen.magnitude(name))
    return {name: largest[root(name)] * HEADROOM / WIDE_CONTENT for name in wide}


# Scores


def scalar_of(value: Any) -> float | None:
    """The number that a constant argument of one element is."""
    if isinstance(value, Ref):
        return None
    tensor = torch.as_tensor(value)
    return float(tensor) if tensor.numel() == 1 else None


@dataclass(frozen=True)
class _Score:
    """A value that a softmax reads: what it hides there, if it is a product that can, and the factor in between."""

    name: str
    visible: Any
    factor: float


def _scores(graph: Graph) -> Iterator[_Score]:
    for node in graph.nodes:
        if node.op != SOFTMAX:
            continue
        value, factor = node.arguments["scores"], 1.0
        while (scaled := graph.sole(value, "aten.mul", "aten.div")) is not None:
            number = scalar_of(scaled.arguments["other"])
            if number is None:
                break
            factor *= number if scaled.op == "aten.mul" else 1 / number
            value = scaled.arguments["self"]
        product = graph.sole(value, MATMUL) if factor > 0 else None
        if product is None:
            yield _Score(node.arguments["scores"].name, None, 1.0)
        else:
            yield _Score(product.name, node.arguments["visible"], factor)


def _plan_scores(graph: Graph, seen: Statistics, made: Plan) -> None:
    for score in _scores(graph):
        reach = seen.magnitude(score.name) * HEADROOM / SCORE_CONTENT
        scale = max(reach, LEAST_SCORE_RANGE / SCORE_CONTENT / score.factor)
        made.forms[score.name] = Form(DType.I16, scale, DType.I16.lo, LIMIT)
        made.visible[score.name] = score.visible


# Scales by row


def _plan_rows(graph: Graph, seen: Statistics, made: Plan) -> None:
    """Inputs of linear layers of which some rows are far larger than most: they, and what is multiplied to make them,
    are held wide, and each row is brought to i16 by its own largest magnitude."""
    found = set()
    for source, rows in seen.rows.items():
        node = graph.by_name.get(source)
        peaks = rows.row_peaks
        uneven = float(peaks.max()) > UNEVEN_ROWS * float(peaks.median())
        if node is None or node.op not in ("aten.mul", FUNCTION) or not uneven:
            continue
        if not all(reader.op in LINEAR for reader in readers(graph, source)):
            continue
        found.add(source)
        for name in (source, *(ref for ref in node.refs if node.op == "aten.mul")):
            if name == source or (_is_linear_or_function(graph, name) and len(list(readers(graph, name))) == 1):
                _widen(graph, seen, made, name)
    made.by_row = frozenset(found)


def _is_linear_or_function(graph: Graph, name: str) -> bool:
    while (view := graph.producer(Ref(name), "aten.view")) is not None:
        name = view.arguments["self"].name
    return graph.producer(Ref(name), FUNCTION, *LINEAR) is not None


def _widen(graph: Graph, seen: Statistics, made: Plan, name: str) -> None:
    form = Form(DType.I32, seen.magnitude(name) * HEADROOM / WIDE_CONTENT, -WIDE_LIMIT, WIDE_LIMIT)
    made.forms[name] = form
    while (view := graph.producer(Ref(name), "aten.view")) is not None:
        name = view.arguments["self"].name
        made.forms[name] = form


# Weights


def matrix(node: Node) -> Reals:
    """The weights [O, K] of a linear layer, alpha included."""
    alpha = float(node.arguments.get("alpha", 1))
    weight: Reals = node.arguments["mat2"].detach().to(torch.float64).numpy().T * alpha
    return weight


def _plan_weights(graph: Graph, seen: Statistics, made: Plan) -> None:
    linears: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.op in LINEAR and isinstance(node.arguments["mat2"], torch.Tensor):
            linears.setdefault(row_source(graph, node.arguments[LINEAR[node.op]]), []).append(node)
    for source, nodes in linears.items():
        rows = seen.rows.get(source)
        norm = graph.producer(Ref(source), NORM)
        factors = None
        if norm is not None and rows is not None and _only_linear_or_sums(graph, source):
            factors = smoothing_factors(rows.channels.double().numpy(), [matrix(n) for n in nodes], SMOOTHING)
            made.factors[source] = factors
            largest = float((rows.channels.double().numpy() / factors).max()) or 1.0
            made.forms[source] = Form(DType.I16, largest * HEADROOM / LIMIT, -LIMIT, LIMIT)
        for node in nodes:
            weight = matrix(node)
            weight = weight if factors is None else weight * factors
            made.rows[node.name] = round_rows(weight, rows, factors)


def _only_linear_or_sums(graph: Graph, name: str) -> bool:
    """Whether all that reads a value can undo a factor per channel: linear layers, and sums of its own shape."""
    if name in graph.outputs:
        return False
    for node in graph.nodes:
        if name not in node.refs:
            continue
        keeps_channels = node.op == "aten.view" and row_source(graph, Ref(node.name)) == name
        if keeps_channels and not _only_linear_or_sums(graph, node.name):
            return False
        adds = _is_sum(node) and node.shape == graph.shape_of(Ref(name))
        if not (keeps_channels or adds or node.op in LINEAR):
            return False
    return True


__all__ = ["HEADROOM", "Form", "Plan", "is_move", "matrix", "plan", "readers", "scalar_of"]
