"""What a person has to look at is published, and an operator who listens sees it, and what else is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from contracts.command_line import configure_logs
from contracts.deployment import DEVNET_PARAMETERS
from contracts.errors import WrongSetup
from contracts.messages import broker, kinds
from contracts.messages.alerts import alert, alerting
from contracts.messages.bus import NoBus
from contracts.messages.checking import inspect
from contracts.messages.embedded import EmbeddedBroker
from contracts.messages.kinds import Alert, Message
from contracts.options import LogForm
from contracts.service.funds import Funds
from contracts.snapshot import AccountView, Snapshot
from deploy import listening
from prover.errors import RefuteError
from tests.messages.mosquitto import Mosquitto, free_port
from tests.messages.party import ACCOUNTS, DOMAIN, Party, eventually


class Wire(NoBus):
    def __init__(self) -> None:
        self.said: list[Message] = []

    def publish(self, message: Message, to: str | None = None) -> None:
        self.said.append(message)


@pytest.fixture
def wire() -> Iterator[Wire]:
    held = Wire()
    with capture_logs(), alerting(held):
        yield held


def test_errors_are_alerts_and_so_are_warnings_that_become_errors(wire: Wire) -> None:
    log = structlog.get_logger().bind(agent="executor")
    log.info("claim_posted")
    log.warning("message_refused")
    log.error("claim_fallen", claim="0x12", level="step")
    log.warning("chain_unavailable", reason="gone")
    assert wire.said == [
        Alert("claim_fallen", "error", '{"agent": "executor", "claim": "0x12", "level": "step"}'),
        Alert("chain_unavailable", "warning", '{"agent": "executor", "reason": "gone"}'),
    ]


def test_an_account_that_runs_low_is_an_alert(wire: Wire) -> None:
    Funds(10, structlog.get_logger()).note(Snapshot(1, 1, 1, DEVNET_PARAMETERS, AccountView("0x12")), 0)
    (said,) = wire.said
    assert isinstance(said, Alert)
    assert (said.event, said.level) == ("balance_low", "warning")


def test_whatever_is_logged_makes_an_alert_that_can_be_sent() -> None:
    event = {"event": "x" * 500, "reason": "é" * 5_000, "path": "\udcff", "bytes": b"\x00", "error": ValueError("no")}
    assert kinds.encode(alert("error", event))


def test_access_keys_in_urls_are_not_told() -> None:
    reason = "no chain answers at https://user:pass@node.example/v3/5ecret?key=5ecret, nor ws://b:1/5ecret; start one"
    told = alert("warning", {"event": "chain_unavailable", "reason": reason, "url": "http://c/5ecret"}).details
    assert "no chain answers at https://node.example, nor ws://b:1; start one" in told
    assert "5ecret" not in told
    assert "pass" not in told


def test_an_agent_that_ends_by_an_error_says_so_last() -> None:
    wire = Wire()
    with pytest.raises(RefuteError), alerting(wire):
        raise RefuteError("two backends disagree")
    assert wire.said == [Alert("agent_ended", "critical", '{"reason": "two backends disagree"}')]


def test_who_listens_sees_what_is_said(embedded: EmbeddedBroker, party: Party) -> None:
    word, stop = bytes(32), threading.Event()
    speaker, other = party.join(embedded.url, 0).connected(), party.join(embedded.url, 1).connected()
    accounts = [ACCOUNTS[0].address]
    with capture_logs() as logs:
        arguments = (broker.read(embedded.url), DOMAIN, [], stop, accounts)
        listener = threading.Thread(target=listening.listen, args=arguments)
        listener.start()
        eventually(lambda: any(event["event"] == "bus_connected" for event in logs))
        for bus in (other.bus, speaker.bus):
            bus.publish(kinds.Claimed(word, word, word))
            bus.publish(kinds.Moved(word, word, "terms", "executor", 7, 8), ACCOUNTS[2].address)
            bus.publish(Alert("claim_fallen", "error", '{"claim": "0x12"}'))
            bus.announce(kinds.Announcement("watcher", (word,), "1"))
        eventually(lambda: len(logs) >= 5)
        stop.set()
        listener.join(10)
    assert {event.get("sender") for event in logs[1:]} == set(accounts)
    heard = {event["event"]: event for event in logs[1:]}
    assert set(heard) == {"claim_told", "move_told", "alert", "agent_announced"}
    assert (heard["alert"]["alert"], heard["alert"]["log_level"]) == ("claim_fallen", "error")
    assert heard["alert"]["details"] == {"claim": "0x12"}
    assert heard["move_told"]["walk_level"] == "terms"
    assert heard["agent_announced"]["models"] == ["0x" + "00" * 32]


def test_what_strangers_say_does_not_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        configure_logs(LogForm.console)
        log, unfinished = structlog.get_logger(), "[" * 2_000
        log.info("agent_announced", software="\x1b]0;owned\x07", models=["\x1b[2J"])
        log.error("alert", details=listening._parsed('{"reason": "\\u001b[2J"}'), text=listening._parsed(unfinished))
        said = capsys.readouterr().out
    finally:
        structlog.configure(**before)
    assert "\\x1b]0;owned\\x07" in said
    assert "\x1b" not in said
    assert unfinished in said


def test_a_channel_that_there_is_not_is_named() -> None:
    with pytest.raises(WrongSetup, match="no channel 'all' to listen to; give one of announcements, claims, moves, al"):
        listening.listen(broker.read("mqtt://nowhere"), DOMAIN, ["all"], threading.Event(), [])


# The check that `refute doctor` makes


def test_a_good_broker_is_described(mosquitto: Mosquitto, embedded: EmbeddedBroker) -> None:
    state = inspect(broker.read(mosquitto.url))
    assert state.new
    assert str(state).startswith(f"{mosquitto.url}: MQTT 5, shared subscriptions, not encrypted, ")
    assert not inspect(broker.read(embedded.url)).new


def test_a_broker_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(WrongSetup, match=r"does not let this agent in: .*refused.*; agents work without one"):
        inspect(broker.read(f"mqtt://127.0.0.1:{free_port()}"))
