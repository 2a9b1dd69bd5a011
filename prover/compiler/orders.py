"""In which order a result is stored: so that whoever reduces over one of its axes finds that axis contiguous.

It costs nothing at run time, and decides how many chunks a dispute has to open.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from prover.compiler import layout
from prover.compiler.calibrate import LINEAR
from prover.compiler.graph import Graph, Node, Ref
from prover.compiler.layout import Axes
from prover.compiler.patterns import NORM, SOFTMAX
from prover.compiler.plan import is_move
from prover.compiler.reshaping import moved_axes
from prover.compiler.simplify import MATMUL

MOST_AXES = 4
"""Axes longer than 1 whose orders are tried."""


def stored_order(graph: Graph, node: Node) -> tuple[int, ...]:
    """The logical axes of a node's result, outermost in memory first."""
    shape = node.shape
    long = [axis for axis, extent in enumerate(shape) if extent > 1]
    natural = tuple(range(len(shape)))
    if not 1 < len(long) <= MOST_AXES:
        return natural
    best, most = natural, -1
    for chosen in permutations(long):
        rest = iter(chosen)
        order = tuple(next(rest) if axis in long else axis for axis in natural)
        score = sum(_reductions(graph, node.name, layout.dense(shape, order)))
        if score > most:
            best, most = order, score
    return best


def _reductions(graph: Graph, name: str, axes: Axes) -> Iterator[bool]:
    """For each reader that reduces over an axis of a value, whether that axis is contiguous."""
    for node in graph.nodes:
        if name not in node.refs:
            continue
        if is_move(node):
            moved = moved_axes(node, axes)
            if moved is not None:
                yield from _reductions(graph, node.name, moved[0])
            continue
        for axis in _reduced(node, name, len(axes)):
            factors = layout.merged(axes[axis])
            yield not factors or (len(factors) == 1 and factors[0].stride == 1)


def _reduced(node: Node, name: str, axes: int) -> Iterator[int]:
    """The axes of a value that a node reduces over."""
    a = node.arguments
    if node.op in LINEAR and a[LINEAR[node.op]] == Ref(name):
        yield axes - 1
    elif node.op == MATMUL:
        if a["a"] == Ref(name):
            yield axes - 1
        if a["b"] == Ref(name):
            yield axes - 2
    elif node.op in (NORM, SOFTMAX):
        yield axes - 1
