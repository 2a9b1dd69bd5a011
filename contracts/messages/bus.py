"""What agents know of messages: publishing, which never waits, and being woken. The default is to have no bus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from contracts.messages.gate import Received
from contracts.messages.kinds import Announcement, Message
from prover.trace import Trace

Handler = Callable[[Received], None]


class Bus(Protocol):
    """Every method but `ask` may be called from any thread and returns at once, whatever the broker does."""

    @property
    def shares(self) -> bool:
        """Whether each claim is heard of by one member only of the group that this bus belongs to."""

    def hear(self, kind: type[Message], handler: Handler) -> None:
        """Have every message of a kind given to `handler`, from any thread; Refused if it will not have one."""

    def publish(self, message: Message, to: str | None = None) -> None:
        """Say something; `to` is an address, or the name of a group. It may never arrive."""

    def announce(self, announcement: Announcement) -> None:
        """Say this now and then, from now on."""

    def know(self, addresses: Iterable[str]) -> None:
        """Who has something at stake: their messages are not held up by what strangers send."""

    def offer(self, trace: Trace) -> None:
        """Answer whoever asks for a part of this trace."""

    def withdraw(self, trace: Trace) -> None:
        """Offer it no longer."""

    def ask(self, account: str, form: str, root: bytes) -> bytes | None:
        """What hashes to `root`, from an account; None if it does not come within some seconds."""

    def on_wake(self, wake: Callable[[], object]) -> None:
        """Have `wake` called, from any thread, when there is reason to look at the chain."""


class NoBus:
    """Says nothing to nobody."""

    shares = False

    def hear(self, kind: type[Message], handler: Handler) -> None:
        """Nothing is heard."""

    def publish(self, message: Message, to: str | None = None) -> None:
        """Not said."""

    def announce(self, announcement: Announcement) -> None:
        """Not said."""

    def know(self, addresses: Iterable[str]) -> None:
        """Of no use."""

    def offer(self, trace: Trace) -> None:
        """Nobody asks."""

    def withdraw(self, trace: Trace) -> None:
        """Nobody asked."""

    def ask(self, account: str, form: str, root: bytes) -> bytes | None:
        """Nobody answers."""
        return None

    def on_wake(self, wake: Callable[[], object]) -> None:
        """Nothing wakes."""
