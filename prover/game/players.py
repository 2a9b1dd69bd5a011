"""What an honest side does next: pure functions from a position and one's own execution to a move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from prover import encoding, merkle, operators
from prover.blake3_tree import CHUNK, ChunkTree
from prover.game import refutations, rules, terms
from prover.game.moves import (
    Move,
    OpenChunk,
    OpenLayer,
    OpenTensor,
    OpenTerms,
    OpenTrace,
    PickElement,
    PickOperator,
    PickTensor,
    PickTerms,
    PickTrace,
    RefuteChunk,
    RefuteFactor,
    RefuteNodes,
    Step,
)
from prover.game.openings import Commitment, Opened, compute, hashes
from prover.game.operand_source import OperandSource
from prover.game.partials import partials
from prover.game.position import Phase, Position
from prover.game.tree_shelf import TreeShelf
from prover.operators import Partial
from prover.program import Layer, Operator
from prover.trace import Array, Execution, array_root
from prover.views import coordinates

KEPT_LAYERS = 4
"""Layers whose results are kept: disputes of one claim may be about several."""
KEPT_MOVES = 64

Key = TypeVar("Key")
Value = TypeVar("Value")


def _kept(known: dict[Key, Value], key: Key, most: int, make: Callable[[], Value]) -> Value:
    """A value that is made once; the oldest of more than `most` is forgotten."""
    if key not in known:
        known[key] = make()
        if len(known) > most:
            del known[next(iter(known))]
    return known[key]


class NothingDiffers(Exception):
    """The challenger's own run agrees with all that was opened: there is nothing to pick."""


@dataclass
class Player:
    """One side's view of a dispute: its own execution, re-run operator by operator in the disputed layer."""

    execution: Execution

    def __post_init__(self) -> None:
        self._results: dict[int, Sequence[Array]] = {}
        self._roots: dict[int, tuple[bytes, ...]] = {}
        self._trees = TreeShelf()
        self._moves: dict[Position, Move] = {}

    def results(self, layer: int) -> Sequence[Array]:
        """Results of every operator of a layer; kept for a few layers, since several moves need them."""
        return _kept(self._results, layer, KEPT_LAYERS, lambda: self.execution.results(layer))

    def roots(self, layer: int) -> tuple[bytes, ...]:
        return _kept(self._roots, layer, KEPT_LAYERS, lambda: tuple(map(array_root, self.results(layer))))

    def once(self, position: Position, make: Callable[[], Move]) -> Move:
        """The move made for a position before, or a new one: an agent asks again until its move is mined.

        A position commits by hash to all that was opened, so there is one move for it.
        """
        return _kept(self._moves, position, KEPT_MOVES, make)

    def tree(self, position: Position) -> ChunkTree:
        """The chunk tree of the tensor in dispute."""
        key = position.layer, position.operator
        return self._trees.get(key, lambda: self.results(position.layer)[position.operator])

    def trace_nodes(self, position: Position) -> tuple[bytes, ...]:
        leaves = self.execution.trace.leaves
        spans = [(position.start + first, size) for first, size in merkle.frontier(position.count)]
        return tuple(merkle.fold(leaves[first : first + size]) for first, size in spans)

    def tensor_nodes(self, position: Position) -> tuple[bytes, ...]:
        return tuple(self.tree(position).frontier(position.start, position.count))

    def chunk(self, position: Position) -> bytes:
        data = self.tree(position).data
        return data[CHUNK * position.start : CHUNK * (position.start + 1)]

    def layer(self, position: Position) -> Layer:
        return self.execution.program.layers[position.layer]

    def operator(self, position: Position) -> Operator:
        return self.layer(position).operators[position.operator]

    def record(self, position: Position) -> bytes:
        return encoding.encode_operator(self.operator(position))

    def operands(self, position: Position, history: Sequence[Opened] = ()) -> OperandSource:
        """Operands of the operator in dispute; `history` binds their openings to the other side's commitment."""
        commitment = Commitment(self.execution, self.roots(position.layer), history)
        results, layer = self.results(position.layer), position.layer
        return OperandSource(self.execution, layer, self.operator(position), results, commitment, self._trees)

    def factors(self, position: Position, source: OperandSource | None = None) -> tuple[int, ...]:
        """m and c at the element in dispute, where they are stated with the values; read from `source`."""
        operator = self.operator(position)
        if not terms.states_factors(position, operator):
            return ()
        read = (source or self.operands(position)).read
        out = coordinates(position.element, operator.out_shape)
        return operators.fetch(operator, 2, out, read), operators.fetch(operator, 3, out, read)

    def partials(self, position: Position) -> list[Partial]:
        """The values of the sub-ranges of the range in dispute."""
        tensors = self.operands(position).tensors
        return partials(self.operator(position), position.element, position.start, position.count, tensors)


