"""BLAKE3 on chain against the stock library: every length up to 5,000 bytes, and random ones up to 1 MiB."""

from __future__ import annotations

import random
from functools import cache

import pytest
from blake3 import blake3

from prover import merkle
from prover.blake3_tree import CHUNK, chunk_bytes, chunk_count
from tests.contracts.machine import machine

HARNESS = machine("Harness")
MOST = 5_000
MIB = 1 << 20
BYTES = random.Random(5).randbytes(MIB)
LONG = [*(random.Random(6).randint(MOST, MIB) for _ in range(6)), MIB - 1, MIB]


@cache
def chunk_value(chunk: bytes, number: int, root: bool) -> bytes:
    value: bytes = HARNESS.call("chunkValue", chunk, number, root)
    return value


@cache
def parent(left: bytes, right: bytes, root: bool) -> bytes:
    value: bytes = HARNESS.call("parent", left, right, root)
    return value


def digest_on_chain(data: bytes) -> bytes:
    """The root of the tree of section 2.2, every chunk and parent of it computed by the contract."""
    chunks = chunk_count(len(data))

    def subtree(start: int, count: int) -> bytes:
        if count == 1:
            return chunk_value(chunk_bytes(data, start), start, chunks == 1)
        p = merkle.split(count)
        return parent(subtree(start, p), subtree(start + p, count - p), count == chunks)

    return subtree(0, chunks)


@pytest.mark.parametrize("first", range(0, MOST + 1, 500))
def test_every_length(first: int) -> None:
    for length in range(first, min(first + 500, MOST + 1)):
        assert digest_on_chain(BYTES[:length]) == blake3(BYTES[:length]).digest(), length


@pytest.mark.parametrize("length", LONG)
def test_long_ones(length: int) -> None:
    """Of different bytes than any prefix."""
    data = random.Random(length).randbytes(length)
    assert chunk_count(length) == -(-length // CHUNK)
    assert digest_on_chain(data) == blake3(data).digest()
