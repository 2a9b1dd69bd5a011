"""The moves of a dispute as one table: who answers which phase with what, and where that leads (protocol, section 7.2).

The model's proofs are about this table, and a test compares it with the rules in Python and in Solidity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from prover.game.position import Phase, Side


class Sender(Enum):
    """Whose move counts."""

    CHALLENGER = "the dispute's challenger"
    EXECUTOR = "the executor, its delegate, or whoever has a signature of theirs"
    ANYONE = "anyone: an earlier hash fixes what the move shows"


@dataclass(frozen=True)
class Row:
    """A move that answers `phase`; `leads` are the phases after it. None: the challenger has won."""

    phase: Phase
    move: str
    sender: Sender
    leads: tuple[Phase, ...]


MOVERS = {
    Phase.TRACE_OPEN: Side.EXECUTOR,
    Phase.TRACE_PICK: Side.CHALLENGER,
    Phase.LAYER_OPEN: Side.EXECUTOR,
    Phase.OPERATOR_PICK: Side.CHALLENGER,
    Phase.TENSOR_OPEN: Side.EXECUTOR,
    Phase.TENSOR_PICK: Side.CHALLENGER,
    Phase.CHUNK_OPEN: Side.EXECUTOR,
    Phase.ELEMENT_PICK: Side.CHALLENGER,
    Phase.TERMS_OPEN: Side.EXECUTOR,
    Phase.TERMS_PICK: Side.CHALLENGER,
    Phase.STEP: Side.CHALLENGER,
}
"""Whose clock runs."""

FIRST = (Phase.TRACE_OPEN, Phase.LAYER_OPEN)
"""Where a dispute begins."""

_TENSOR = (Phase.TENSOR_OPEN, Phase.CHUNK_OPEN)
_ELEMENT = (Phase.TERMS_OPEN, Phase.STEP)

WALK = (
    Row(Phase.TRACE_OPEN, "OpenTrace", Sender.ANYONE, (Phase.TRACE_PICK,)),
    Row(Phase.TRACE_PICK, "PickTrace", Sender.CHALLENGER, (Phase.TRACE_OPEN, Phase.LAYER_OPEN)),
    Row(Phase.LAYER_OPEN, "OpenLayer", Sender.EXECUTOR, (Phase.OPERATOR_PICK, *_TENSOR)),
    Row(Phase.OPERATOR_PICK, "PickOperator", Sender.CHALLENGER, _TENSOR),
    Row(Phase.OPERATOR_PICK, "RefuteProgram", Sender.CHALLENGER, ()),
    Row(Phase.TENSOR_OPEN, "OpenTensor", Sender.EXECUTOR, (Phase.TENSOR_PICK,)),
    Row(Phase.TENSOR_PICK, "PickTensor", Sender.CHALLENGER, _TENSOR),
    Row(Phase.TENSOR_PICK, "RefuteNodes", Sender.CHALLENGER, ()),
    Row(Phase.CHUNK_OPEN, "OpenChunk", Sender.EXECUTOR, (Phase.ELEMENT_PICK,)),
    Row(Phase.ELEMENT_PICK, "PickElement", Sender.CHALLENGER, _ELEMENT),
    Row(Phase.ELEMENT_PICK, "RefuteChunk", Sender.CHALLENGER, ()),
    Row(Phase.TERMS_OPEN, "OpenTerms", Sender.EXECUTOR, (Phase.TERMS_PICK,)),
    Row(Phase.TERMS_PICK, "PickTerms", Sender.CHALLENGER, _ELEMENT),
    Row(Phase.TERMS_PICK, "RefuteFactor", Sender.CHALLENGER, ()),
    Row(Phase.STEP, "Step", Sender.ANYONE, ()),
)
"""The moves of the walk."""

TABLE = (*WALK, *(Row(phase, "ProveOutput", Sender.CHALLENGER, ()) for phase in Phase))
"""With the proof of an output, which counts in every phase."""

OPENINGS = {"trace": 2, "tensor": 4, "terms": 3}
"""Most openings at a level: of 4,096 layers, 2^22 chunks, 2^21 terms."""

MOST_MOVES = 12
"""Most moves that one side makes; the least clock is this many move times and a layer's (protocol, section 5)."""
