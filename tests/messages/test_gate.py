"""The gate: order, freshness and rates, on clocks that the tests move."""

from __future__ import annotations

import time

import pytest
from eth_account.signers.local import LocalAccount

from contracts.messages import gate, kinds
from contracts.messages.envelope import Domain, Reason, Refused
from contracts.messages.gate import Gate
from contracts.messages.topics import SMALL
from tests.messages.party import ACCOUNTS, DOMAIN

NOW = 1_800_000_000
SENDER, OTHER = ACCOUNTS[:2]
TOPICS = DOMAIN.topics
CLAIMED = kinds.Claimed(bytes(32), bytes(32), bytes(32))


class Door:
    """A gate with clocks that stand still."""

    def __init__(self) -> None:
        self.clock, self.ticks = float(NOW), 0.0
        self.gate = Gate(DOMAIN, lambda: self.clock, lambda: self.ticks)

    def knock(
        self,
        seconds: float = 0,
        message: kinds.Message = CLAIMED,
        topic: str | None = None,
        signer: LocalAccount = SENDER,
        domain: Domain = DOMAIN,
    ) -> Reason | None:
        """Send a message with a time that is `seconds` from now; why it is refused."""
        topic = topic or TOPICS.of(message, signer.address, OTHER.address)
        return self.send(topic, domain.seal(signer, topic, int((NOW + seconds) * 1e6), kinds.encode(message)))

    def send(self, topic: str, payload: bytes) -> Reason | None:
        try:
            self.gate.admit(topic, payload)
        except Refused as refused:
            return refused.reason
        return None


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_message_is_admitted_with_its_sender(door: Door) -> None:
    topic = TOPICS.of(CLAIMED, SENDER.address)
    received = door.gate.admit(topic, DOMAIN.seal(SENDER, topic, NOW * 10**6, kinds.encode(CLAIMED)))
    assert (received.sender, received.message, received.group) == (SENDER.address, CLAIMED, None)
    assert (door.gate.admitted, sum(door.gate.refused.values())) == (1, 0)


def test_a_replayed_message_is_refused_and_so_is_one_that_was_overtaken(door: Door) -> None:
    assert door.knock(1) is None
    assert door.knock(1) is Reason.REPLAYED
    assert door.knock(0) is Reason.REPLAYED
    assert door.knock(2) is None
    assert door.knock(1, kinds.Moved(bytes(32), bytes(32), "", "executor", 0, 0)) is None, "another topic"
    assert door.knock(1, signer=OTHER) is None, "another sender"
    assert door.gate.refused == {Reason.REPLAYED: 2}


def test_what_is_not_of_our_time_is_stale(door: Door) -> None:
    assert door.knock(-gate.FRESH - 1) is Reason.STALE
    assert door.knock(gate.FRESH + 1) is Reason.STALE
    assert door.knock(-gate.FRESH + 1) is None
    door.clock += 2 * gate.FRESH
    assert door.knock(0) is Reason.STALE, "kept by somebody and sent again"


def test_a_clock_that_jumps_ahead_and_back_mutes_nobody(door: Door) -> None:
    """Sender and receiver on one machine: what was heard meanwhile is of a time to come."""
    day = 24 * 3600
    assert door.knock(0) is None
    door.clock += day
    assert door.knock(0) is Reason.STALE
    assert door.knock(day) is None
    door.clock -= day
    assert door.knock(day) is Reason.STALE, "a replay of it"
    assert door.knock(1) is None
    assert door.knock(1) is Reason.REPLAYED


def test_only_its_owner_speaks_on_a_topic(door: Door) -> None:
    assert door.knock(topic=TOPICS.of(CLAIMED, OTHER.address)) is Reason.WRONG_SENDER
    report = kinds.Report(())
    assert door.knock(message=report, topic=TOPICS.of(report, OTHER.address, "ops")) is Reason.WRONG_SENDER
    assert door.knock(message=report, topic=TOPICS.of(report, SENDER.address, "ops")) is None


