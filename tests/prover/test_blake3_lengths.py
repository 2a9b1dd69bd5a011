"""BLAKE3 trees against the library at every length around a block or a chunk, and at long random ones."""

from __future__ import annotations

import random

import pytest
from blake3 import blake3

from prover import blake3_tree, merkle

MAX_LENGTH = 3100
EDGES = sorted({max(0, block + shift) for block in range(0, MAX_LENGTH, 64) for shift in (-1, 0, 1)})
BYTES = random.Random(3).randbytes(MAX_LENGTH)


def nodes_below(start: int, count: int) -> list[tuple[int, int]]:
    """Every node over chunks start .. start+count-1, as (first chunk, chunks), root first."""
    if count == 1:
        return [(start, 1)]
    p = merkle.split(count)
    return [(start, count), *nodes_below(start, p), *nodes_below(start + p, count - p)]


def chunk_climbs(tree: blake3_tree.ChunkTree, index: int, root: bytes) -> bool:
    """Whether a chunk's value and path lead to the root, and do not at its neighbour's place."""
    value, path = tree.values[index], tree.path(index)
    neighbour = blake3_tree.climb(value, tree.count, index ^ 1, path)
    return blake3_tree.climb(value, tree.count, index, path) == root and neighbour != root


def value_of_chunk(tree: blake3_tree.ChunkTree, index: int) -> bytes:
    """From the bytes of the chunk alone, as an opening is checked."""
    return blake3_tree.chunk_value(blake3_tree.chunk_bytes(tree.data, index), index, root=tree.count == 1)


@pytest.mark.parametrize("first", range(0, len(EDGES), 25))
def test_every_length_around_a_block_has_the_librarys_root(first: int) -> None:
    for length in EDGES[first : first + 25]:
        data = BYTES[:length]
        root = blake3(data).digest()
        tree = blake3_tree.ChunkTree(data)
        assert blake3_tree.tensor_root(data) == blake3_tree.tensor_root(memoryview(data)) == root
        assert tree.count == blake3_tree.chunk_count(length)
        assert sum(blake3_tree.chunk_length(length, index) for index in range(tree.count)) == length
        assert value_of_chunk(tree, tree.count - 1) == tree.values[-1]
        assert all(chunk_climbs(tree, index, root) for index in range(tree.count)), length


LONG = [random.Random(seed).randrange(MAX_LENGTH, 1 << 20) for seed in range(6)] + [1 << 20, (1 << 20) - 1, 513 << 10]


@pytest.mark.parametrize("length", LONG)
def test_long_tensors_open_at_any_chunk_and_split_at_any_node(length: int) -> None:
    drawn = random.Random(length)
    tree = blake3_tree.ChunkTree(drawn.randbytes(length))
    root = blake3(tree.data).digest()
    chunks = {0, tree.count - 1, *drawn.sample(range(tree.count), 3)}
    assert all(value_of_chunk(tree, index) == tree.values[index] for index in chunks)
    assert all(chunk_climbs(tree, index, root) for index in chunks)
    nodes = nodes_below(0, tree.count)
    for start, count in [nodes[0], *drawn.sample(nodes, 20)]:
        top = blake3_tree.root_parent if count == tree.count else blake3_tree.parent
        opened = tree.frontier(start, count)
        node = tree.subtree(start, count)
        if count > 1:
            assert merkle.fold_frontier(count, opened, blake3_tree.parent, top) == node
            assert merkle.fold_frontier(count, opened[::-1], blake3_tree.parent, top) != node
        else:
            assert opened == [node] == [tree.values[start]]
