"""Tells others what an agent does, from the events of its own transactions, so that nobody need wait for a look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from contracts.batch import Done
from contracts.calls import NOBODY
from contracts.ledger import Arguments, first_position, position_after
from contracts.messages.bus import Bus
from contracts.messages.kinds import MOST_MODELS, MOST_SOFTWARE, Announcement, Claimed, Moved
from contracts.shelf import Shelf
from contracts.snapshot import ClaimStatus, ClaimView, DisputeView, Snapshot
from prover.game.position import Position, Side


class Reporter:
    """Speaks for one agent.

    Args:
        friends: addresses whose messages are not to be held up by those of strangers, whatever the chain says.
    """

    def __init__(self, bus: Bus, me: str, role: str, shelf: Shelf, friends: frozenset[str] = frozenset()) -> None:
        self._bus = bus
        self._me = me
        self._role = role
        self._shelf = shelf
        self._friends = friends
        self._software = _software()

    def note(self, snapshot: Snapshot) -> None:
        """Take in a new snapshot: who has something at stake, and which of the registered models are here."""
        self._bus.know(self._friends | set(_parties(snapshot)))
        held = [model for model in snapshot.models if self._shelf.holds(model)]
        self._bus.announce(Announcement(self._role, tuple(held[-MOST_MODELS:]), self._software))

    def done(self, outcome: Done, snapshot: Snapshot) -> None:
        """Tell what a transaction of this agent has changed, as far as the snapshot knows what it is about."""
        turns: dict[bytes, _Turn] = {}
        for event in outcome.events:
            a = event.arguments
            match event.name:
                case "Claimed" if (request := snapshot.requests.get(a["request"])) is not None:
                    self._bus.publish(Claimed(a["claim"], a["request"], request.model))
                case "Challenged":
                    turns[a["dispute"]] = _Turn(a["claim"], self._me, first_position(a), a["deadline"])
                case "Moved":
                    before = turns.get(a["dispute"]) or _turn(snapshot.disputes.get(a["dispute"]))
                    if before is not None:
                        turns[a["dispute"]] = before.after(a)
                case "Resolved":
                    turns.pop(a["dispute"], None)
        for dispute, turn in turns.items():
            if (claim := snapshot.claims.get(turn.claim)) is not None:
                self._tell(dispute, turn, outcome.block, claim)

    def _tell(self, dispute: bytes, turn: _Turn, block: int, claim: ClaimView) -> None:
        """Tell those who are to move."""
        phase = turn.position.phase
        moved = Moved(dispute, turn.claim, phase.level, phase.side.name.lower(), turn.deadline, block)
        theirs = (turn.challenger,) if phase.side is Side.CHALLENGER else (claim.executor, claim.delegate)
        for party in theirs:
            if party not in (self._me, NOBODY):
                self._bus.publish(moved, party)


@dataclass(frozen=True)
class _Turn:
    """Whose turn it is in a dispute."""

    claim: bytes
    challenger: str
    position: Position
    deadline: int

    def after(self, a: Arguments) -> _Turn:
        """After a move, from the arguments of its event."""
        return replace(self, position=position_after(self.position, a), deadline=a["deadline"])


def _turn(dispute: DisputeView | None) -> _Turn | None:
    if dispute is None:
        return None
    return _Turn(dispute.claim, dispute.challenger, dispute.position, dispute.deadline)


def _parties(snapshot: Snapshot) -> Iterator[str]:
    """Those who have something at stake in what is not over."""
    for request in snapshot.requests.values():
        if request.executor is not None:
            yield request.executor
    for claim in snapshot.claims.values():
        if claim.status is ClaimStatus.PENDING:
            yield from (claim.executor, claim.delegate)
    for dispute in snapshot.running_disputes():
        yield dispute.challenger


def _software() -> str:
    try:
        return version("refute")[:MOST_SOFTWARE]
    except PackageNotFoundError:
        return "unknown"