class Defender(Player):
    """The executor's side: opens what the position asks for."""

    def answer(self, position: Position) -> Move:
        """The opening that the position asks for."""
        return self.once(position, lambda: self._answer(position))

    def _answer(self, position: Position) -> Move:
        match position.phase:
            case Phase.TRACE_OPEN:
                return OpenTrace(self.trace_nodes(position))
            case Phase.LAYER_OPEN:
                return self._open_layer(position)
            case Phase.TENSOR_OPEN:
                return OpenTensor(self.tensor_nodes(position))
            case Phase.CHUNK_OPEN:
                return OpenChunk(self.chunk(position))
            case Phase.TERMS_OPEN:
                return self._open_terms(position)
        raise ValueError(f"{position.phase.name} is not the executor's to answer")

    @cached_property
    def _layer_leaves(self) -> list[bytes]:
        return [merkle.leaf(encoding.encode_layer(layer)) for layer in self.execution.program.layers]

    def _open_layer(self, position: Position) -> OpenLayer:
        path = merkle.path(self._layer_leaves, position.layer)
        layer = self.layer(position)
        only = encoding.encode_operator(layer.operators[0]) if len(layer.operators) == 1 else b""
        return OpenLayer(encoding.encode_layer(layer), tuple(path), self.roots(position.layer), only)

    def _open_terms(self, position: Position) -> OpenTerms:
        operator = self.operator(position)
        values = terms.pack(operator, self.partials(position), self.factors(position))
        return OpenTerms(self.record(position), values)


class Challenger(Player):
    """The challenger's side: picks what differs from its own run."""

    def first_pick(self, nodes: Sequence[bytes]) -> int:
        """Which of a claim's nodes to challenge; NothingDiffers if they are this run's own."""
        return _first_difference(nodes, self.execution.trace.nodes)

    def reply(self, position: Position, history: Sequence[Opened]) -> Move:
        """The pick or step; `history` is every opening of this dispute so far. NothingDiffers if the last agrees."""
        return self.once(position, lambda: self._reply(position, history))

    def _reply(self, position: Position, history: Sequence[Opened]) -> Move:
        opened = history[-1].content
        match position.phase:
            case Phase.TRACE_PICK:
                nodes = hashes(opened)
                return PickTrace(nodes, _first_difference(nodes, self.trace_nodes(position)))
            case Phase.OPERATOR_PICK:
                roots = hashes(opened)
                return self.pick_operator(position, roots, _first_difference(roots, self.roots(position.layer)))
            case Phase.TENSOR_PICK:
                nodes = hashes(opened)
                if not refutations.folds(position, nodes):
                    return RefuteNodes(nodes)
                return PickTensor(nodes, _first_difference(nodes, self.tensor_nodes(position)))
            case Phase.ELEMENT_PICK:
                if not refutations.hashes_to_chunk(position, opened):
                    return RefuteChunk(opened)
                size = self.operator(position).dtype.size
                mine = self.chunk(position)
                item = _first_difference(_pieces(opened, size), _pieces(mine, size))
                return PickElement(self.record(position), opened, item)
            case Phase.TERMS_PICK:
                return self._pick_terms(position, opened, history)
            case Phase.STEP:
                return self._step(position, history)
        raise ValueError(f"{position.phase.name} is not the challenger's to answer")

    def pick_operator(self, position: Position, roots: tuple[bytes, ...], chosen: int) -> PickOperator:
        """The pick of operator `chosen`, with its record."""
        records = [encoding.encode_operator(o) for o in self.layer(position).operators]
        root_path, path = (tuple(merkle.path([merkle.leaf(r) for r in of], chosen)) for of in (roots, records))
        return PickOperator(roots[chosen], root_path, chosen, records[chosen], path)

    def _pick_terms(self, position: Position, opened: bytes, history: Sequence[Opened]) -> Move:
        theirs, record = terms.unpack(position, self.operator(position), opened), self.record(position)
        source = self.operands(position, history)
        mine = self.factors(position, source)
        if theirs.factors != mine:
            number = _first_difference(theirs.factors, mine)
            return RefuteFactor(record, opened, number, (source.openings()[2 + number],))
        pick = PickTerms(record, opened, _first_difference(theirs.partials, self.partials(position)))
        below = rules.apply(position, pick)
        assert isinstance(below, Position)
        return replace(pick, shown=source.shown(below)) if below.phase is Phase.STEP else pick

    def _step(self, position: Position, history: Sequence[Opened]) -> Step:
        source = self.operands(position, history)
        operator = self.operator(position)
        computed = compute(operator, position.element, position.start, position.count, source.read)
        if computed == Partial(position.value, position.index):
            raise NothingDiffers("the scalar specification gives the claimed value")
        return Step(self.record(position), source.opened_by_step(position))


def own_value(execution: Execution, position: Position) -> int:
    """What an execution has where a position, of an element or of some of its terms, has a number."""
    operator = execution.program.operator(position.layer, position.operator)
    if position.start == 0 and position.count == operator.terms:
        return int(execution.results(position.layer)[position.operator].reshape(-1)[position.element])
    source = Player(execution).operands(position)
    return compute(operator, position.element, position.start, position.count, source.read).value


def _pieces(data: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(data[i : i + size] for i in range(0, len(data), size))


def _first_difference(theirs: Sequence[object], mine: Sequence[object]) -> int:
    for index, (a, b) in enumerate(zip(theirs, mine, strict=False)):
        if a != b:
            return index
    raise NothingDiffers("my own run gives the same")
