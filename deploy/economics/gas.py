"""The gas of an answer and of a dispute, from the receipts in contracts/snapshots/gas.json; and the tariff of moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from deploy.gas.figures import Snapshot
from prover.errors import RefuteError

GAMES = {
    "digits": "dispute_digits",
    "digits-sums": "dispute_digits_sums",
    "minilm": "dispute_minilm",
    "gpt3": "dispute_gpt3_feed_forward",
}
"""Disputes of the snapshot that a scenario may be about."""
GAME = "minilm"
"""By default."""
ANSWER = "happy_minilm"

_NODES, _PICK, _PROOF = 65_000, 95_000, 400_000
TARIFF = {
    "challenge": 160_000,
    "challengeAt": 160_000,
    "pickTrace": _NODES,
    "pickTensor": _NODES,
    "pickOperator": _PICK,
    "pickElement": _PICK,
    "pickTerms": _PICK,
    "step": _PROOF,
    "proveOutput": _PROOF,
    "refuteProgram": _PROOF,
    "refuteNodes": _PROOF,
    "refuteChunk": _PROOF,
    "refuteFactor": _PROOF,
}
"""Gas units of a challenger's moves (protocol, section 9)."""

EXPIRE_FIRST, EXPIRE_EACH = 28_000, 19_000
"""Gas, at most, of `expire`: of the transaction, and of each dispute in it that a challenger has lost."""


def tariff(moves: Sequence[str], base_fees: Sequence[int], peak: int) -> int:
    """Wei that a challenger is owed for moves made at these base fees (protocol, section 9)."""
    return sum(TARIFF[move] * min(fee, peak) for move, fee in zip(moves, base_fees, strict=True))


@dataclass(frozen=True)
class GasOfGame:
    """Gas by who pays it.

    Attributes:
        answer: of an executor that is not disputed: to accept, to claim, to finalise.
        lie: of an executor up to its claim.
        openings: of the executor's moves in one dispute that is played to its last move.
        challenge: of the challenger's moves in it.
        moves: the challenger's moves, in order.
    """

    answer: int
    lie: int
    openings: int
    challenge: int
    moves: tuple[str, ...]

    @classmethod
    def read(cls, snapshot: Snapshot, game: str = GAME) -> Self:
        """The gas of a dispute by its name in GAMES; RefuteError if it is none of these or was not measured."""
        if game not in GAMES:
            raise RefuteError(f"there is no game {game!r}; those that were measured are {', '.join(GAMES)}")
        answer = _by_move(snapshot, ANSWER)
        dispute = snapshot.moves.get(GAMES[game], [])
        challenger = [move for move in dispute if move["move"] in TARIFF]
        if not challenger:
            raise RefuteError(f"the gas snapshot has no {GAMES[game]}; write it anew with `make gas`")
        challenge = sum(int(move["gas"]) for move in challenger)
        return cls(
            answer=sum(answer[move] for move in ("accept", "claim", "finalise")),
            lie=answer["accept"] + answer["claim"],
            openings=sum(int(move["gas"]) for move in dispute) - challenge,
            challenge=challenge,
            moves=tuple(str(move["move"]) for move in challenger),
        )

    def defence(self, disputes: int) -> int:
        """Gas of an honest executor that opens all that it is asked for, and says that the challengers' time is up."""
        return disputes * (self.openings + EXPIRE_EACH) + (EXPIRE_FIRST if disputes else 0)


def _by_move(snapshot: Snapshot, name: str) -> Mapping[str, int]:
    moves = {str(move["move"]): int(move["gas"]) for move in snapshot.moves.get(name, [])}
    if not {"accept", "claim", "finalise"} <= moves.keys():
        raise RefuteError(f"the gas snapshot has no whole {name}; write it anew with `make gas`")
    return moves
