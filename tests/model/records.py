"""What the model keeps of accounts, requests, claims and disputes. Money in wei, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from prover.game.position import Side


class Illegal(Exception):
    """The protocol does not allow it; `name` is the contract's error."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def require(holds: bool, name: str) -> None:
    if not holds:
        raise Illegal(name)


@dataclass
class Account:
    """Wei. `slashed`: taken away so far; `received`: paid out so far."""

    free: int = 0
    locked: int = 0
    leaving: int = 0
    due: int = 0
    credits: int = 0
    slashed: int = 0


@dataclass
class Request:
    requester: str
    fee: int
    answer_period: int
    least: int = 0
    only: str | None = None
    status: str = "open"
    cancelled: bool = False
    executor: str | None = None
    due: int = 0
    barred: set[str] = field(default_factory=set)


@dataclass
class Claim:
    request: bytes
    executor: str
    window_end: int
    posted: int
    fallen_at: int | None = None
    unresolved: int = 0
    lost: int = 0
    tariffs: int = 0
    pot: int = 0
    left: int = 0
    over_at: int | None = None


@dataclass
class Dispute:
    claim: bytes
    challenger: str
    side: Side
    deadline: int
    idle: int
    tariff: int = 0
    status: str = "active"
