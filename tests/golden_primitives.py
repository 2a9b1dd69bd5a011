"""Golden vectors of what contracts compute: hashes, trees, scalar functions, rows, and whole steps.

Numbers are decimal strings, since some have 64 bits and more; bytes are 0x-hex, as Solidity's readers want them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

from blake3 import blake3

from contracts import calls
from contracts.abi import Abi, artifact
from prover import blake3_tree, merkle, posted
from prover.blake3_tree import CHUNK, ChunkTree
from prover.interpreter import Interpretation
from prover.operators import TABLE
from tests.steps import DISPUTE, Steps
from tests.strategies import random_operator

Vector = dict[str, Any]
I32 = (-(1 << 31), (1 << 31) - 1)
EXTREMES = [I32[0], I32[0] + 1, -2, -1, 0, 1, 2, 3, I32[1] - 1, I32[1]]
LENGTHS = [0, 1, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129, 500, 1023, 1024]
COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 31, 33, 64, 65, 100]
STEP_SEEDS = (1, 2)


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def data(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def primitives() -> Vector:
    """Everything of `primitives.json`."""
    return {
        "chunks": list(_chunks()),
        "parents": [_parent(seed) for seed in range(6)],
        "tensors": [_tensor(count) for count in COUNTS if count > 1],
        "trees": [_tree(count) for count in COUNTS],
        "posted": [_posted(lengths) for lengths in ([1], [1024], [1025], [3, 5000, 1], [2048] * 8)],
        "scalars": list(_scalars(random.Random(0))),
    }


def _chunks() -> Iterator[Vector]:
    """As the stock library has them when alone, and as chunks of a longer tensor."""
    for length in LENGTHS:
        whole = data(length)
        yield {"counter": "0", "data": hexed(whole), "root": True, "value": hexed(blake3(whole).digest())}
        counter = random.Random(-length).randrange(1 << 64)
        value = blake3_tree.chunk_value(whole, counter, root=False)
        yield {"counter": str(counter), "data": hexed(whole), "root": False, "value": hexed(value)}


def _parent(seed: int) -> Vector:
    left, right = data(1000 + seed)[:32], data(2000 + seed)[:32]
    make = blake3_tree.root_parent if seed % 2 else blake3_tree.parent
    return {"left": hexed(left), "right": hexed(right), "root": bool(seed % 2), "value": hexed(make(left, right))}


def _tensor(count: int) -> Vector:
    """The frontier of a whole tensor, and one of its chunks with its path."""
    whole = data(CHUNK * (count - 1) + 1 + 37 * count % CHUNK)
    tree, index = ChunkTree(whole), count // 2
    return {
        "chunk": hexed(blake3_tree.chunk_bytes(whole, index)),
        "count": str(count),
        "frontier": [hexed(node) for node in tree.frontier(0, count)],
        "index": str(index),
        "path": [hexed(node) for node in tree.path(index)],
        "root": hexed(blake3(whole).digest()),
    }


def _tree(count: int) -> Vector:
    """A keccak tree over 32-byte items: its root, its frontier and one path."""
    items = [data(10_000 + 100 * count + i)[:32] for i in range(count)]
    leaves, index = [merkle.leaf(item) for item in items], count // 3
    parts = merkle.frontier(count)
    return {
        "count": str(count),
        "firsts": [str(first) for first, _ in parts],
        "frontier": [hexed(merkle.fold(leaves[first : first + size])) for first, size in parts],
        "index": str(index),
        "items": [hexed(item) for item in items],
        "path": [hexed(node) for node in merkle.path(leaves, index)],
        "root": hexed(merkle.root(items)),
        "sizes": [str(size) for _, size in parts],
    }


def _posted(lengths: list[int]) -> Vector:
    tensors = [data(length) for length in lengths]
    return {"commitment": hexed(posted.commitment(tensors)), "tensors": [hexed(tensor) for tensor in tensors]}


def _scalars(rng: random.Random) -> Iterator[Vector]:
    """Operands and results of each scalar function; one that does not apply is 0."""

    def i32() -> int:
        return rng.choice(EXTREMES) if rng.random() < 0.4 else rng.randint(*I32)

    for _ in range(60):
        a, b, m, c = rng.choice([i32(), rng.randint(-(1 << 63), 1 << 63)]), i32(), i32(), i32()
        s, t = rng.choice([0, 1, 62, rng.randint(0, 62)]), rng.choice([0, 62, rng.randint(0, 62)])
        half = 1 << (s - 1) if s else 0
        given = {"a": str(a), "b": str(b), "c": str(c), "m": str(m), "s": str(s), "t": str(t)}
        yield {"name": "rescale", **given, "value": str((a * m + (c << t) + half) >> s)}
        n, d = a * m + (c << t), max(b, 1)
        yield {"name": "divide", **given, "value": str((2 * n + d) // (2 * d))}
        x, zeros = max(b, 1), dict.fromkeys("abcmst", "0")
        yield {"name": "recip", **zeros, "a": str(b), "s": str(s), "value": str(((1 << s) + x // 2) // x)}
        root = math.isqrt((1 << s // 2 * 2) // x)
        yield {"name": "rsqrt", **zeros, "a": str(b), "s": str(s // 2), "value": str(root)}
        yield {"name": "isqrt", **zeros, "a": str(a), "value": str(math.isqrt(max(a, 0)))}


def steps() -> list[Vector]:
    """Everything of `steps.json`: a step of each operator as calldata of the referee, which agrees; `value` and
    `index` are what the specification computes."""
    referee = Abi(artifact("Referee").abi)
    result = []
    for name in TABLE:
        for seed in STEP_SEEDS:
            program, weights, inputs = random_operator(seed, name)
            made = Steps(Interpretation(program, weights, tuple(inputs)))
            position, step = made.at(made.draw(0, 0, random.Random(seed)))
            call = calls.answer(DISPUTE, position, step)
            encoded = referee.encode_call(call.function, call.arguments)
            result.append(
                {
                    "call": hexed(encoded),
                    "index": str(position.index),
                    "name": name,
                    "value": str(position.value),
                }
            )
    return result
