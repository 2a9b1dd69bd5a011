"""The position of a dispute's walk, whose hash is all that the chain stores (protocol, section 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from prover import merkle

_ZERO = bytes(32)
_NOBODY = "0x" + "00" * 20

WORDS = 8
OPENED = 5
"""Number of the word that is the field `opened`."""


MOST_MOVES = 12
"""Most moves of one side in the longest dispute (protocol, section 5)."""


class Side(IntEnum):
    """Who is to move."""

    EXECUTOR = 0
    CHALLENGER = 1


class Phase(IntEnum):
    TRACE_OPEN = 1
    TRACE_PICK = 2
    LAYER_OPEN = 3
    OPERATOR_PICK = 4
    TENSOR_OPEN = 5
    TENSOR_PICK = 6
    CHUNK_OPEN = 7
    ELEMENT_PICK = 8
    TERMS_OPEN = 9
    TERMS_PICK = 10
    STEP = 11

    @property
    def level(self) -> str:
        """The level of the walk that this phase belongs to."""
        return _LEVELS[self]

    @property
    def side(self) -> Side:
        """Who is to move."""
        return Side.EXECUTOR if self in _EXECUTOR else Side.CHALLENGER


AWAITS_PICK = (Phase.TRACE_PICK, Phase.TENSOR_PICK, Phase.ELEMENT_PICK, Phase.TERMS_PICK)
"""Phases whose position holds the hash of what was opened."""

_EXECUTOR = (Phase.TRACE_OPEN, Phase.LAYER_OPEN, Phase.TENSOR_OPEN, Phase.CHUNK_OPEN, Phase.TERMS_OPEN)
_LEVELS = {
    Phase.TRACE_OPEN: "trace",
    Phase.TRACE_PICK: "trace",
    Phase.LAYER_OPEN: "layer",
    Phase.OPERATOR_PICK: "layer",
    Phase.TENSOR_OPEN: "tensor",
    Phase.TENSOR_PICK: "tensor",
    Phase.CHUNK_OPEN: "chunk",
    Phase.ELEMENT_PICK: "chunk",
    Phase.TERMS_OPEN: "terms",
    Phase.TERMS_PICK: "terms",
    Phase.STEP: "step",
}


class Party(NamedTuple):
    """Whose dispute, about which claim: what names a dispute."""

    claim: bytes
    challenger: str


@dataclass(frozen=True, slots=True)
class Ground:
    """What a dispute is about and does not change while it lasts; a position holds its hash."""

    layers: int
    layers_root: bytes
    trace_root: bytes
    inputs: bytes
    challenger: str = _NOBODY

    def words(self) -> tuple[str | int | bytes, ...]:
        """The struct's fields in order, as a contract call takes them."""
        return self.challenger, self.layers, self.layers_root, self.trace_root, self.inputs

    @property
    def digest(self) -> bytes:
        """keccak(abi.encode(ground))."""
        head = int(self.challenger, 16).to_bytes(32, "big") + self.layers.to_bytes(32, "big")
        return merkle.keccak(head, self.layers_root, self.trace_root, self.inputs)


@dataclass(frozen=True, slots=True)
class Position:
    """Fields as in the protocol's table; one that does not apply is zero.

    `records` is the root of the layer's operator records while an operator is to be picked, and the leaf of the record
    in dispute from then on.
    """

    phase: Phase
    ground: Ground
    claim: bytes = _ZERO
    start: int = 0
    count: int = 0
    node: bytes = _ZERO
    opened: bytes = _ZERO
    layer: int = 0
    operators: int = 0
    tensors_root: bytes = _ZERO
    operator: int = 0
    records: bytes = _ZERO
    length: int = 0
    element: int = 0
    value: int = 0
    index: int = 0

    @classmethod
    def initial(cls, ground: Ground, claim: bytes = _ZERO) -> Position:
        """Where every dispute of a claim begins."""
        phase = Phase.LAYER_OPEN if ground.layers == 1 else Phase.TRACE_OPEN
        return cls(phase, ground, claim, count=ground.layers, node=ground.trace_root)

    @property
    def party(self) -> Party:
        return Party(self.claim, self.ground.challenger)

    def words(self) -> tuple[bytes, ...]:
        """The eight words that the contract hashes and a move carries."""
        where = self.phase << 48 | self.operators << 40 | self.operator << 32 | self.layer
        place = where << 128 | self.start << 64 | self.count
        what = self.length << 64 | self.element
        element = what << 128 | self.value % (1 << 64) << 64 | self.index
        packed = (word.to_bytes(32, "big") for word in (place, element))
        return self.claim, self.ground.digest, *packed, self.node, self.opened, self.records, self.tensors_root

    def with_words(self, words: Sequence[bytes]) -> Position:
        """The position of the same dispute that has these words."""
        _, _, place, element, node, opened, records, tensors_root = words
        return replace(
            self,
            phase=Phase(place[9]),
            operators=place[10],
            operator=place[11],
            layer=int.from_bytes(place[12:16], "big"),
            start=int.from_bytes(place[16:24], "big"),
            count=int.from_bytes(place[24:], "big"),
            length=int.from_bytes(element[:8], "big"),
            element=int.from_bytes(element[8:16], "big"),
            value=int.from_bytes(element[16:24], "big", signed=True),
            index=int.from_bytes(element[24:], "big"),
            node=node,
            opened=opened,
            records=records,
            tensors_root=tensors_root,
        )

    @property
    def digest(self) -> bytes:
        """The hash that the contract stores and every move names."""
        return merkle.keccak(*self.words())
