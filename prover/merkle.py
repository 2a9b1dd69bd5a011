"""Keccak trees without padding: roots, inclusion paths and frontiers (protocol, section 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sha3 import keccak_256

Hash = bytes
Node = Callable[[Hash, Hash], Hash]

MAX_DEPTH = 6
"""Most splits below a node that one opening shows."""
CLAIM_DEPTH = 3
"""Splits below the trace root that a claim shows."""


def keccak(*parts: bytes) -> Hash:
    """Keccak-256 of the concatenation of `parts`."""
    return bytes(keccak_256(b"".join(parts)).digest())


def leaf(item: bytes) -> Hash:
    return keccak(b"\x00", item)


def node(left: Hash, right: Hash) -> Hash:
    return keccak(b"\x01", left, right)


def split(count: int) -> int:
    """Leaves on the left of a node over `count` > 1 leaves: the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def fold(leaves: Sequence[Hash], combine: Node = node) -> Hash:
    """Root of a tree whose leaf hashes are given."""
    if len(leaves) == 1:
        return leaves[0]
    p = split(len(leaves))
    return combine(fold(leaves[:p], combine), fold(leaves[p:], combine))


def root(items: Sequence[bytes]) -> Hash:
    """Root of the tree over `items`, at least one."""
    return fold([leaf(item) for item in items])


def path(leaves: Sequence[Hash], index: int, combine: Node = node) -> list[Hash]:
    """Siblings of leaf `index`, from the leaf upwards."""
    if len(leaves) == 1:
        return []
    p = split(len(leaves))
    if index < p:
        return [*path(leaves[:p], index, combine), fold(leaves[p:], combine)]
    return [*path(leaves[p:], index - p, combine), fold(leaves[:p], combine)]


def sides(count: int, index: int) -> list[bool]:
    """For each sibling of a path, from the leaf upwards, whether it stands on the left."""
    if count == 1:
        return []
    p = split(count)
    return [*sides(p, index), False] if index < p else [*sides(count - p, index - p), True]


def climb(start: Hash, count: int, index: int, siblings: Sequence[Hash], combine: Node = node) -> Hash | None:
    """The root that a path leads to, or None if the path has the wrong length or the index is outside."""
    if not 0 <= index < count:
        return None
    lefts = sides(count, index)
    if len(lefts) != len(siblings):
        return None
    for left, sibling in zip(lefts, siblings, strict=True):
        start = combine(sibling, start) if left else combine(start, sibling)
    return start


def frontier_depth(count: int) -> int:
    """Splits below a node over `count` leaves that one opening shows.

    As few openings as MAX_DEPTH allows lead to a leaf, and they are as equal as possible.
    """
    levels = (count - 1).bit_length()
    openings = -(-levels // MAX_DEPTH)
    return -(-levels // openings) if levels else 0


def frontier(count: int, depth: int | None = None) -> list[tuple[int, int]]:
    """(first leaf, number of leaves) of the subtrees reached after at most `depth` splits, left to right.

    `depth` is that of one opening unless it is given.
    """
    if depth is None:
        depth = frontier_depth(count)
    if count == 1 or depth == 0:
        return [(0, count)]
    p = split(count)
    right = [(first + p, size) for first, size in frontier(count - p, depth - 1)]
    return frontier(p, depth - 1) + right


def fold_frontier(count: int, hashes: Sequence[Hash], combine: Node = node, top: Node | None = None) -> Hash | None:
    """The hash of a node of `count` leaves from its opened frontier; None if their number is wrong.

    `top` combines the two children of the node itself, where it differs (the root of a BLAKE3 tree).
    """
    if len(hashes) != len(frontier(count)):
        return None
    rest = iter(hashes)

    def walk(size: int, depth: int) -> Hash:
        if size == 1 or depth == 0:
            return next(rest)
        p = split(size)
        join = top if top is not None and size == count else combine
        return join(walk(p, depth - 1), walk(size - p, depth - 1))

    return walk(count, frontier_depth(count))
