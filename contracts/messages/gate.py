"""What is let in: a message passes every check here, in order of what the check costs, or is refused with a reason.

Replays: per sender and topic the time in the envelope has to grow, and it may be no further than `FRESH` seconds from
this machine's clock. What is remembered of topics is bounded; a replay of what was forgotten can do no more than make
an agent look at the chain once, since every message is idempotent.

Floods: the signatures checked a second are bounded whoever claims to send; then each account known from the chain has
an allowance of its own, and all others share one.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from contracts.messages import envelope, kinds
from contracts.messages.envelope import Domain, Envelope, Reason, Refused
from contracts.messages.rates import Bucket, Buckets, Rate, Ticks
from contracts.messages.topics import Topic

FRESH = 300
"""Seconds that a message's time may differ from this machine's: transit, and clocks that are not quite right."""
REMEMBERED = 4096
CHECKS = Rate(500, 1000)
"""Signatures checked, one for each `PORTION` of a message: a tenth of a core at most."""
PORTION = 16 << 10
KNOWN = Rate(20, 60)
STRANGERS = Rate(20, 60)


@dataclass(frozen=True)
class Received:
    """A message that its sender has signed."""

    sender: str
    message: kinds.Message
    group: str | None = None


class Gate:
    """Admits messages of one deployment. `refused` counts the others by reason; not for several threads."""

    def __init__(self, domain: Domain, clock: Callable[[], float] = time.time, ticks: Ticks = time.monotonic) -> None:
        self._domain = domain
        self._clock = clock
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._checks = Bucket(CHECKS, ticks)
        self._known = Buckets(KNOWN, ticks, REMEMBERED)
        self._strangers = Bucket(STRANGERS, ticks)
        self.known: frozenset[str] = frozenset()
        """Addresses that have something at stake, as the chain says."""
        self.refused: Counter[Reason] = Counter()
        self.admitted = 0

    def admit(self, topic: str, payload: bytes) -> Received:
        """The message; Refused, and counted, if any check fails."""
        try:
            received = self._admit(topic, payload)
        except Refused as refused:
            self.refused[refused.reason] += 1
            raise
        self.admitted += 1
        return received

    def _admit(self, topic: str, payload: bytes) -> Received:
        parsed = self._domain.topics.parse(topic)
        if parsed is None:
            raise Refused(Reason.UNKNOWN_TOPIC)
        if len(payload) > parsed.channel.largest:
            raise Refused(Reason.OVERSIZED, f"{len(payload)} bytes")
        held = envelope.parse(payload)
        self._check_sender(held, parsed)
        self._check_time(held, topic)
        if not self._checks.take(1 + len(payload) // PORTION):
            raise Refused(Reason.TOO_MANY, "signatures to check")
        self._domain.check(held, topic)
        allowed = self._known.take(held.sender) if held.sender in self.known else self._strangers.take()
        if not allowed:
            raise Refused(Reason.TOO_MANY, f"from {held.sender}")
        try:
            message = kinds.decode(parsed.channel.kind, envelope.unpack(held.body))
        except kinds.Malformed as error:
            raise Refused(Reason.MALFORMED, str(error)) from error
        self._remember(held, topic)
        return Received(held.sender, message, parsed.group)

    def _check_sender(self, held: Envelope, topic: Topic) -> None:
        if topic.sender is not None and topic.sender != held.sender.lower():
            raise Refused(Reason.WRONG_SENDER, f"{held.sender} on a topic of {topic.sender}")

    def _check_time(self, held: Envelope, topic: str) -> None:
        now = self._clock()
        seconds = held.time / 1_000_000 - now
        if abs(seconds) > FRESH:
            raise Refused(Reason.STALE, f"{-seconds:.0f} s old")
        last = self._last.get((held.sender, topic), -1)
        # What is of a time to come was heard before this machine's clock went back. It would be stale now, too.
        if held.time <= last <= (now + FRESH) * 1_000_000:
            raise Refused(Reason.REPLAYED)

    def _remember(self, held: Envelope, topic: str) -> None:
        """Only what was signed: a stranger cannot shut out a sender, nor fill this memory, in its name."""
        self._last[held.sender, topic] = held.time
        self._last.move_to_end((held.sender, topic))
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
