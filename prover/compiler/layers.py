"""Which operators make up one layer of the program: a block of the module, such as `encoder.layer.3`, or several.

What a layer hands on is hashed in every run. Where that would take more than its share of the time, blocks are
joined, as many as a layer may hold operators.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence, Set

from prover.compiler.builder import Builder
from prover.program import MAX_OPERATORS, CheckpointRef, Layer, Opcode, Program, View

WORK_PER_BYTE = 4096
"""Multiply-adds that a layer should make per byte that it hands on: a run makes about 40 in the time in which a byte is
hashed (docs/benchmarks.md), and hashing should take 1 % of it."""
WORTH_JOINING = 1 << 16
"""Bytes handed on from which on it matters; models that hand on less run so fast that other things take the time."""


def block_of(path: str) -> str:
    """The block that a submodule belongs to: its path up to the first number, or its outermost names."""
    parts = path.split(".")
    for index, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: index + 1])
    return ".".join(parts[:2])


class LayerNames:
    """Begins a layer where another block with a product begins, unless the layer so far holds none.

    Args:
        blocks: those that hold a product; operators of others belong to the layer they come in.
        joined: by their number, the layers to be that go on with the one before instead.
    """

    def __init__(self, builder: Builder, blocks: Set[str], joined: Set[int] = frozenset()) -> None:
        self._builder = builder
        self._blocks = blocks
        self._joined = joined
        self._block: str | None = None
        self.starts: list[int] = []
        """The builder's layers that were begun here, not because one was full."""

    def enter(self, path: str) -> None:
        """Before a node of the submodule `path` is lowered."""
        block = block_of(path)
        if self._block is None:
            self._begin(block)
        elif block in self._blocks and block != self._block:
            if self._block in self._blocks:
                self._begin(block)
            else:
                self._builder.names[-1] = block
        else:
            return
        self._block = block

    def _begin(self, block: str) -> None:
        if len(self.starts) in self._joined:
            self._builder.names[-1] += f" + {block}"
        else:
            self._builder.begin_layer(block)
        self.starts.append(self._builder.layer)


def joinable(program: Program, starts: Sequence[int]) -> frozenset[int]:
    """Which of the layers that `starts` begins had better go on with the one before."""
    read = _handed_on(program)
    joined: set[int] = set()
    held = len(program.layers[0].operators)
    for number, (before, layer) in enumerate(itertools.pairwise(starts), 1):
        own = len(program.layers[layer].operators)
        dear = _hashes_much(program.layers[before], read[before])
        if layer == before + 1 and dear and held + own <= MAX_OPERATORS:
            joined.add(number)
            held += own
        else:
            held = own
    return frozenset(joined)


def _handed_on(program: Program) -> list[set[int]]:
    """Per layer the operators whose results later layers read."""
    read: list[set[int]] = [set() for _ in program.layers]
    for operand in (o for layer in program.layers for operator in layer.operators for o in operator.operands):
        if isinstance(operand, View) and isinstance(operand.source, CheckpointRef):
            read[operand.source.layer].add(program.layers[operand.source.layer].outputs[operand.source.slot])
    return read


def _hashes_much(layer: Layer, handed_on: Set[int]) -> bool:
    work = sum(operator.numel * operator.terms for operator in layer.operators if operator.opcode is Opcode.DOT)
    handed = sum(layer.operators[output].nbytes for output in handed_on)
    return handed >= WORTH_JOINING and handed * WORK_PER_BYTE > work
