"""Sends what an agent has decided, each action as it is made, and tries again what was refused."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from contracts.batch import Done, Outcome, Refusal
from contracts.calls import Call
from contracts.client import Client
from contracts.errors import ContractRefused, NotFunded, Unmined
from contracts.refusals import is_race
from contracts.service.metrics import count_transaction

Action = TypeVar("Action", bound=Hashable)

LONGEST_REST = 60
"""Seconds of chain time between attempts at what is refused again and again."""


@dataclass(frozen=True)
class _Refused:
    """An action that did not go through: how often, and until when it rests."""

    times: int
    until: int
    reason: str


class Sender(Generic[Action]):
    """Sends an agent's actions.

    Nothing is put away for good, since a reorganisation can make right what was refused: an action that is still
    wanted is tried again, after a rest in chain time that doubles, so that no clock runs while it rests for ever. From
    the second attempt on it is simulated first, so that a mistake costs gas once.
    """

    def __init__(self, client: Client, log: FilteringBoundLogger) -> None:
        self._client = client
        self._log = log
        self._refused: dict[Action, _Refused] = {}
        self._begun = False

    def send(self, wanted: Iterable[tuple[Action, Call]], now: int) -> list[tuple[Action, Outcome]]:
        """The outcome of each action that was sent; each goes out before the next one is asked for.

        NotFunded if an agent that has just been started has nothing to do but pay in more than it has: that is a
        mistake of its operator.
        """
        batch = self._client.batch()
        sent: list[tuple[Action, Call]] = []
        seen: set[Action] = set()
        for action, call in wanted:
            before = self._refused.get(action)
            seen.add(action)
            if before is not None and now < before.until:
                continue
            batch.add(replace(call, simulated=True) if before is not None else call)
            sent.append((action, call))
        outcomes = batch.outcomes()
        results = [(action, outcome) for (action, _), outcome in zip(sent, outcomes, strict=True)]
        for action, outcome in results:
            count_transaction(outcome)
            if isinstance(outcome, Done):
                self._refused.pop(action, None)
            else:
                self._note(action, outcome, now)
        self._refused = {action: refused for action, refused in self._refused.items() if action in seen}
        first, self._begun = not self._begun, True
        unpaid = [outcome for outcome in outcomes if isinstance(outcome, NotFunded)]
        if first and unpaid and len(unpaid) == len(outcomes) and all(call.alone for _, call in sent):
            raise unpaid[0]
        return results

    def start_over(self) -> None:
        """The chain went back: what it refused before it may take now."""
        self._refused.clear()

    def _note(self, action: Action, refusal: Refusal, now: int) -> None:
        before = self._refused.get(action)
        mistake = not (isinstance(refusal, Unmined | NotFunded) or _is_race(refusal))
        times = (before.times if before is not None else 0) + mistake
        rest = min(2 ** (times - 1), LONGEST_REST) if mistake else 0
        reason = type(refusal).__name__ if isinstance(refusal, NotFunded) else str(refusal)
        self._refused[action] = _Refused(times, now + rest, reason)
        if before is not None and before.reason == reason:
            return
        event, say = "action_refused", self._log.error
        if isinstance(refusal, Unmined):
            event, say = "action_unmined", self._log.info
        elif isinstance(refusal, NotFunded):
            event, say = "action_not_funded", self._log.error
        elif not mistake:
            event, say = "action_overtaken", self._log.info
        say(event, action=type(action).__name__.lower(), reason=str(refusal))


def _is_race(refusal: Refusal) -> bool:
    return isinstance(refusal, ContractRefused) and is_race(refusal)
