"""Keccak and BLAKE3 trees: every leaf of every size opens, nothing else does."""

from __future__ import annotations

import random

import pytest
from blake3 import blake3

from prover import blake3_tree, merkle, posted


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 16, 17, 31, 33, 64])
def test_every_leaf_of_a_keccak_tree_opens_and_no_other_item_does(count: int) -> None:
    items = [bytes([i]) * 32 for i in range(count)]
    leaves = [merkle.leaf(item) for item in items]
    root = merkle.root(items)
    for index in range(count):
        path = merkle.path(leaves, index)
        assert merkle.climb(leaves[index], count, index, path) == root
        assert merkle.climb(merkle.leaf(b"other"), count, index, path) != root
        assert merkle.climb(leaves[index], count, index, [*path, bytes(32)]) is None
        assert merkle.climb(leaves[index], count, (index + 1) % count, path) != root or count == 1
    assert merkle.climb(leaves[0], count, count, merkle.path(leaves, 0)) is None


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 40, 100, 257])
def test_a_frontier_folds_to_its_node_and_covers_every_leaf(count: int) -> None:
    leaves = [merkle.leaf(bytes([i % 256, i // 256])) for i in range(count)]
    spans = merkle.frontier(count)
    assert len(spans) <= 64
    assert [first + i for first, size in spans for i in range(size)] == list(range(count))
    nodes = [merkle.fold(leaves[first : first + size]) for first, size in spans]
    assert merkle.fold_frontier(count, nodes) == merkle.fold(leaves)
    assert merkle.fold_frontier(count, nodes[:-1]) is None


@pytest.mark.parametrize(("count", "openings"), [(2, 1), (64, 1), (65, 2), (4096, 2), (1 << 22, 4)])
def test_the_fewest_openings_lead_to_a_leaf(count: int, openings: int) -> None:
    """The clocks count on it: 2 for the most layers, 4 for the largest tensor."""
    made, largest = 0, 0
    while count > 1:
        spans = merkle.frontier(count)
        count, made, largest = max(size for _, size in spans), made + 1, max(largest, len(spans))
    assert (made, largest <= 64) == (openings, True)


LENGTHS = [0, 1, 63, 64, 65, 127, 128, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 5000, 17 * 1024 + 3, 70 * 1024]


@pytest.mark.parametrize("length", LENGTHS)
def test_chunk_values_climb_to_the_library_hash(length: int) -> None:
    data = random.Random(length).randbytes(length)
    tree = blake3_tree.ChunkTree(data)
    root = blake3(data).digest()
    assert tree.subtree(0, tree.count) == root
    for index in range(tree.count):
        chunk = blake3_tree.chunk_bytes(data, index)
        assert len(chunk) == blake3_tree.chunk_length(length, index)
        value = blake3_tree.chunk_value(chunk, index, root=tree.count == 1)
        assert value == tree.values[index]
        assert blake3_tree.climb(value, tree.count, index, tree.path(index)) == root
        assert blake3_tree.climb(value, tree.count, index, [*tree.path(index), root]) is None
    if tree.count > 1:
        nodes = tree.frontier(0, tree.count)
        assert merkle.fold_frontier(tree.count, nodes, blake3_tree.parent, blake3_tree.root_parent) == root
        assert merkle.fold_frontier(tree.count, nodes, blake3_tree.parent) != root


def test_a_chunk_does_not_open_at_another_place() -> None:
    data = bytes(4 * 1024)
    tree = blake3_tree.ChunkTree(data)
    assert tree.values[0] != tree.values[1], "equal chunks have different values: the counter is part of them"
    assert blake3_tree.climb(tree.values[0], tree.count, 1, tree.path(1)) != blake3_tree.tensor_root(data)


@pytest.mark.parametrize("length", [0, 1, 1024, 1025, 4096, 5000])
def test_every_chunk_of_a_posted_tensor_opens(length: int) -> None:
    data = random.Random(length).randbytes(length)
    entry = posted.entry(posted.posted([b"first", data]), 1)
    assert entry is not None
    assert entry[0] == length
    leaves = posted.chunk_leaves(data)
    for index in range(len(leaves)):
        chunk = blake3_tree.chunk_bytes(data, index)
        path = merkle.path(leaves, index)
        assert posted.check_chunk(chunk, index, *entry, path)
        assert not posted.check_chunk(chunk + b"\0", index, *entry, path)
        assert not posted.check_chunk(bytes(len(chunk)) or b"\1", index, *entry, path) or chunk == bytes(len(chunk))
    assert posted.entry(posted.posted([data]), 1) is None
