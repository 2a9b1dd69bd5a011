"""Which of a node's intermediates are proven to fit an int32 (the bound of validity, with the ranges at hand)."""

from __future__ import annotations

from prover.kernels.fused.graph import Node

INT32_MAX = (1 << 31) - 1


def bounds(node: Node) -> tuple[int, bool]:
    """The largest magnitude of the accumulator and its partial sums, and whether the finish needs int64."""
    operator = node.lean
    mags = [held.magnitude for held in node.ranges]
    if node.name in ("dot", "mul"):
        largest = operator.terms * mags[0] * mags[1]
    elif node.name in ("min", "max"):
        largest = max(mags[0], mags[1])
    else:
        largest = mags[0] + (node.name == "reduce_absmax")  # its negative, too
    if len(mags) < 4:
        return largest, False
    half = 1 << (operator.shift - 1) if operator.shift else 0
    total = largest * mags[2] + (mags[3] << operator.lift) + half
    return largest, max(largest, total) > INT32_MAX or operator.lift > 31 or node.name == "div"
