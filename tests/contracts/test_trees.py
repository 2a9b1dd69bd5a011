"""Keccak trees on chain against a ten-line reference: roots, paths, frontiers, posted tensors."""

from __future__ import annotations

import pytest
from eth_utils import keccak

from prover import merkle, posted
from tests.contracts.machine import machine

HARNESS = machine("Harness")
SIZES = [*range(1, 35), 63, 64, 65, 127, 128, 129, 200]


def reference(leaves: list[bytes]) -> bytes:
    """Section 2.1, read aloud."""
    if len(leaves) == 1:
        return leaves[0]
    p = 1
    while 2 * p < len(leaves):
        p *= 2
    return keccak(b"\x01" + reference(leaves[:p]) + reference(leaves[p:]))


def items(count: int) -> list[bytes]:
    return [keccak(count.to_bytes(4, "big") + i.to_bytes(4, "big")) for i in range(count)]


def leaves_of(count: int) -> list[bytes]:
    return [keccak(b"\x00" + item) for item in items(count)]


@pytest.mark.parametrize("count", SIZES)
def test_roots_and_all_paths(count: int) -> None:
    leaves = leaves_of(count)
    root = reference(leaves)
    assert HARNESS.call("rootOf", items(count)) == root
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index)
        assert HARNESS.call("proves", root, leaf, count, index, path)
        assert not HARNESS.call("proves", root, leaf, count, index, [*path, root])
        assert not HARNESS.call("proves", root, leaf, count, index + count, path)
        if count > 1:
            assert not HARNESS.call("proves", root, leaf, count, index, path[1:])
            assert not HARNESS.call("proves", root, leaves[index - 1], count, index, path)


def test_no_index_and_no_empty_tree() -> None:
    assert not HARNESS.call("proves", bytes(32), bytes(32), 0, 0, [])
    assert not HARNESS.call("proves", bytes(32), bytes(32), 1, (1 << 256) - 1, [])


@pytest.mark.parametrize("count", SIZES)
def test_frontiers(count: int) -> None:
    parts = merkle.frontier(count)
    assert HARNESS.call("frontierSize", count) == len(parts)
    assert [HARNESS.call("frontierChild", count, child) for child in range(len(parts))] == parts
    leaves = leaves_of(count)
    nodes = [reference(leaves[first : first + size]) for first, size in parts]
    assert HARNESS.call("foldTrace", count, nodes) == reference(leaves)


@pytest.mark.parametrize("count", [4096, 4095, 4097, 1 << 22, (1 << 22) - 1, (1 << 22) + 1, 3_000_001])
def test_frontiers_of_large_trees(count: int) -> None:
    parts = merkle.frontier(count)
    assert HARNESS.call("frontierSize", count) == len(parts)
    assert [HARNESS.call("frontierChild", count, child) for child in range(len(parts))] == parts


@pytest.mark.parametrize("lengths", [[1], [1024], [1025], [3, 5000, 1], [2048] * 8, [40_000]])
def test_posted_tensors(lengths: list[int]) -> None:
    tensors = [bytes(i % 251 for i in range(length)) for length in lengths]
    assert HARNESS.call("commitment", tensors) == posted.commitment(tensors)
    chunks = [tensors[0][i : i + 1024] for i in range(0, len(tensors[0]), 1024)]
    root = reference([keccak(b"\x00" + chunk) for chunk in chunks])
    assert posted.posted(tensors)[:40] == lengths[0].to_bytes(8, "big") + root
