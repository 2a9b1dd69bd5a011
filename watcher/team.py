"""Shares claims out among the workers of one operator, so that each is verified by one of them.

Where the broker has shared subscriptions, each worker hears of some of the claims, and checks those at once. A claim
that nobody hears of, or that the one who did has not agreed with in time, is the others' in an order that differs from
claim to claim and that each computes alike. In doubt a claim is checked twice. One that no fellow agrees with is
checked by every worker that is alive before half of its window is over, whatever messages say or do not say: only a
fellow's signed word that it agrees keeps a worker from looking.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog
from eth_utils.address import is_address, to_checksum_address
from structlog.typing import FilteringBoundLogger

from contracts.errors import WrongSetup
from contracts.messages.bus import Bus
from contracts.messages.gate import Received
from contracts.messages.kinds import MOST_CLAIMS, Claimed, Report
from contracts.messages.rates import Ticks
from contracts.messages.topics import GROUP_NAME
from contracts.snapshot import ClaimStatus, ClaimView, Snapshot
from prover.merkle import keccak
from watcher.verdict import Agrees, Verdict

TURN = 30.0
"""Seconds that a worker has to agree with a claim before it is the next one's turn."""
BEAT = 5.0
"""Seconds between two reports of a worker."""
INBOX = 1024
"""Messages kept between two rounds, the latest ones."""
SILENT = 15.0
"""Seconds without a report after which a worker is taken for dead."""


@dataclass(frozen=True)
class Group:
    """The workers of one operator: a name, and the accounts of them all."""

    name: str
    accounts: frozenset[str]

    @classmethod
    def of(cls, name: str, others: Iterable[str], me: str) -> Group:
        """A group as an operator names it: the addresses of the workers other than `me`."""
        if GROUP_NAME.fullmatch(name) is None:
            raise WrongSetup(f"--worker-group: {name!r} is not a name of at most 32 letters, digits, - and _")
        for other in others:
            if not is_address(other):
                raise WrongSetup(f"--worker: {other!r} is not an address; one has 0x and 40 hexadecimal digits")
        accounts = frozenset(map(to_checksum_address, others))
        if not accounts - {me}:
            raise WrongSetup("--worker-group needs the address of every other worker, to believe only them: --worker")
        return cls(name, accounts | {me})


class Team:
    """One worker's view of its group.

    Args:
        me: its own account.
    """

    def __init__(
        self,
        group: Group,
        me: str,
        bus: Bus,
        ticks: Ticks = time.monotonic,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        self._group = group
        self._me = me
        self._bus = bus
        self._ticks = ticks
        self._log = log or structlog.get_logger()
        self._inbox: deque[Received] = deque(maxlen=INBOX)
        # A worker that starts lets the others say first what they have done.
        self._heard = dict.fromkeys(group.accounts - {me}, ticks())
        self._live = sorted(self._heard)
        self._seen: dict[bytes, float] = {}
        self._given: dict[bytes, float] = {}
        self._agreed: dict[bytes, float] = {}
        self._reported: tuple[bytes, ...] = ()
        self._next_report = float("-inf")
        bus.hear(Report, self._hear)
        bus.hear(Claimed, self._hear)

    def _hear(self, received: Received) -> None:
        """Keep what a round is to look at; it may be long until then."""
        if isinstance(received.message, Claimed) or self._is_fellow(received):
            self._inbox.append(received)

    def left(self, snapshot: Snapshot, verdicts: Mapping[bytes, Verdict]) -> frozenset[bytes]:
        """The claims that are not this worker's to check, now or at all; tells the others what it agrees with."""
        now = self._ticks()
        self._read(now)
        pending = {c.id: c for c in snapshot.claims.values() if c.status is ClaimStatus.PENDING}
        self._seen = {claim: self._seen.get(claim, now) for claim in pending}
        for heard in (self._given, self._agreed):
            # Word may come before the claim itself is seen here; most of what never comes is made up.
            for claim in [c for c, at in heard.items() if c not in pending and now - at > SILENT]:
                del heard[claim]
        self._report(tuple(c for c in pending if isinstance(verdicts.get(c), Agrees))[-MOST_CLAIMS:], now)
        live = self._note_live(now)
        return frozenset(
            claim
            for claim, view in pending.items()
            if claim in self._agreed or not self._is_due(view, snapshot, live, now)
        )

    def _note_live(self, now: float) -> list[str]:
        """The fellows that are at work, in order; says who has fallen silent and who is back."""
        before, self._live = self._live, sorted(f for f, heard in self._heard.items() if now - heard < SILENT)
        for fellow in set(before) - set(self._live):
            self._log.warning("fellow_silent", fellow=fellow)
        for fellow in set(self._live) - set(before):
            self._log.info("fellow_heard", fellow=fellow)
        return self._live

    def _is_due(self, claim: ClaimView, snapshot: Snapshot, live: list[str], now: float) -> bool:
        if not live or claim.id in self._given:
            return True
        if claim.window_end - snapshot.timestamp <= snapshot.parameters.window // 2:
            return True
        order = sorted([*live, self._me], key=lambda worker: keccak(claim.id, worker.encode()))
        turns = order.index(self._me) + (1 if self._bus.shares else 0)
        return now - self._seen[claim.id] >= turns * TURN

    def _read(self, now: float) -> None:
        while self._inbox:
            received = self._inbox.popleft()
            if isinstance(received.message, Claimed):
                if self._bus.shares:
                    self._given[received.message.claim] = now
            elif isinstance(received.message, Report):
                self._heard[received.sender] = now
                self._agreed |= dict.fromkeys(received.message.agreed, now)

    def _is_fellow(self, received: Received) -> bool:
        return received.group == self._group.name and received.sender in self._heard

    def _report(self, agreed: tuple[bytes, ...], now: float) -> None:
        if agreed != self._reported or now >= self._next_report:
            self._reported, self._next_report = agreed, now + BEAT
            self._bus.publish(Report(agreed), self._group.name)
