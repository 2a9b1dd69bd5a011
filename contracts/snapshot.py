"""The protocol's state at one block, as frozen values that a decision is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from contracts.deployment import Parameters
from prover.game.openings import Opened
from prover.game.position import Party, Position, Side


class RequestStatus(Enum):
    OPEN = "open"
    ACCEPTED = "accepted"
    CLAIMED = "claimed"
    FINAL = "final"
    ENDED = "ended"


class ClaimStatus(Enum):
    PENDING = "pending"
    FINAL = "final"
    FALLEN = "fallen"


class DisputeStatus(Enum):
    ACTIVE = "active"
    WON = "won"
    LOST = "lost"
    SETTLED = "settled"


class Reason(Enum):
    """Why a dispute was resolved; the values are the contract's."""

    STEP = 1
    OUTPUT = 2
    PROGRAM = 3
    TIMEOUT = 4
    OTHER = 5
    """Another dispute on the claim was won first."""
    OPENING = 6
    """What the executor opened was wrong."""


@dataclass(frozen=True)
class ModelView:
    """A registered model and where its folder may be found."""

    id: bytes
    head: bytes
    interface: bytes
    uris: tuple[str, ...]


@dataclass(frozen=True)
class RequestView:
    """`executor` and `deadline` are those of the present acceptance, `claim` the one that stands."""

    id: bytes
    model: bytes
    requester: str
    fee: int
    answer_period: int
    min_stake: int
    only: str
    inputs: tuple[bytes, ...]
    status: RequestStatus = RequestStatus.OPEN
    cancelled: bool = False
    executor: str | None = None
    deadline: int = 0
    claim: bytes | None = None
    barred: frozenset[str] = frozenset()
    """Executors that let it lapse."""


@dataclass(frozen=True)
class ClaimView:
    id: bytes
    request: bytes
    executor: str
    delegate: str
    trace_root: bytes
    outputs: tuple[bytes, ...]
    window_end: int
    status: ClaimStatus = ClaimStatus.PENDING
    nodes: tuple[bytes, ...] = ()
    """Nodes of the trace, which fold to its root."""


@dataclass(frozen=True)
class DisputeView:
    """`history` is every opening so far, with the position it answered."""

    id: bytes
    claim: bytes
    challenger: str
    position: Position
    deadline: int
    history: tuple[Opened, ...] = ()
    status: DisputeStatus = DisputeStatus.ACTIVE
    reason: Reason | None = None

    @property
    def party(self) -> Party:
        """How the contract names it."""
        return Party(self.claim, self.challenger)

    @property
    def side(self) -> Side:
        """Who is to move."""
        return self.position.phase.side


@dataclass(frozen=True)
class AccountView:
    """An account's stake, its credits, and its balance outside the contract; in wei."""

    address: str
    free: int = 0
    locked: int = 0
    leaving: int = 0
    credits: int = 0
    balance: int = 0

    @property
    def stake(self) -> int:
        """What may be at work: free and locked."""
        return self.free + self.locked


@dataclass(frozen=True)
class Snapshot:
    """Everything at one block. The mappings are by id and are not to be changed."""

    block: int
    timestamp: int
    base_fee: int
    parameters: Parameters
    account: AccountView
    models: Mapping[bytes, ModelView] = field(default_factory=dict)
    requests: Mapping[bytes, RequestView] = field(default_factory=dict)
    claims: Mapping[bytes, ClaimView] = field(default_factory=dict)
    disputes: Mapping[bytes, DisputeView] = field(default_factory=dict)
    shallow: frozenset[bytes] = frozenset()
    """Requests and claims that are not in enough blocks yet to risk money on."""
    doubt: str | None = None
    """What the nodes disagree about, if they do."""

    def may_risk(self, id: bytes) -> bool:
        """Whether money may be put on a request or claim: it is deep enough, and the nodes agree."""
        return self.doubt is None and id not in self.shallow

    def running_disputes(self) -> list[DisputeView]:
        """Disputes that nobody has won or lost yet, on claims that stand."""
        return [
            d
            for d in self.disputes.values()
            if d.status is DisputeStatus.ACTIVE and self.claims[d.claim].status is ClaimStatus.PENDING
        ]
