"""Operand openings and how they are checked (protocol, section 7.4), and what a player has committed to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prover import blake3_tree, merkle, operators, posted
from prover.blake3_tree import CHUNK
from prover.errors import IllegalMove
from prover.game.moves import EMPTY, Opening
from prover.game.position import Ground, Phase, Position
from prover.operators import Partial
from prover.program import CheckpointRef, InputRef, Operator, ResultRef, View, WeightRef
from prover.trace import Execution
from prover.views import term_bounds


class OpenedOperands:
    """Reads operand elements from openings, checking each opening when it is first read.

    All elements of one operand must lie in one chunk; the first read says which.
    """

    def __init__(self, position: Position, operator: Operator, openings: Sequence[Opening], count: int) -> None:
        """`count`: how many operands, from the first, are to be opened."""
        if len(openings) != count:
            raise IllegalMove("WrongOpeningCount", f"{len(openings)} for {count} operands")
        self._position = position
        self._operator = operator
        self._openings = openings
        self._chunks: dict[int, int] = {}

    def read(self, slot: int, address: int) -> int:
        """Element `address` of operand `slot`."""
        view = self._operator.operands[slot]
        assert isinstance(view, View)
        size = view.dtype.size
        chunk = address * size // CHUNK
        if slot not in self._chunks:
            shown = slot == SHOWN and self._position.node != bytes(32)
            check_opening(self._position, view, self._openings[slot], chunk, shown)
            self._chunks[slot] = chunk
        assert self._chunks[slot] == chunk, "a range that is not wide lies in one chunk of each operand"
        at = address * size % CHUNK
        return int.from_bytes(self._openings[slot].chunk[at : at + size], "little", signed=True)

    def finish(self) -> None:
        """Refuse openings that were not read."""
        for slot, opening in enumerate(self._openings):
            if slot not in self._chunks and opening != EMPTY:
                raise IllegalMove("UnreadOpening", f"operand {slot} is not read by this step")


def check_opening(position: Position, view: View, opening: Opening, chunk: int, shown: bool = False) -> None:
    """Raise IllegalMove unless `opening` shows chunk number `chunk` of the tensor that `view` looks at.

    `shown`: its path was, by the pick before the step.
    """
    expected = blake3_tree.chunk_length(view.nbytes, chunk)
    if len(opening.chunk) != expected:
        raise IllegalMove("WrongChunkLength", f"{len(opening.chunk)} bytes where the position has {expected}")
    root = opening.root
    match view.source:
        case InputRef(index):
            _check_input(position, view, opening, chunk, index)
            return
        case WeightRef(weight):
            root = weight
        case CheckpointRef():
            _check_checkpoint(position.ground, view.source, opening)
        case ResultRef(operator):
            top = merkle.climb(merkle.leaf(root), position.operators, operator, opening.root_path)
            if top != position.tensors_root:
                raise IllegalMove("WrongTensorPath", f"operator {operator} of the opened layer")
    count = blake3_tree.chunk_count(view.nbytes)
    value = blake3_tree.chunk_value(opening.chunk, chunk, root=count == 1)
    if shown:
        holds = merkle.node(value, root) == position.node and not opening.chunk_path
    else:
        holds = blake3_tree.climb(value, count, chunk, list(opening.chunk_path)) == root
    if not holds:
        raise IllegalMove("WrongChunkPath", f"chunk {chunk} of {count}")


SHOWN = 1
"""The operand whose path the last pick may show: b, of a dot over the weights of a layer."""


def shown_node(position: Position, operator: Operator, shown: Sequence[bytes]) -> bytes:
    """What the step compares b's chunk and root with. Whether the root is b's is for the step to say."""
    view = shown_view(operator)
    if position.phase is not Phase.STEP or view is None:
        raise IllegalMove("NothingToShow", "the range is wide, or it has no tensor b")
    value, *path = shown
    count = blake3_tree.chunk_count(view.nbytes)
    root = blake3_tree.climb(value, count, chunk_of_range(operator, view, position), path)
    if root is None:
        raise IllegalMove("WrongChunkPath", f"{len(path)} siblings of a chunk of {count}")
    return merkle.node(value, root)


def shown_view(operator: Operator) -> View | None:
    """The operand whose path may be shown; None if there is none, or if it is an input of the request."""
    view = operator.operands[SHOWN] if len(operator.operands) > SHOWN else None
    return view if isinstance(view, View) and not isinstance(view.source, InputRef) else None


def chunk_of_range(operator: Operator, view: View, position: Position) -> int:
    """The chunk in which a range lies that is not wide."""
    low, _ = term_bounds(operator, view, position.element, position.start, position.count)
    return low * view.dtype.size // CHUNK


def _check_input(position: Position, view: View, opening: Opening, chunk: int, index: int) -> None:
    if merkle.keccak(opening.posted) != position.ground.inputs:
        raise IllegalMove("WrongPostedList", "it does not hash to the request's inputs")
    entry = posted.entry(opening.posted, index)
    if entry is None or entry[0] != view.nbytes:
        raise IllegalMove("WrongInputLength", f"input {index}")
    if not posted.check_chunk(opening.chunk, chunk, *entry, opening.chunk_path):
        raise IllegalMove("WrongChunkPath", f"chunk {chunk} of input {index}")


def _check_checkpoint(ground: Ground, ref: CheckpointRef, opening: Opening) -> None:
    inner = len(merkle.sides(ref.slots, ref.slot))
    slots_root = merkle.climb(merkle.leaf(opening.root), ref.slots, ref.slot, opening.root_path[:inner])
    top = None
    if slots_root is not None:
        top = merkle.climb(merkle.leaf(slots_root), ground.layers, ref.layer, opening.root_path[inner:])
    if top != ground.trace_root:
        raise IllegalMove("WrongTensorPath", f"slot {ref.slot} of layer {ref.layer}")


TERM_OPERANDS = 2
"""Operands that a range of terms reads: a, and b of a dot."""


def opened_by_step(operator: Operator, position: Position) -> int:
    """How many operands, from the first, a step opens: m and c are no part of a partial range."""
    operands = len(operator.operands)
    whole = position.start == 0 and position.count == operator.terms
    return operands if whole else min(operands, TERM_OPERANDS)


def compute(operator: Operator, element: int, start: int, count: int, read: operators.Read) -> Partial:
    """What the step computes: the element if the range is all terms, else the partial value of the range."""
    if start == 0 and count == operator.terms:
        return Partial(operators.element(operator, element, read))
    return operators.partial(operator, element, start, count, read)


class Opened(NamedTuple):
    """One opening of a dispute so far: the position it answered and what it put on the table."""

    position: Position
    content: bytes


def hashes(content: bytes) -> tuple[bytes, ...]:
    """The 32-byte hashes that an opening put on the table."""
    return tuple(content[i : i + 32] for i in range(0, len(content), 32))


class Commitment:
    """The executor's commitment as far as one side knows it: what was opened, and what that side computed itself.

    Below the first layer, or operator, that differs both sides agree. Above it a path runs through hashes that
    only the executor knows, all of which it had to open on the way down. The executor needs no history.
    """

    def __init__(self, execution: Execution, roots: Sequence[bytes], history: Sequence[Opened] = ()) -> None:
        self._leaves = execution.trace.leaves
        self._known: dict[tuple[int, int], bytes] = {}
        self.operator_roots = tuple(roots)
        for position, content in history:
            if position.phase is Phase.TRACE_OPEN:
                nodes = hashes(content)
                # A claim's own nodes are fewer splits down than those of an opening; their number tells which they are.
                claimed = merkle.frontier(position.count, merkle.CLAIM_DEPTH)
                spans = claimed if len(claimed) == len(nodes) else merkle.frontier(position.count)
                for (first, size), node in zip(spans, nodes, strict=True):
                    self._known[position.start + first, size] = node
            elif position.phase is Phase.LAYER_OPEN:
                self.operator_roots = hashes(content)

    def _node(self, start: int, count: int) -> bytes:
        """Hash of the executor's trace node over layers start .. start+count-1."""
        if (start, count) in self._known:
            return self._known[start, count]
        if not any(start <= first and first + size <= start + count for first, size in self._known):
            return merkle.fold(self._leaves[start : start + count])
        p = merkle.split(count)
        return merkle.node(self._node(start, p), self._node(start + p, count - p))

    def trace_path(self, layer: int) -> tuple[bytes, ...]:
        """Siblings of a layer's leaf in the executor's trace, from the leaf upwards."""
        siblings: list[bytes] = []
        start, count = 0, len(self._leaves)
        while count > 1:
            p = merkle.split(count)
            if layer < start + p:
                siblings.append(self._node(start + p, count - p))
                count = p
            else:
                siblings.append(self._node(start, p))
                start, count = start + p, count - p
        return tuple(reversed(siblings))
