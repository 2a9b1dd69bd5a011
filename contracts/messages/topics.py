"""Where agents say what: one table from channel to the kind of message, whose topic it is, and how large it may be.

    refute/<chain id>/<contract>/<channel>/<address or group>[/<sender>]

Addresses are in lower case. A topic names the only account that may publish on it, or the only one that listens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from contracts.messages import kinds

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
GROUP_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
SMALL = 16 << 10
"""Bytes of a whole message, unless it carries content."""


class Owner(Enum):
    """Whose address a topic ends with."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    MEMBER = "group, then sender"


@dataclass(frozen=True)
class Channel:
    """What is said on the topics of one channel."""

    kind: type[kinds.Message]
    owner: Owner
    largest: int = SMALL
    """Bytes of a whole message."""
    retained: bool = False
    """The broker gives the latest one to whoever subscribes."""


CHANNELS: dict[str, Channel] = {
    "agents": Channel(kinds.Announcement, Owner.SENDER, retained=True),
    "claims": Channel(kinds.Claimed, Owner.SENDER),
    "moves": Channel(kinds.Moved, Owner.RECIPIENT),
    "wanted": Channel(kinds.Wanted, Owner.RECIPIENT),
    "content": Channel(kinds.Content, Owner.RECIPIENT, largest=kinds.MOST_CONTENT + SMALL),
    "groups": Channel(kinds.Report, Owner.MEMBER),
    "alerts": Channel(kinds.Alert, Owner.SENDER),
}
LARGEST = max(channel.largest for channel in CHANNELS.values())

_NAMES = {channel.kind: name for name, channel in CHANNELS.items()}


@dataclass(frozen=True)
class Topic:
    """A topic taken apart."""

    channel: Channel
    sender: str | None
    """The only account that may publish on it, in lower case; None: anyone."""
    group: str | None = None


@dataclass(frozen=True)
class Topics:
    """The topics of one deployment."""

    chain: int
    contract: str

    @property
    def root(self) -> str:
        return f"refute/{self.chain}/{self.contract.lower()}"

    def of(self, message: kinds.Message, sender: str, to: str | None = None) -> str:
        """Where `sender` publishes a message; `to` is the recipient's address, or the group's name."""
        name = _NAMES[type(message)]
        match CHANNELS[name].owner:
            case Owner.SENDER:
                return f"{self.root}/{name}/{sender.lower()}"
            case Owner.RECIPIENT:
                assert to is not None
                return f"{self.root}/{name}/{to.lower()}"
            case Owner.MEMBER:
                return f"{self.root}/{name}/{to}/{sender.lower()}"

    def to(self, kind: type[kinds.Message], address: str) -> str:
        """What `address` subscribes to for messages to it."""
        return f"{self.root}/{_NAMES[kind]}/{address.lower()}"

    def every(self, kind: type[kinds.Message]) -> str:
        """The filter of all messages of a kind."""
        return f"{self.root}/{_NAMES[kind]}/{'+/+' if CHANNELS[_NAMES[kind]].owner is Owner.MEMBER else '+'}"

    def group(self, name: str) -> str:
        """The filter of the reports of one group."""
        return f"{self.root}/groups/{name}/+"

    def parse(self, topic: str) -> Topic | None:
        """A topic of this deployment; None if it is none."""
        root, _, rest = topic.partition(f"{self.root}/")
        name, *names = rest.split("/")
        channel = CHANNELS.get(name)
        if root or channel is None or not names or _ADDRESS.fullmatch(names[-1]) is None:
            return None
        if channel.owner is Owner.MEMBER:
            if len(names) != 2 or GROUP_NAME.fullmatch(names[0]) is None:
                return None
            return Topic(channel, names[1], names[0])
        if len(names) != 1:
            return None
        return Topic(channel, names[0] if channel.owner is Owner.SENDER else None)


def shared(group: str, topic_filter: str) -> str:
    """A filter whose messages the broker gives to one member of a group each."""
    return f"$share/{group}/{topic_filter}"


def is_retained(message: kinds.Message) -> bool:
    """Whether a broker is to keep a message for those who come later."""
    return CHANNELS[_NAMES[type(message)]].retained
