"""Everything an executor can decide to do, one frozen value each."""

from __future__ import annotations

from dataclasses import dataclass, field

from prover.game.moves import Move
from prover.game.position import Position


@dataclass(frozen=True)
class Deposit:
    amount: int


@dataclass(frozen=True)
class Load:
    """Read a model's folder and check it: before a stake is risked on it."""

    model: bytes
    urgent: bool = field(default=False, compare=False)
    """A dispute waits for it."""


@dataclass(frozen=True)
class Measure:
    """Run a model once on zeros: before a stake is risked on it, this machine shows that it can, and how fast."""

    model: bytes


@dataclass(frozen=True)
class Run:
    """Compute the execution of a request."""

    request: bytes
    urgent: bool = field(default=False, compare=False)
    """A dispute waits for it."""


@dataclass(frozen=True)
class Accept:
    request: bytes


@dataclass(frozen=True)
class Leave:
    """A request could be accepted, but not be answered in time."""

    request: bytes
    reason: str


@dataclass(frozen=True)
class PostClaim:
    request: bytes
    head: bytes
    interface: bytes
    nodes: tuple[bytes, ...]
    outputs: tuple[bytes, ...]


@dataclass(frozen=True)
class Answer:
    """A move in a dispute."""

    dispute: bytes
    position: Position
    move: Move


@dataclass(frozen=True)
class Stuck:
    """A move is due, and this machine cannot make it now."""

    dispute: bytes
    reason: str


@dataclass(frozen=True)
class Finalise:
    claim: bytes


@dataclass(frozen=True)
class Expire:
    """Record that challengers ran out of time."""

    disputes: tuple[bytes, ...]


@dataclass(frozen=True)
class Lapse:
    """Record that an answer is overdue, so that the request opens again and the rest of the stake is free."""

    request: bytes


@dataclass(frozen=True)
class Collect:
    amount: int


Computation = Load | Measure | Run
Action = Computation | Deposit | Accept | Leave | PostClaim | Answer | Stuck | Finalise | Expire | Lapse | Collect
