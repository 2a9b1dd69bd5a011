"""Reshape and permute: other axes over the same stored tensor, a copy only where an axis would be cut."""

from __future__ import annotations

from dataclasses import replace

from prover.compiler import layout
from prover.compiler.builder import Activation
from prover.compiler.graph import Node
from prover.compiler.lowering import Lowering


def reshape(state: Lowering, node: Node) -> Activation:
    """The same elements in row-major order over the node's shape."""
    value = state.activation(node, "self")
    axes = layout.reshaped(value.axes, node.shape)
    if axes is None:
        value = state.copied(value)
        axes = layout.dense(node.shape)
    return replace(value, axes=axes)


def permute(state: Lowering, node: Node) -> Activation:
    value = state.activation(node, "self")
    return replace(value, axes=tuple(value.axes[axis] for axis in node.arguments["dims"]))


def same(state: Lowering, node: Node) -> Activation:
    return state.activation(node, "self")
