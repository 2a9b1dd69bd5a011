"""Tensors posted in a transaction: their commitment and the openings of their chunks (protocol, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from prover import merkle
from prover.blake3_tree import CHUNK, chunk_count, chunk_length

ENTRY = 40
"""Bytes per tensor in the posted list: u64 length, 32-byte root."""


def chunk_leaves(data: bytes) -> list[bytes]:
    """Leaf hashes of a posted tensor's keccak tree."""
    return [merkle.leaf(data[CHUNK * i : CHUNK * (i + 1)]) for i in range(chunk_count(len(data)))]


def posted(tensors: Sequence[bytes]) -> bytes:
    """The list of (length, root) of posted tensors, 40 bytes each."""
    return b"".join(len(t).to_bytes(8, "big") + merkle.fold(chunk_leaves(t)) for t in tensors)


def commitment(tensors: Sequence[bytes]) -> bytes:
    """keccak of the posted list."""
    return merkle.keccak(posted(tensors))


def entry(posted_list: bytes, index: int) -> tuple[int, bytes] | None:
    """(length, root) of tensor `index` in a posted list; None if there is none."""
    part = posted_list[ENTRY * index : ENTRY * (index + 1)]
    return (int.from_bytes(part[:8], "big"), part[8:]) if len(part) == ENTRY else None


def check_chunk(chunk: bytes, index: int, length: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `chunk` is chunk number `index` of a posted tensor of `length` bytes under `root`."""
    count = chunk_count(length)
    if not 0 <= index < count or len(chunk) != chunk_length(length, index):
        return False
    return merkle.climb(merkle.leaf(chunk), count, index, path) == root
