"""BLAKE3 on chain against the stock library and the Python tree, for every class of length."""

from __future__ import annotations

import random

import pytest
from blake3 import blake3

from prover import blake3_tree, merkle
from prover.blake3_tree import CHUNK, ChunkTree, chunk_bytes
from tests.contracts.machine import machine

HARNESS, PLAIN = machine("Harness"), machine("Plain")
MOST_GAS_OF_A_BLOCK = 4_500


def data(length: int) -> bytes:
    return random.Random(length).randbytes(length)


@pytest.mark.parametrize("length", [0, 1, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129, 500, 960, 1022, 1023, 1024])
def test_one_chunk_is_the_library_digest(length: int) -> None:
    assert HARNESS.call("chunkValue", data(length), 0, True) == blake3(data(length)).digest()


@pytest.mark.parametrize("fill", [0x00, 0xFF, 0x80])
def test_extreme_bytes(fill: int) -> None:
    """All-ones words make the sums in the lanes as large as they get."""
    whole = bytes([fill]) * CHUNK
    assert HARNESS.call("chunkValue", whole, 0, True) == blake3(whole).digest()
    ones = b"\xff" * 32
    assert HARNESS.call("parent", ones, ones, False) == blake3_tree.parent(ones, ones)


@pytest.mark.parametrize("counter", [0, 1, 255, 1 << 22, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
def test_chunk_numbers(counter: int) -> None:
    value = HARNESS.call("chunkValue", data(100), counter, False)
    assert value == blake3_tree.chunk_value(data(100), counter, root=False)


@pytest.mark.parametrize("seed", range(8))
def test_the_assembly_agrees_with_the_plain_version(seed: int) -> None:
    """On chunks of any length, counter and root flag, and on parents."""
    rng = random.Random(seed)
    for _ in range(12):
        filled = rng.choice([rng.randbytes, bytes, lambda n: b"\xff" * n])
        chunk = filled(rng.choice([64, rng.randrange(1025)]))
        case = chunk, rng.choice([0, rng.randrange(1 << 64)]), rng.random() < 0.5
        assert HARNESS.call("chunkValue", *case) == PLAIN.call("chunkValue", *case)
        nodes = rng.randbytes(32), rng.randbytes(32), rng.random() < 0.5
        assert HARNESS.call("parent", *nodes) == PLAIN.call("parent", *nodes)


@pytest.mark.parametrize("chunks", [1, *range(2, 18), 31, 32, 33, 63, 64, 65, 70])
def test_every_path_of_every_tree(chunks: int) -> None:
    whole = data(CHUNK * (chunks - 1) + 1 + 37 * chunks % CHUNK)
    tree = ChunkTree(whole)
    assert tree.count == chunks
    root = blake3(whole).digest()
    for index in range(chunks):
        assert HARNESS.call("chunkProves", root, chunk_bytes(whole, index), chunks, index, tree.path(index))
    index = chunks // 2
    path, chunk = tree.path(index), chunk_bytes(whole, index)
    refused = [
        (root, chunk, chunks, index, [*path, bytes(32)]),
        (root, chunk, chunks, chunks, path),
        (root, chunk[:-1], chunks, index, path),
        (root, chunk + b"\0", chunks, index, path),
        (root[::-1], chunk, chunks, index, path),
    ]
    if chunks > 1:
        refused += [
            (root, chunk, chunks, index, path[:-1]),
            (root, chunk, chunks, (index + 1) % chunks, path),
            (root, chunk_bytes(whole, index - 1), chunks, index, path),
        ]
    for case in refused:
        assert not HARNESS.call("chunkProves", *case)


@pytest.mark.parametrize("chunks", [*range(2, 40), 64, 65, 100])
def test_frontiers_fold_to_the_node(chunks: int) -> None:
    whole = data(CHUNK * chunks - 5)
    tree = ChunkTree(whole)
    assert HARNESS.call("foldTensor", chunks, tree.frontier(0, chunks), True) == blake3(whole).digest()
    p = merkle.split(chunks)
    for start, count in ((0, p), (p, chunks - p)):
        if count > 1:
            node = HARNESS.call("foldTensor", count, tree.frontier(start, count), False)
            assert node == tree.subtree(start, count)


def test_what_was_in_memory_is_still_there() -> None:
    """The compression borrows a fixed workbench; a function that holds other memory must not notice."""
    roots = [data(32), data(32)[::-1]]
    before, value, after = HARNESS.call("hashAround", data(700), roots)
    assert value == blake3(data(700)).digest()
    assert before == after == merkle.root(roots)


def test_gas_of_a_block() -> None:
    HARNESS.call("chunkValue", data(64), 0, False)
    one = HARNESS.gas
    HARNESS.call("chunkValue", data(CHUNK), 0, False)
    assert (HARNESS.gas - one) / 15 < MOST_GAS_OF_A_BLOCK
