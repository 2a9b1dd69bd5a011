"""`refute listen`: what agents say to each other, checked, one log event each."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import structlog

from contracts.agent import hexed
from contracts.calls import NOBODY
from contracts.errors import WrongSetup
from contracts.messages import kinds
from contracts.messages.broker import Broker
from contracts.messages.envelope import Domain
from contracts.messages.gate import Received
from contracts.messages.kinds import Message
from contracts.messages.mqtt import MqttBus
from contracts.signers import Raw, Signed

CHANNELS: dict[str, type[Message]] = {
    "announcements": kinds.Announcement,
    "claims": kinds.Claimed,
    "moves": kinds.Moved,
    "alerts": kinds.Alert,
}
EVENTS = {
    kinds.Announcement: "agent_announced",
    kinds.Claimed: "claim_told",
    kinds.Moved: "move_told",
}
NAMES = {"level": "walk_level"}
"""As the agents' own events call a field."""
SEVERITIES = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}


class Mute:
    """A signer that signs nothing: who only listens needs an address, but no account."""

    address = NOBODY

    def sign_transaction(self, transaction: dict[str, Any], /) -> Raw:
        raise WrongSetup("a listener sends nothing")

    def sign_typed_data(self, *, full_message: dict[str, Any]) -> Signed:
        raise WrongSetup("a listener says nothing")


def listen(broker: Broker, domain: Domain, wanted: list[str], stop: threading.Event, accounts: list[str]) -> None:
    """Log what is said on the channels `wanted`, all if there are none, by `accounts`, or by anyone, until `stop`."""
    for name in wanted:
        if name not in CHANNELS:
            raise WrongSetup(f"there is no channel {name!r} to listen to; give one of {', '.join(CHANNELS)}")
    log = structlog.get_logger().bind(agent="listener")
    only = set(accounts)
    heard = [kind for name, kind in CHANNELS.items() if not wanted or name in wanted]
    filters = [domain.topics.every(kind) for kind in heard]
    bus = MqttBus(broker, domain, Mute(), log, filters=filters)

    def say(received: Received) -> None:
        if only and received.sender not in only:
            return
        by = {"sender": received.sender}
        message = received.message
        if isinstance(message, kinds.Alert):
            # With its own severity, which is what `level` means in a log.
            log.log(SEVERITIES[message.level], "alert", alert=message.event, details=_parsed(message.details), **by)
        else:
            values = {NAMES.get(name, name): _shown(value) for name, value in vars(message).items()}
            log.info(EVENTS[type(message)], **by, **values)

    for kind in heard:
        bus.hear(kind, say)
    bus.start()
    stop.wait()
    bus.close()


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return hexed(value)
    return [_shown(item) for item in value] if isinstance(value, tuple) else value


def _parsed(details: str) -> object:
    """What a sender calls JSON; the text itself if it is none, or was cut short."""
    try:
        return json.loads(details)
    except (ValueError, RecursionError):
        return details