@pytest.mark.parametrize(
    "topic", ["", "refute", "$SYS/broker", TOPICS.root, f"{TOPICS.root}/claims", f"{TOPICS.root}/claims/0x12",
              f"{TOPICS.root}/claims/{SENDER.address.lower()}/more", f"{TOPICS.root}/nothing/{SENDER.address.lower()}",
              f"{TOPICS.root}/groups/a+b/{SENDER.address.lower()}", f"x/{TOPICS.root}/claims/{SENDER.address.lower()}",
              Domain(1, DOMAIN.contract).topics.of(CLAIMED, SENDER.address)],
)  # fmt: skip
def test_topics_of_something_else_are_unknown(door: Door, topic: str) -> None:
    assert door.send(topic, b"") is Reason.UNKNOWN_TOPIC


def test_the_kind_of_a_message_is_its_topics(door: Door) -> None:
    wanted = kinds.Wanted("tree", bytes(32))
    assert door.knock(message=wanted, topic=TOPICS.of(CLAIMED, SENDER.address)) is Reason.MALFORMED


def test_a_message_larger_than_its_channel_takes_is_not_looked_at(door: Door) -> None:
    claims, content = TOPICS.of(CLAIMED, SENDER.address), TOPICS.to(kinds.Content, SENDER.address)
    assert door.send(claims, bytes(SMALL + 1)) is Reason.OVERSIZED
    assert door.send(claims, bytes(SMALL)) is Reason.GARBAGE
    assert door.send(content, bytes(SMALL + 1)) is Reason.GARBAGE
    assert door.send(content, bytes(2 << 20)) is Reason.OVERSIZED
    largest = kinds.Content("tensor", bytes(32), bytes(kinds.MOST_CONTENT))
    assert door.knock(message=largest) is None


def test_strangers_share_an_allowance_and_those_with_a_stake_have_their_own(door: Door) -> None:
    door.gate.known = frozenset({SENDER.address})
    strangers = ACCOUNTS[1:4]
    refused = [door.knock(n / 1000, signer=strangers[n % 3]) for n in range(90)]
    assert refused.count(None) == gate.STRANGERS.burst
    assert set(refused[60:]) == {Reason.TOO_MANY}
    assert door.knock() is None, "they do not hold up who has a stake"
    door.ticks += 1
    refused = [door.knock(1 + n / 1000, signer=strangers[n % 3]) for n in range(30)]
    assert refused.count(None) == gate.STRANGERS.a_second


def test_not_even_who_has_a_stake_may_flood(door: Door) -> None:
    door.gate.known = frozenset({SENDER.address, OTHER.address})
    refused = [door.knock(n / 1000) for n in range(80)]
    assert refused.count(None) == gate.KNOWN.burst
    assert door.knock(signer=OTHER) is None


def test_forged_floods_cost_a_bounded_number_of_checks(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever forges a sender is found out by its signature, so these are what is counted first."""
    checks = []
    monkeypatch.setattr(Domain, "check", lambda *arguments: checks.append(arguments))
    topic = TOPICS.of(CLAIMED, SENDER.address)
    sealed = DOMAIN.seal(SENDER, topic, NOW * 10**6, b"")
    for _ in range(5_000):
        door.send(topic, sealed)
    assert len(checks) == gate.CHECKS.burst


def test_a_forger_does_not_use_up_what_the_forged_may_send(door: Door) -> None:
    topic = TOPICS.of(CLAIMED, SENDER.address)
    late = DOMAIN.seal(SENDER, topic, (NOW + 200) * 10**6, kinds.encode(CLAIMED))
    for _ in range(100):
        assert door.send(topic, late[:-1] + b"\x05") is Reason.WRONG_SIGNATURE
    assert door.knock(1) is None


def test_what_is_remembered_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "REMEMBERED", 3)
    for account in ACCOUNTS[:5]:
        assert door.knock(signer=account) is None
    assert door.knock(signer=ACCOUNTS[4]) is Reason.REPLAYED
    assert door.knock(signer=ACCOUNTS[0]) is None, "forgotten; it can do no more than wake an agent"


def test_a_check_is_as_dear_as_its_limit_assumes() -> None:
    """The rate of checks is for 0.2 ms each, a tenth of a core at most. Ten times are let pass here."""
    door = Door()
    topic = TOPICS.of(CLAIMED, SENDER.address)
    payloads = [DOMAIN.seal(SENDER, topic, NOW * 10**6 + n, kinds.encode(CLAIMED)) for n in range(50)]
    begun = time.process_time()
    for payload in payloads:
        assert door.send(topic, payload) is None
    assert time.process_time() - begun < len(payloads) * 10 * 0.1 / gate.CHECKS.a_second
