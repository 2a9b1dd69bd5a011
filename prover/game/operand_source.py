"""How a player makes operand openings from its execution (protocol, section 7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prover import blake3_tree, merkle, posted
from prover.blake3_tree import CHUNK
from prover.game.moves import EMPTY, Opening
from prover.game.openings import SHOWN, Commitment, chunk_of_range, opened_by_step, shown_view
from prover.game.position import Position
from prover.game.tree_shelf import TreeShelf
from prover.interpreter import operand_array
from prover.program import CheckpointRef, InputRef, Operator, ResultRef, TensorRef, View, WeightRef
from prover.trace import Array, Execution, tensor_bytes

SHOWN_FROM = 256
"""Chunks of a tensor from which on its path is shown: to hash it then costs more than to carry it."""


class OperandSource:
    """One player's data for the operands of an operator of `layer`: reads elements and makes openings of them."""

    def __init__(
        self,
        execution: Execution,
        layer: int,
        operator: Operator,
        results: Sequence[Array],
        commitment: Commitment,
        trees: TreeShelf,
    ) -> None:
        self._layer = layer
        self._trees = trees
        self._execution = execution
        self._commitment = commitment
        self._operator = operator
        self._results = results
        self._read_at: dict[int, int] = {}
        self.tensors = [self._array(operand) if isinstance(operand, View) else None for operand in operator.operands]
        """Per operand, the flat tensor that it looks at; None for immediates."""

    def _array(self, view: View) -> Array:
        source = view.source
        if isinstance(source, WeightRef):
            return self._execution.weight(source.root).reshape(-1)
        checkpoints = self._execution.trace.checkpoints
        return operand_array(view, self._execution.inputs, {}, checkpoints, self._results)

    def read(self, slot: int, address: int) -> int:
        """Element `address` of operand `slot`; remembers where each operand was first read."""
        tensor = self.tensors[slot]
        assert tensor is not None
        self._read_at.setdefault(slot, address)
        return int(tensor[address])

    def openings(self) -> tuple[Opening, ...]:
        """Openings of every operand read so far, empty ones for the others."""
        return tuple(
            self._open(operand, self._read_at[slot]) if isinstance(operand, View) and slot in self._read_at else EMPTY
            for slot, operand in enumerate(self._operator.operands)
        )

    def opened_by_step(self, position: Position) -> tuple[Opening, ...]:
        """What the step at `position` opens of the operands read: of b no path, if the pick before showed it."""
        opened = list(self.openings()[: opened_by_step(self._operator, position)])
        if position.node != bytes(32):
            opened[SHOWN] = replace(opened[SHOWN], chunk_path=())
        return tuple(opened)

    def shown(self, position: Position) -> tuple[bytes, ...]:
        """What a pick that leads to `position`, a step, shows of b: nothing where the path is short."""
        view = shown_view(self._operator)
        if view is None or blake3_tree.chunk_count(view.nbytes) < SHOWN_FROM:
            return ()
        chunk = chunk_of_range(self._operator, view, position)
        opening = self._open(view, chunk * CHUNK // view.dtype.size)
        return blake3_tree.chunk_value(opening.chunk, chunk, root=False), *opening.chunk_path

    def _open(self, view: View, address: int) -> Opening:
        chunk = address * view.dtype.size // CHUNK
        if isinstance(view.source, InputRef):
            data = tensor_bytes(self._array(view))
            path = merkle.path(posted.chunk_leaves(data), chunk)
            listed = posted.posted([tensor_bytes(a) for a in self._execution.inputs])
            return Opening(blake3_tree.chunk_bytes(data, chunk), tuple(path), posted=listed)
        source = view.source
        key = (self._layer, source.operator) if isinstance(source, ResultRef) else source
        tree = self._trees.get(key, lambda: self._array(view))
        root, root_path = self._bind(source)
        return Opening(blake3_tree.chunk_bytes(tree.data, chunk), tuple(tree.path(chunk)), root, root_path)

    def _bind(self, source: TensorRef) -> tuple[bytes, tuple[bytes, ...]]:
        match source:
            case CheckpointRef(layer, slot):
                roots = self._execution.trace.roots[layer]
                slots = merkle.path([merkle.leaf(r) for r in roots], slot)
                return roots[slot], (*slots, *self._commitment.trace_path(layer))
            case ResultRef(operator):
                opened = self._commitment.operator_roots
                return opened[operator], tuple(merkle.path([merkle.leaf(r) for r in opened], operator))
        return bytes(32), ()


def open_checkpoint(execution: Execution, layer: int, slot: int) -> tuple[bytes, tuple[bytes, ...]]:
    """A checkpoint's tensor root and its path to the trace root of `execution`: through the slots, then the layers."""
    roots = execution.trace.roots[layer]
    slots = merkle.path([merkle.leaf(r) for r in roots], slot)
    return roots[slot], (*slots, *Commitment(execution, ()).trace_path(layer))
