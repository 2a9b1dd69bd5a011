"""The position of a dispute's walk: one flat struct whose hash is all that the chain stores (protocol, section 7.1)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

from prover import merkle

_ZERO = bytes(32)


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


@dataclass(frozen=True, slots=True)
class Position:
    """Fields in the order of the protocol's table; one that does not apply is zero."""

    phase: Phase
    layers: int
    layers_root: bytes
    trace_root: bytes
    inputs: bytes
    start: int = 0
    count: int = 0
    node: bytes = _ZERO
    opened: bytes = _ZERO
    layer: int = 0
    operators_root: bytes = _ZERO
    operators: int = 0
    tensors_root: bytes = _ZERO
    operator: int = 0
    record: bytes = _ZERO
    length: int = 0
    element: int = 0
    value: int = 0
    index: int = 0

    @classmethod
    def initial(cls, layers: int, layers_root: bytes, trace_root: bytes, inputs: bytes) -> Position:
        """Where every dispute of a claim begins."""
        phase = Phase.LAYER_OPEN if layers == 1 else Phase.TRACE_OPEN
        return cls(phase, layers, layers_root, trace_root, inputs, count=layers, node=trace_root)

    def words(self) -> tuple[int | bytes, ...]:
        """The struct's fields in order, as a contract call takes them."""
        return tuple(getattr(self, f.name) for f in fields(self))

    def encode(self) -> bytes:
        """abi.encode of the struct: 19 words."""
        return b"".join(
            word if isinstance(word, bytes) else word.to_bytes(32, "big", signed=word < 0) for word in self.words()
        )

    @property
    def digest(self) -> bytes:
        """The hash that the contract stores and every move names."""
        return merkle.keccak(self.encode())
