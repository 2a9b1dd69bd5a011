"""Events as a terminal may be given them: nodes, brokers and strangers have a say in what is logged."""

from __future__ import annotations

from structlog.typing import EventDict, WrappedLogger


def printable(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A structlog processor that escapes what could command a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception" and not value.isprintable():
            event[key] = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)
    return event
