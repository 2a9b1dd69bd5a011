"""Everything a watcher can decide to do, one frozen value each."""

from __future__ import annotations

from dataclasses import dataclass, field

from prover.game.moves import Move
from prover.game.position import Position
from watcher.verdict import Seam


@dataclass(frozen=True)
class Deposit:
    amount: int


@dataclass(frozen=True)
class Check:
    """Re-run the model on the request's inputs and compare."""

    claim: bytes
    urgent: bool = field(default=False, compare=False)
    """A dispute that we play in waits for it."""
    defend: bool = field(default=False, compare=False)
    """The run is kept to defend the claim with."""


@dataclass(frozen=True)
class PassOver:
    """A claim that the operator does not want to have verified."""

    claim: bytes
    reason: str


@dataclass(frozen=True)
class Challenge:
    claim: bytes


@dataclass(frozen=True)
class ProveOutput:
    """Show that the posted output is not the committed checkpoint; begins the dispute and ends it."""

    claim: bytes
    seam: Seam


@dataclass(frozen=True)
class Postpone:
    """A claim is to be challenged, and there is not the money to see it through."""

    claim: bytes
    lacking_stake: int
    lacking_balance: int

    @property
    def kind(self) -> tuple[bool, bool]:
        """What is lacking, whatever the amounts."""
        return self.lacking_stake > 0, self.lacking_balance > 0


@dataclass(frozen=True)
class Reply:
    """A move in a dispute."""

    dispute: bytes
    position: Position
    move: Move


@dataclass(frozen=True)
class Defend:
    """A move for an executor that named this account as its delegate and is late."""

    dispute: bytes
    position: Position
    move: Move


@dataclass(frozen=True)
class Doubt:
    """In a dispute of ours nothing differs from our own run: the mistake is ours, and the step is not tried."""

    dispute: bytes
    position: Position
    reason: str


@dataclass(frozen=True)
class Stuck:
    """A move is due, and this machine cannot make it now."""

    dispute: bytes
    reason: str


@dataclass(frozen=True)
class Expire:
    """Record who ran out of time."""

    disputes: tuple[bytes, ...]


@dataclass(frozen=True)
class Settle:
    dispute: bytes


@dataclass(frozen=True)
class Collect:
    amount: int


Spoken = PassOver | Postpone | Doubt | Stuck
"""What is only said."""
Sent = Deposit | Challenge | ProveOutput | Reply | Defend | Expire | Settle | Collect
Action = Check | Spoken | Sent
