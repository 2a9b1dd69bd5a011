"""BLAKE3 as a Merkle tree: tensor roots, chunk and parent chaining values, paths (protocol, section 2.2).

The root of whole bytes comes from the stock library. Chaining values inside the tree are needed only in a
dispute; they are computed here by a compression function vectorised over chunks with numpy
(BLAKE3 paper, sections 2.1 to 2.5).
"""

from __future__ import annotations

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from prover import merkle
from prover.program import TensorRoot

CHUNK = 1024
_BLOCK = 64
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8

_IV = np.array(
    (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19),
    np.uint32,
)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_COLUMNS_AND_DIAGONALS = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)

Words = NDArray[np.uint32]


def tensor_root(data: bytes | memoryview) -> TensorRoot:
    """BLAKE3 of a tensor's bytes."""
    return TensorRoot(blake3(data).digest())


def chunk_count(length: int) -> int:
    """Chunks of a tensor of `length` bytes: at least one."""
    return max(1, -(-length // CHUNK))


def chunk_length(length: int, index: int) -> int:
    """Bytes of chunk `index` of a tensor of `length` bytes."""
    return min(CHUNK, length - CHUNK * index)


def chunk_bytes(data: bytes, index: int) -> bytes:
    return data[CHUNK * index : CHUNK * (index + 1)]


def _rotate(x: Words, bits: int) -> Words:
    return (x >> np.uint32(bits)) | (x << np.uint32(32 - bits))


def _compress(chaining: Words, block: Words, counter: NDArray[np.uint64], length: Words, flags: Words) -> Words:
    """The first eight output words for each row: chaining [n, 8], block [n, 16], the rest [n]."""
    n = len(block)
    state = [np.ascontiguousarray(chaining[:, i]) for i in range(8)]
    state += [np.full(n, word, np.uint32) for word in _IV[:4]]
    state += [counter.astype(np.uint32), (counter >> np.uint64(32)).astype(np.uint32), length, flags]
    words = [np.ascontiguousarray(block[:, i]) for i in range(16)]
    for _ in range(7):
        for g, (a, b, c, d) in enumerate(_COLUMNS_AND_DIAGONALS):
            for word, first, second in ((words[2 * g], 16, 12), (words[2 * g + 1], 8, 7)):
                state[a] = state[a] + state[b] + word
                state[d] = _rotate(state[d] ^ state[a], first)
                state[c] = state[c] + state[d]
                state[b] = _rotate(state[b] ^ state[c], second)
        words = [words[i] for i in _PERMUTATION]
    return np.stack([state[i] ^ state[i + 8] for i in range(8)], axis=1)


def _chunk_values(data: bytes, first: int, root: bool) -> list[bytes]:
    """Chaining values of equally long chunks that make up `data`; the first has number `first`."""
    count = chunk_count(len(data))
    size = len(data) // count
    blocks = max(1, -(-size // _BLOCK))
    padded = np.zeros((count, blocks * _BLOCK), np.uint8)
    padded[:, :size] = np.frombuffer(data, np.uint8).reshape(count, size)
    words = padded.view("<u4").reshape(count, blocks, 16)
    chaining = np.broadcast_to(_IV, (count, 8))
    counter = np.arange(first, first + count, dtype=np.uint64)
    for block in range(blocks):
        flags = _CHUNK_START * (block == 0)
        length = _BLOCK
        if block == blocks - 1:
            flags |= _CHUNK_END | _ROOT * root
            length = size - _BLOCK * block
        rows = np.full(count, length, np.uint32), np.full(count, flags, np.uint32)
        chaining = _compress(chaining, words[:, block], counter, *rows)
    return [row.astype("<u4").tobytes() for row in chaining]


def chunk_value(data: bytes, index: int, root: bool) -> bytes:
    """Chaining value of one chunk of at most 1,024 bytes; `root` when its tensor has no other."""
    if len(data) > CHUNK:
        raise ValueError(f"a chunk has at most {CHUNK} bytes, not {len(data)}")
    return _chunk_values(data, index, root)[0]


def chunk_values(data: bytes) -> list[bytes]:
    """Chaining values of all chunks of a tensor."""
    count = chunk_count(len(data))
    if count == 1:
        return [chunk_value(data, 0, root=True)]
    whole = len(data) // CHUNK * CHUNK
    values = _chunk_values(data[:whole], 0, root=False)
    if whole < len(data):
        values.append(chunk_value(data[whole:], whole // CHUNK, root=False))
    return values


def _parents(pairs: Words, flags: int) -> Words:
    """Chaining values [n, 8] of n parents, each from its two children side by side [n, 16]."""
    n = len(pairs)
    lengths, flag_words = np.full(n, _BLOCK, np.uint32), np.full(n, flags, np.uint32)
    return _compress(np.broadcast_to(_IV, (n, 8)), pairs, np.zeros(n, np.uint64), lengths, flag_words)


def _pair(left: bytes, right: bytes, flags: int) -> bytes:
    return _parents(np.frombuffer(left + right, "<u4").reshape(1, 16), flags).astype("<u4").tobytes()


def parent(left: bytes, right: bytes) -> bytes:
    """Chaining value of an inner parent."""
    return _pair(left, right, _PARENT)


def root_parent(left: bytes, right: bytes) -> bytes:
    """The root of a tensor of more than one chunk, from its two children."""
    return _pair(left, right, _PARENT | _ROOT)


class ChunkTree:
    """The BLAKE3 tree of one tensor, kept to open nodes and paths of it.

    `levels[k][j]` is the node over chunks j * 2^k and up to 2^k - 1 more; a node without a sibling is carried
    to the level above, which gives the same tree as splitting at the largest power of two.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.values = chunk_values(data)
        levels: list[Words] = [np.frombuffer(b"".join(self.values), "<u4").reshape(-1, 8)]
        while len(levels[-1]) > 2:
            below = levels[-1]
            even = len(below) // 2 * 2
            levels.append(np.concatenate([_parents(below[:even].reshape(-1, 16), _PARENT), below[even:]]))
        self._levels = levels

    @property
    def count(self) -> int:
        return len(self.values)

    def subtree(self, start: int, count: int) -> bytes:
        """Hash of the node over chunks start .. start+count-1."""
        if count == self.count:
            return tensor_root(self.data)
        level = (count - 1).bit_length()
        node: Words = self._levels[level][start >> level]
        return node.astype("<u4").tobytes()

    def frontier(self, start: int, count: int) -> list[bytes]:
        """The opened nodes four levels below the node over chunks start .. start+count-1."""
        return [self.subtree(start + first, size) for first, size in merkle.frontier(count)]

    def path(self, index: int) -> list[bytes]:
        """Siblings of chunk `index`, from the chunk upwards."""
        siblings = []
        for level in self._levels:
            if len(level) > 1 and index ^ 1 < len(level):
                siblings.append(level[index ^ 1].astype("<u4").tobytes())
            index >>= 1
        return siblings


def climb(value: bytes, count: int, index: int, siblings: list[bytes]) -> bytes | None:
    """The tensor root that a chunk's chaining value and path lead to; None if the path has the wrong length."""
    if count == 1:
        return value if index == 0 and not siblings else None
    if not siblings or not 0 <= index < count:
        return None
    *inner, last = siblings
    half = merkle.split(count)
    left = index < half
    size, at = (half, index) if left else (count - half, index - half)
    child = merkle.climb(value, size, at, inner, parent)
    if child is None:
        return None
    return root_parent(child, last) if left else root_parent(last, child)
