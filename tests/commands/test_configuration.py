"""Where options come from and which goes first, what a configuration file may get wrong, and help that teaches."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import deploy.cli
import executor.cli
import watcher.cli
from contracts.service.configuration import PRESETS, SHARED, flag
from contracts.urls import without_secrets
from tests.commands.conftest import Commands

KEY = "4c0883a69102937d" * 4


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file that is found without being named."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "refute.toml"


def effective(commands: Commands, role: str, *flags: object) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(commands.done("refute", "config", role, "--json", *flags))[role]
    return found


def test_a_flag_goes_before_the_environment_before_the_file_before_the_network_before_the_default(
    commands: Commands, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = file.with_name("mine.toml")
    network.write_text('chain = "http://network"\ndeployment = "mine.json"\nbroker = "mqtt://network"\n')
    file.write_text('chain = "http://file"\ninterval = 2\n[watcher]\nstake = "3eth"\ninterval = 4\n')

    def seen(name: str, *flags: object) -> tuple[str, str]:
        value = effective(commands, "watcher", *flags)[name]
        return value["value"], value["from"]

    given = ("--network", network)
    assert seen("chain") == ("http://file", "refute.toml")
    assert seen("stake") == ("3eth", "refute.toml [watcher]")
    assert seen("interval") == ("4.0", "refute.toml [watcher]"), "an agent's own table goes before the top"
    assert seen("sample") == ("1.0", "default")
    assert seen("deployment", *given) == (str(file.with_name("mine.json")), f"network {network}")
    assert seen("broker", *given) == ("mqtt://network", f"network {network}")
    assert seen("broker", *given, "--broker", "none") == ("none", "flag")
    assert seen("chain", *given) == ("http://file", "refute.toml")
    file.write_text("")
    assert seen("chain", *given) == ("http://network", f"network {network}")
    file.write_text(f'network = "{network}"\n')
    assert seen("chain") == ("http://network", f"network {network}")
    monkeypatch.setenv("REFUTE_CHAIN", "http://environment")
    monkeypatch.setenv("REFUTE_STAKE", "5eth")
    assert seen("chain", *given) == ("http://environment", "environment")
    assert seen("stake") == ("5eth", "environment")
    assert seen("chain", "--chain", "http://flag") == ("http://flag", "flag")


def test_every_command_reads_the_file(commands: Commands, file: Path) -> None:
    held = commands.devnet
    keys = held.files.keys
    file.write_text(
        f'chain = "{held.server.url}"\ndeployment = "{held.files.deployment}"\n[executor]\nkey = "{keys}"\n'
    )
    assert "has no credits to collect" in commands.done("executor", "collect")
    line = commands.refused("watcher", "collect")
    assert "no key was given" in line, "another agent's table is not for this one"
    assert "has no credits to collect" in commands.done("watcher", "--config", file, "collect", "--key", keys)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[watcher]\nstke = 1", "{file} [watcher]: unknown key 'stke'; did you mean 'stake'?"),
        ("fee_factor = 2", "{file}: unknown key 'fee_factor'; did you mean 'fee-factor'?"),
        ("[watchr]\nstake = 1", "{file}: unknown key 'watchr'; did you mean 'watcher'?"),
        ('stake = "1eth"', "{file}: unknown key 'stake'; --stake belongs under [watcher]"),
        ("zzz = 1", "{file}: unknown key 'zzz'; the keys here are chain, confirmations, deployment"),
        ("watcher = 5", "{file}: watcher is a table: write [watcher], and its options below"),
        ('[watcher]\nsample = "some"', "{file} [watcher]: sample is 'some': Input should be a valid number"),
        ("[watcher]\nsample = 2", "{file} [watcher]: sample is 2: "),
        ("chain = true", "{file}: chain takes a value, not true or false"),
        ("[watcher]\ndefend = 1", "{file} [watcher]: defend takes true or false"),
        ('[watcher]\nmodel = "digits"', "{file} [watcher]: model takes a list of values"),
        ("chain = [1]", "{file}: chain takes one value"),
        ('log = "xml"', "{file}: log is 'xml': "),
        ("chain = ", "configuration file {file} is not TOML: "),
        ("\udcff", "configuration file {file} is not TOML: "),
        (f'key = "0x{KEY}"', "{file}: key is a private key itself; put it into a file of its own"),
        ('network = "mainnet"', "there is no network or file 'mainnet'; the networks are devnet"),
    ],
)
def test_what_a_file_gets_wrong_is_one_line_with_its_name_and_the_key(
    commands: Commands, file: Path, content: str, said: str
) -> None:
    file.write_bytes(content.encode(errors="surrogateescape"))
    line = commands.refused("watcher", "--stake", "1eth")
    assert said.format(file=file.name) in line
    assert KEY not in line


def test_a_file_that_is_not_there_is_named(commands: Commands, tmp_path: Path) -> None:
    for given in (("--config", tmp_path / "none.toml"), ("--config", tmp_path)):
        assert f"configuration file {given[1]} cannot be read: " in commands.refused("executor", *given)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('chain = ""', "has no chain; copy it, fill in a node's URL"),
        ('chian = "http://x"', "unknown key 'chian'; did you mean 'chain'?"),
        ("chain = 5", "chain takes a text"),
        ('chain = "http://x"\nbroker = 1883', "broker takes a text"),
    ],
)
def test_what_a_network_gets_wrong(commands: Commands, tmp_path: Path, content: str, said: str) -> None:
    (network := tmp_path / "mine.toml").write_text(content)
    line = commands.refused("watcher", "--network", network, "--stake", "1eth")
    assert f"network {network}" in line
    assert said in line


def test_the_example_network_is_to_be_filled_in_and_the_devnets_is_the_default(commands: Commands, file: Path) -> None:
    assert "has no chain" in commands.refused("watcher", "--network", "example")
    plain = effective(commands, "watcher")
    given = effective(commands, "watcher", "--network", "devnet")
    assert {n: v["value"] for n, v in given.items() if n != "network"} == {
        n: v["value"] for n, v in plain.items() if n != "network"
    }
    assert {path.stem for path in PRESETS.iterdir()} == {"devnet", "example"}


def test_no_key_and_no_password_of_a_url_is_shown(
    commands: Commands, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUTE_KEY", KEY)
    monkeypatch.setenv("REFUTE_CHAIN", "https://me:secret@rpc.example.org/v1")
    out = commands.done("refute", "config")
    assert "https://***@rpc.example.org/v1" in out
    assert "not shown" in out
    assert not {KEY, "secret", "me:"} & set(out.split()), out
    assert KEY not in out
    assert "secret" not in out
    for flags in (("--chain", "http://me:secret@127.0.0.1:1"), ("--key", "http://me:secret@127.0.0.1:1")):
        line = commands.refused("watcher", "--stake", "10eth", *flags)
        assert "http://***@127.0.0.1:1" in line
        assert "secret" not in line
    assert without_secrets("http://127.0.0.1:8545/a@b") == "http://127.0.0.1:8545/a@b"


def test_a_key_on_the_command_line_is_not_taken(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("watcher", "--stake", "10eth"), ("executor", "collect"), ("refute", "deploy", "--file", "x.json")):
        line = commands.refused(*command, "--key", f"0x{KEY}")
        assert "a private key on the command line can be read by everyone on this machine" in line
        assert KEY not in line


def test_what_both_agents_share_is_an_option_of_both() -> None:
    agents = [{flag(p) for p in get_command(app).params} for app in (watcher.cli.app, executor.cli.app)]
    assert all(set(SHARED) <= options for options in agents)


# Help


def commands_of(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands_of(below, (*path, name))


APPS = {"watcher": watcher.cli.app, "executor": executor.cli.app, "refute": deploy.cli.app}
ALL = [found for name, app in APPS.items() for found in commands_of(get_command(app), (name,))]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_help_gives_an_example_that_the_command_understands(
    commands: Commands, path: tuple[str, ...], command: Any
) -> None:
    said = commands.call(path[0], *path[1:], "--help")
    assert said.status == 0
    if not getattr(command, "commands", None) or command.invoke_without_command:
        assert "Example" in said.out
        lines = [line.strip().removeprefix("Example: ") for line in command.epilog.splitlines()]
        examples = [line.split("   ")[0].split() for line in lines if line.startswith(path[0])]
        assert examples
        for example in examples:
            assert tuple(example[: len(path)]) == path
            given = {part for part in example if part.startswith("--")}
            known = {name for _, other in ALL for p in other.params for name in p.opts}
            assert given <= known
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{flag(parameter)} is not explained"


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_help_says_first_what_the_command_does(commands: Commands, path: tuple[str, ...], command: Any) -> None:
    said = " ".join(commands.call(path[0], *path[1:], "--help").out.split())
    function = command.callback
    summary = inspect.getdoc(function).split("\n\n")[0] if function is not None else command.help
    assert " ".join(summary.split()) in said
