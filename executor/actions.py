"""Everything an executor can decide to do, one frozen value each."""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.calls import NOBODY
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
    """Compute the executions of requests for one model, in one pass."""

    requests: tuple[bytes, ...]
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
class Short:
    """Requests are left to others: their defence to the end is not certain, or no stake is free for them."""

    resource: str
    """balance, disk or stake."""
    lacking: int = field(compare=False)
    """Wei or bytes."""


@dataclass(frozen=True)
class PostClaim:
    request: bytes
    head: bytes
    interface: bytes
    nodes: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    delegate: str = NOBODY
    """Who else may defend the claim."""


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
Spoken = Leave | Short | Stuck
"""What is only said."""
Sent = Deposit | Accept | PostClaim | Answer | Finalise | Expire | Lapse | Collect
Action = Computation | Spoken | Sent
