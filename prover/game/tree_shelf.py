"""The chunk trees of the tensors that a player opened last: making one hashes the whole tensor."""

from __future__ import annotations

from collections.abc import Callable

from prover.blake3_tree import ChunkTree
from prover.program import TensorRef
from prover.trace import Array, tensor_bytes

TreeKey = TensorRef | tuple[int, int]
"""A tensor of one execution: a weight, a checkpoint, or (layer, operator)."""

MOST_BYTES = 1 << 30
"""Bytes of tensors whose trees are kept besides the last one's."""


class TreeShelf:
    """Trees by tensor; the one that was not asked for the longest is given up first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._trees: dict[TreeKey, ChunkTree] = {}

    def get(self, key: TreeKey, tensor: Callable[[], Array]) -> ChunkTree:
        """The tree of a tensor, made if it is not there."""
        tree = self._trees.pop(key, None) or ChunkTree(tensor_bytes(tensor()))
        self._trees[key] = tree
        while len(self._trees) > 1 and sum(len(kept.data) for kept in self._trees.values()) > self._most_bytes:
            del self._trees[next(iter(self._trees))]
        return tree
