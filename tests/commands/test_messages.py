"""The commands' options of messages, as an operator gives them wrong and right; and the devnet's own broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import watcher.cli
from contracts.devnet_files import DevnetFiles
from contracts.messages.command_line import find_broker
from contracts.messages.embedded import EmbeddedBroker
from deploy.devnet import Devnet
from tests.commands.conftest import Commands
from tests.commands.test_processes import connected, started, until
from tests.messages.party import eventually

ADDRESS = "0x" + "12" * 20


@contextmanager
def serving(held: Devnet, broker: EmbeddedBroker) -> Iterator[None]:
    """A devnet that serves meanwhile, in a thread."""
    thread = threading.Thread(target=held.serve, args=(broker,))
    thread.start()
    try:
        eventually(lambda: held.files.read_url() is not None)
        yield
    finally:
        held.server.close()
        thread.join(10)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--broker", "localhost:1883"), "--broker: 'localhost:1883' is not a broker's URL; give one like mqtt://host"),
        (("--broker", "mqtt://a:secret@host"), "put it into REFUTE_BROKER_PASSWORD or --broker-password-file"),
        (("--broker", "mqtt://a@host", "--broker-password-file", "/nowhere"), "/nowhere cannot be read"),
        (("--broker", "mqtts://host", "--broker-ca", "/nowhere"), "/nowhere holds no certificates"),
    ],
)
@pytest.mark.parametrize("command", ["executor", "watcher"])
def test_a_wrong_option_is_one_line(commands: Commands, command: str, options: tuple[str, ...], says: str) -> None:
    assert says in commands.refused(command, "--stake", "20eth", *commands.options(), *options)


def test_a_group_needs_a_broker_and_fellows(commands: Commands) -> None:
    stake = ("--stake", "10eth", *commands.options())
    line = commands.refused("watcher", *stake, "--worker-group", "ops", "--worker", ADDRESS)
    assert "--worker-group needs a --broker" in line
    alone = ("--worker-group", "ops", "--broker", "mqtt://127.0.0.1:1")
    assert "the address of every other worker" in commands.refused("watcher", *stake, *alone)


def test_a_dry_run_is_no_worker_and_says_nothing(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []
    monkeypatch.setattr(watcher.cli, "run_until_told", lambda service, heads: ran.append(service))
    commands.done("watcher", "--dry-run", *commands.options(), "--broker", "mqtt://127.0.0.1:9")
    assert len(ran) == 1, "it needs no account to sign messages with"
    group = ("--worker-group", "ops", "--worker", ADDRESS, "--broker", "mqtt://127.0.0.1:1")
    assert "a dry run has no account" in commands.refused("watcher", "--dry-run", *commands.options(), *group)
    alone = commands.refused("watcher", "--stake", "10eth", *commands.options(), "--worker", ADDRESS)
    assert "give --worker-group NAME" in alone


def test_options_of_messages_have_one_name_everywhere(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "refute.toml").write_text(
        f'broker = "mqtts://a:b@file"\n[watcher]\nworker-group = "ops"\nworker = ["{ADDRESS}"]\n'
    )

    def seen(*flags: str) -> dict[str, dict[str, str]]:
        printed = commands.done("refute", "--config", file, "config", "watcher", "--json", *flags)
        found: dict[str, dict[str, str]] = json.loads(printed)["watcher"]
        return found

    values = seen()
    assert values["broker"] == {"value": "mqtts://***@file", "from": str(file)}
    assert (values["worker-group"]["value"], values["worker"]["value"]) == ("ops", ADDRESS)
    for name in ("broker", "broker-password-file", "broker-ca", "worker-group", "worker"):
        monkeypatch.setenv(f"REFUTE_{name.replace('-', '_').upper()}", "given")
        assert seen()[name] == {"value": "given", "from": "environment"}
        assert seen(f"--{name}", "flag")[name] == {"value": "flag", "from": "flag"}


def test_the_doctor_finds_a_broker_out(commands: Commands, tmp_path: Path) -> None:
    def found(*flags: object) -> dict[str, str]:
        said = commands.call("refute", "doctor", "--json", "watcher", *commands.options(), "--stake", "10eth", *flags)
        finding: dict[str, str] = {f["name"]: f for f in json.loads(said.out)}["watcher's broker"]
        return finding

    assert found()["said"] == "none: it works from the chain alone, which is as safe and slower"
    with EmbeddedBroker() as broker:
        reached = found("--broker", broker.url)
        assert (reached["status"], reached["said"].partition(",")[0]) == ("ok", f"{broker.url}: MQTT 3.1.1")
        (network := tmp_path / "mine.toml").write_text(f'chain = "http://x"\nbroker = "{broker.url}"\n')
        assert found("--network", network)["said"].startswith(f"{broker.url}: MQTT 3.1.1")
    gone = found("--broker", "mqtt://127.0.0.1:9")
    assert (gone["status"], "start it, or put --broker" in gone["remedy"]) == ("warn", True)
    assert found("--broker", "mqtt:")["status"] == "fail"


def test_listening_needs_a_broker(commands: Commands) -> None:
    files = commands.devnet.files
    plain = ("--chain", commands.devnet.server.url, "--deployment", files.deployment)
    assert "there is no broker to listen to; give --broker" in commands.refused("refute", "listen", *plain)
    wrong = commands.refused("refute", "listen", "everything", *plain, "--broker", "mqtt://127.0.0.1:1")
    assert "there is no channel 'everything'" in wrong


def test_a_devnet_says_where_its_broker_is_while_it_serves(tmp_path: Path) -> None:
    files = DevnetFiles(tmp_path / "devnet")
    held = Devnet(files, port=0)
    with EmbeddedBroker() as broker, serving(held, broker):
        found = find_broker(None, None, None, files.deployment)
        assert found is not None
        assert (found.url, found.host) == (broker.url, "127.0.0.1")
        assert find_broker("none", None, None, files.deployment) is None
    assert sorted(path.name for path in files.directory.iterdir()) == ["deployment.json", "keys.json"]
    assert find_broker(None, None, None, files.deployment) is None


def test_an_agent_joins_the_broker_of_its_devnet_without_being_told(tmp_path: Path) -> None:
    held = Devnet(DevnetFiles(tmp_path), port=0)
    with (
        EmbeddedBroker() as broker,
        serving(held, broker),
        started("watcher.cli", "--stake", "10eth", *connected(held), "--log", "json") as process,
    ):
        printed = until(process, "stake_deposited")  # by then it can be told to stop
        printed += "" if "bus_connected" in printed else until(process, "bus_connected")
        process.terminate()
        rest, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    events = [json.loads(line) for line in (printed + rest).splitlines()]
    (joined,) = [event for event in events if event["event"] == "bus_connected"]
    assert (joined["agent"], joined["broker"], joined["mqtt"]) == ("watcher", broker.url, "3.1.1")
    assert events[-1]["event"] == "agent_stopped"
