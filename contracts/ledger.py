"""The protocol's state from the contract's events, one after the other; pure.

Everything but the money of accounts is in the events, so an observer needs no view calls for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.abi import Event
from contracts.snapshot import (
    ClaimStatus,
    ClaimView,
    DisputeStatus,
    DisputeView,
    ModelView,
    Reason,
    RequestStatus,
    RequestView,
)
from prover.errors import RefuteError
from prover.game.openings import Opened
from prover.game.position import AWAITS_PICK, OPENED, WORDS, Ground, Position
from prover.merkle import keccak

Arguments = Mapping[str, Any]


def first_position(a: Arguments) -> Position:
    """The position that a dispute begins with, from the arguments of its Challenged event."""
    ground = Ground(a["layers"], a["layersRoot"], a["traceRoot"], a["inputs"], a["challenger"])
    return Position.initial(ground, a["claim"])


def position_after(position: Position, a: Arguments) -> Position:
    """The position that a move led to, from the one it answered and the arguments of its Moved event.

    `changes` holds a byte whose bit i says that word i has changed, then the new words; the word `opened`, which is
    left out, is the hash of what was opened, where it awaits a pick.
    """
    changes, opened = a["changes"], a["opened"]
    words, new = list(position.words()), [changes[i : i + 32] for i in range(1, len(changes), 32)]
    for number, word in zip((n for n in range(WORDS) if changes[0] >> n & 1), new, strict=True):
        words[number] = word
    words[OPENED] = bytes(32)
    after = position.with_words(words)
    return replace(after, opened=keccak(opened)) if after.phase in AWAITS_PICK else after


class UnknownSubject(RefuteError):
    """An event follows from one that the node did not give, or that could not be decoded."""


@dataclass
class Ledger:
    """State so far, by id. Views are replaced, never changed, so a shallow copy of a mapping is a snapshot of it."""

    models: dict[bytes, ModelView] = field(default_factory=dict)
    requests: dict[bytes, RequestView] = field(default_factory=dict)
    claims: dict[bytes, ClaimView] = field(default_factory=dict)
    disputes: dict[bytes, DisputeView] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Take one event into account; events about money alone change nothing here.

        UnknownSubject, with nothing changed, if it is about something that no event before it has introduced.
        """
        handler = _HANDLERS.get(event.name)
        if handler is None:
            return
        subject = _SUBJECTS.get(event.name)
        if subject is not None and event.arguments[subject] not in getattr(self, subject + "s"):
            raise UnknownSubject(f"{event.name} is about {subject} 0x{event.arguments[subject].hex()}, unknown here")
        handler(self, event.arguments)

    def _model_registered(self, a: Arguments) -> None:
        self.models[a["model"]] = ModelView(a["model"], a["head"], a["interface_"], (a["uri"],))

    def _uri_added(self, a: Arguments) -> None:
        model = self.models[a["model"]]
        self.models[model.id] = replace(model, uris=(*model.uris, a["uri"]))

    def _requested(self, a: Arguments) -> None:
        self.requests[a["request"]] = RequestView(
            a["request"],
            a["model"],
            a["requester"],
            a["fee"],
            a["answerPeriod"],
            a["minStake"],
            a["only"],
            tuple(a["inputs"]),
        )

    def _change_request(self, id: bytes, **changes: Any) -> None:
        self.requests[id] = replace(self.requests[id], **changes)

    def _accepted(self, a: Arguments) -> None:
        self._change_request(
            a["request"], status=RequestStatus.ACCEPTED, executor=a["executor"], deadline=a["deadline"]
        )

    def _lapsed(self, a: Arguments) -> None:
        barred = self.requests[a["request"]].barred | {a["executor"]}
        self._change_request(a["request"], barred=barred)
        self._reopen(a["request"])

    def _reopen(self, id: bytes) -> None:
        over = self.requests[id].cancelled
        status = RequestStatus.ENDED if over else RequestStatus.OPEN
        self._change_request(id, status=status, executor=None, deadline=0, claim=None)

    def _cancelled(self, a: Arguments) -> None:
        open_ = self.requests[a["request"]].status is RequestStatus.OPEN
        self._change_request(a["request"], cancelled=True)
        if open_:
            self._reopen(a["request"])

    def _claimed(self, a: Arguments) -> None:
        self.claims[a["claim"]] = ClaimView(
            a["claim"],
            a["request"],
            a["executor"],
            a["delegate"],
            a["traceRoot"],
            tuple(a["outputs"]),
            a["windowEnd"],
            nodes=tuple(a["nodes"]),
        )
        self._change_request(a["request"], status=RequestStatus.CLAIMED, claim=a["claim"])

    def _finalised(self, a: Arguments) -> None:
        self.claims[a["claim"]] = replace(self.claims[a["claim"]], status=ClaimStatus.FINAL)
        self._change_request(a["request"], status=RequestStatus.FINAL)

    def _fallen(self, a: Arguments) -> None:
        self.claims[a["claim"]] = replace(self.claims[a["claim"]], status=ClaimStatus.FALLEN)
        self._reopen(a["request"])

    def _challenged(self, a: Arguments) -> None:
        self.disputes[a["dispute"]] = DisputeView(
            a["dispute"], a["claim"], a["challenger"], first_position(a), a["deadline"]
        )

    def _moved(self, a: Arguments) -> None:
        dispute = self.disputes[a["dispute"]]
        history = dispute.history
        if a["opened"]:
            history = (*history, Opened(dispute.position, a["opened"]))
        self.disputes[dispute.id] = replace(
            dispute, position=position_after(dispute.position, a), deadline=a["deadline"], history=history
        )

    def _resolved(self, a: Arguments) -> None:
        reason = Reason(a["reason"])
        won = DisputeStatus.SETTLED if reason is Reason.OTHER else DisputeStatus.WON
        status = won if a["challengerWon"] else DisputeStatus.LOST
        self.disputes[a["dispute"]] = replace(self.disputes[a["dispute"]], status=status, reason=reason)


_HANDLERS: dict[str, Callable[[Ledger, Arguments], None]] = {
    "ModelRegistered": Ledger._model_registered,
    "UriAdded": Ledger._uri_added,
    "Requested": Ledger._requested,
    "Accepted": Ledger._accepted,
    "Lapsed": Ledger._lapsed,
    "Cancelled": Ledger._cancelled,
    "Claimed": Ledger._claimed,
    "Finalised": Ledger._finalised,
    "Fallen": Ledger._fallen,
    "Challenged": Ledger._challenged,
    "Moved": Ledger._moved,
    "Resolved": Ledger._resolved,
}

_SUBJECTS = {
    "UriAdded": "model",
    "Accepted": "request",
    "Lapsed": "request",
    "Cancelled": "request",
    "Claimed": "request",
    "Finalised": "claim",
    "Fallen": "claim",
    "Challenged": "claim",
    "Moved": "dispute",
    "Resolved": "dispute",
}
"""What an event changes or follows from, by the name of its argument."""
