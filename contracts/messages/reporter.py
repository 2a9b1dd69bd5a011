"""Tells others what an agent does, from the events of its own transactions, so that nobody need wait for a look."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from contracts.abi import Event
from contracts.batch import Done
from contracts.calls import NOBODY
from contracts.ledger import first_position, position_after
from contracts.messages.bus import Bus
from contracts.messages.kinds import MOST_MODELS, Announcement, Claimed, Moved
from contracts.shelf import Shelf
from contracts.snapshot import ClaimStatus, Snapshot
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
        """Tell what a transaction of this agent has changed."""
        for event in outcome.events:
            if event.name == "Claimed":
                request = event.arguments["request"]
                model = snapshot.requests[request].model
                self._bus.publish(Claimed(event.arguments["claim"], request, model))
            elif event.name in ("Challenged", "Moved"):
                self._tell_move(event, outcome.block, snapshot)

    def _tell_move(self, event: Event, block: int, snapshot: Snapshot) -> None:
        a = event.arguments
        dispute = snapshot.disputes.get(a["dispute"])
        if event.name == "Challenged":
            claim, challenger, position = a["claim"], self._me, first_position(a)
        elif dispute is not None:
            claim, challenger, position = dispute.claim, dispute.challenger, position_after(dispute.position, a)
        else:
            return  # it was opened by the same transaction, which has won it, too
        moved = Moved(a["dispute"], claim, position.phase.level, _side(position), a["deadline"], block)
        view = snapshot.claims[claim]
        theirs = (challenger,) if position.phase.side is Side.CHALLENGER else (view.executor, view.delegate)
        for party in theirs:
            if party not in (self._me, NOBODY):
                self._bus.publish(moved, party)


def _side(position: Position) -> str:
    return "challenger" if position.phase.side is Side.CHALLENGER else "executor"


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
        return version("refute")
    except PackageNotFoundError:
        return "unknown"
