"""Alerts: every log event that a person has to look at is published, too, on a topic that an operator listens to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from contracts.messages.bus import Bus
from contracts.messages.kinds import MOST_DETAILS, MOST_EVENT, Alert
from prover.errors import RefuteError

LEVELS = {"error": "error", "exception": "error", "critical": "critical"}
"""An ERROR line means that a person must act."""
WARNINGS = frozenset({"not_funded", "balance_low", "chain_unavailable", "fellow_silent"})
"""Warnings that become errors if nobody looks."""

_PATH = re.compile(r"(\w+://)(?:[^\s/\"']*@)?([^\s/?#\"',;]*)[^\s\"',;]*")


class Alerts:
    """A structlog processor."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        level = LEVELS.get(method, "warning" if event.get("event") in WARNINGS else None)
        if level is not None:
            self._bus.publish(alert(level, event))
        return event


def alert(level: str, event: Mapping[str, Any]) -> Alert:
    """An alert from a log event; of a URL only the host is told, since nodes take access keys in paths."""
    details = {key: value for key, value in event.items() if key != "event" and not key.startswith("_")}
    text = _PATH.sub(r"\1\2", json.dumps(details, default=str, skipkeys=True))
    return Alert(ascii(event.get("event"))[1:-1][:MOST_EVENT], level, text[:MOST_DETAILS])


@contextmanager
def alerting(bus: Bus) -> Iterator[None]:
    """Publish the alerts of all that is logged meanwhile, and the error that ends it."""
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[Alerts(bus), *before])
    try:
        yield
    except RefuteError as error:
        bus.publish(alert("critical", {"event": "agent_ended", "reason": str(error)}))
        raise
    finally:
        structlog.configure(processors=before)
