"""Every move of a dispute, one frozen class each; fields in the order of the contract's arguments."""

from __future__ import annotations

from dataclasses import dataclass

from prover.game.position import Phase


@dataclass(frozen=True, slots=True)
class Opening:
    """One chunk of an operand's tensor with what binds it to the claim (protocol, section 7.4)."""

    chunk: bytes = b""
    chunk_path: tuple[bytes, ...] = ()
    root: bytes = bytes(32)
    root_path: tuple[bytes, ...] = ()
    posted: bytes = b""


EMPTY = Opening()


@dataclass(frozen=True, slots=True)
class OpenTrace:
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PickTrace:
    nodes: tuple[bytes, ...]
    child: int


@dataclass(frozen=True, slots=True)
class OpenLayer:
    """The layer record with its path, and the tensor roots of all its operators. Must be the executor's own.

    `only` is the record of the layer's operator if there is no other: then there is nothing to pick.
    """

    record: bytes
    path: tuple[bytes, ...]
    roots: tuple[bytes, ...]
    only: bytes = b""


@dataclass(frozen=True, slots=True)
class PickOperator:
    """The root of one operator with its path under all that were opened, and the operator's record with its own."""

    root: bytes
    root_path: tuple[bytes, ...]
    operator: int
    record: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OpenTensor:
    """Must be the executor's own, like the chunk: they are hashed only if the challenger says that they are wrong."""

    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PickTensor:
    nodes: tuple[bytes, ...]
    child: int


@dataclass(frozen=True, slots=True)
class OpenChunk:
    chunk: bytes


@dataclass(frozen=True, slots=True)
class PickElement:
    """Element number `item` of the opened chunk."""

    record: bytes
    chunk: bytes
    item: int


@dataclass(frozen=True, slots=True)
class OpenTerms:
    """Packed partial values of the sub-ranges, with m and c where they are a dot's all. Must be the executor's own."""

    record: bytes
    values: bytes


@dataclass(frozen=True, slots=True)
class PickTerms:
    """`shown`, or nothing: the chaining value of the chunk of b that the step opens, and its path to b's root."""

    record: bytes
    values: bytes
    choice: int
    shown: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    record: bytes
    operands: tuple[Opening, ...]


@dataclass(frozen=True, slots=True)
class RefuteProgram:
    """An operator record of the disputed layer that breaks a rule of the protocol."""

    operator: int
    record: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RefuteNodes:
    """The opened nodes do not fold to the node in dispute."""

    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RefuteChunk:
    """The opened bytes do not hash to the chunk in dispute."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class RefuteFactor:
    """m (number 0) or c (1) is not what was stated with the opened values: its operand is opened."""

    record: bytes
    values: bytes
    number: int
    operand: tuple[Opening, ...]


Move = (
    OpenTrace
    | PickTrace
    | OpenLayer
    | PickOperator
    | OpenTensor
    | PickTensor
    | OpenChunk
    | PickElement
    | OpenTerms
    | PickTerms
    | Step
    | RefuteProgram
    | RefuteNodes
    | RefuteChunk
    | RefuteFactor
)

ANSWERS: dict[Phase, type[Move]] = {
    Phase.TRACE_OPEN: OpenTrace,
    Phase.TRACE_PICK: PickTrace,
    Phase.LAYER_OPEN: OpenLayer,
    Phase.OPERATOR_PICK: PickOperator,
    Phase.TENSOR_OPEN: OpenTensor,
    Phase.TENSOR_PICK: PickTensor,
    Phase.CHUNK_OPEN: OpenChunk,
    Phase.ELEMENT_PICK: PickElement,
    Phase.TERMS_OPEN: OpenTerms,
    Phase.TERMS_PICK: PickTerms,
    Phase.STEP: Step,
}
"""The move that answers each phase."""


def opened_content(move: Move) -> bytes:
    """What a move puts on the table for the other side to pick from; empty for picks and the step."""
    match move:
        case OpenTrace(nodes) | OpenTensor(nodes):
            return b"".join(nodes)
        case OpenLayer(_, _, roots, _):
            return b"".join(roots)
        case OpenChunk(chunk):
            return chunk
        case OpenTerms(_, values):
            return values
    return b""
