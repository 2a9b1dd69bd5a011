"""Where options come from: a flag, the environment, a TOML file, a network's preset, a default; the first that has one.

The file's keys are the flags' names. Those that both agents share may stand at its top, all may stand in the table of
the command they are for, which goes first:

    chain = "https://..."
    [watcher]
    stake = "10eth"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from contracts.errors import WrongSetup
from contracts.keys import is_key
from contracts.urls import without_secrets

DEFAULT_FILE = Path("refute.toml")
SECTIONS = ("watcher", "executor")
SHARED = (
    *("chain", "confirmations", "deployment", "models", "network"),
    *("key", "password-file", "data", "interval", "fee-factor", "log"),
    *("broker", "broker-password-file", "broker-ca"),
)
"""Options of both agents, which may stand at the top of the file."""

PRESETS = Path(__file__).parent.parent / "networks"
PRESET_KEYS = ("chain", "deployment", "models", "broker")
_PATHS = ("deployment", "models")

_CONFIG, _NETWORK, _ORIGINS = "refute.config", "refute.network", "refute.origins"


@dataclass(frozen=True)
class Value:
    """An option's effective value, as it may be shown, and where it comes from."""

    name: str
    shown: str
    origin: str


# Options of every command line


def take_config(context: typer.Context, file: Path | None) -> Path | None:
    """Callback of --config: read the file, and have its values stand in for flags that are not given."""
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    context.meta[_CONFIG] = _read(file) if file is not None else {}, file
    _apply(context)
    return file


def take_network(context: typer.Context, network: str | None) -> str | None:
    """Callback of --network: the same with a preset, for what the file does not say either."""
    context.meta[_NETWORK] = _preset(network) if network is not None else {}, network
    if _CONFIG in context.meta:
        _apply(context)
    return network


def _apply(context: typer.Context) -> None:
    """Both callbacks come here, since a person may give their flags in any order."""
    command, (content, file) = context.command, context.meta[_CONFIG]
    preset, network = context.meta.get(_NETWORK, ({}, None))
    values: dict[str, Any] = dict(preset)
    origins = dict.fromkeys(preset, f"network {network}")
    for name, table in _tables(command, content, file):
        values.update(table)
        origins.update(dict.fromkeys(table, f"{file}{name}"))
    context.meta[_ORIGINS] = origins
    context.default_map = _defaults(context, command, values, origins)


def _tables(command: Any, content: Mapping[str, Any], file: Path | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a file says to a command: its top and the command's own table, each key known."""
    for section in SECTIONS:
        if not isinstance(content.get(section, {}), dict):
            raise WrongSetup(f"{file}: {section} is a table: write [{section}], and its options below")
    own = set(SHARED) | {flag(p) for p in command.params} - {"help", "config"}
    for key in content:
        if key not in SHARED and key not in SECTIONS:
            elsewhere = f"; --{key} belongs under [{command.name}]" if key in own and command.name in SECTIONS else ""
            raise WrongSetup(f"{file}: unknown key {key!r}{elsewhere or _suggestion(key, [*SHARED, *SECTIONS])}")
    yield "", {key: value for key, value in content.items() if key not in SECTIONS}
    table = content.get(command.name, {})
    for key in table:
        if key not in own:
            raise WrongSetup(f"{file} [{command.name}]: unknown key {key!r}{_suggestion(key, sorted(own))}")
    yield f" [{command.name}]", table


def _suggestion(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key.replace("_", "-").lower(), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; the keys here are {', '.join(known)}"


def _defaults(context: typer.Context, command: Any, values: Mapping[str, Any], origins: Mapping[str, str]) -> Any:
    """The default map of a command and of those below it."""
    found: dict[str, Any] = {}
    for parameter in command.params:
        name = flag(parameter)
        if name in values:
            _check(context, parameter, values[name], f"{origins[name]}: {name}")
            found[parameter.name] = values[name]
    for name, below in getattr(command, "commands", {}).items():
        found[name] = _defaults(context, below, values, origins)
    return found


def _check(context: typer.Context, parameter: Any, value: object, where: str) -> None:
    several, switch = bool(getattr(parameter, "multiple", False)), bool(getattr(parameter, "is_flag", False))
    if isinstance(value, dict) or isinstance(value, list) != several:
        raise WrongSetup(f"{where} takes {'a list of values' if several else 'one value'}")
    if isinstance(value, bool) != switch:
        raise WrongSetup(f"{where} takes {'true or false' if switch else 'a value, not true or false'}")
    if parameter.name == "key" and isinstance(value, str) and is_key(value):
        raise WrongSetup(f"{where} is a private key itself; put it into a file of its own (`refute keys new FILE`)")
    if parameter.is_eager:  # its callback, which checks it, is what brought us here
        return
    try:
        parameter.process_value(context, value)
    except typer.BadParameter as error:
        raise WrongSetup(f"{where} is {value!r}: {error.message.rstrip('.')}") from error


# Files


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise WrongSetup(f"configuration file {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise WrongSetup(f"configuration file {file} is not TOML: {error}") from error


def _preset(network: str) -> dict[str, Any]:
    """A network by its name or its file; paths in it are seen from a file's directory."""
    named = {path.stem: path for path in sorted(PRESETS.glob("*.toml"))}
    file = named.get(network, Path(network))
    if network not in named and not file.exists():
        names = ", ".join(name for name in named if name != "example")
        raise WrongSetup(f"--network: there is no network or file {network!r}; the networks are {names}")
    content = _read(file)
    for key, value in content.items():
        if key not in PRESET_KEYS:
            raise WrongSetup(f"network {file}: unknown key {key!r}{_suggestion(key, PRESET_KEYS)}")
        if not isinstance(value, str):
            raise WrongSetup(f"network {file}: {key} takes a text")
    if not content.get("chain"):
        raise WrongSetup(f"network {file} has no chain; copy it, fill in a node's URL, and give --network FILE")
    if network not in named:
        content |= {key: str(file.parent / content[key]) for key in _PATHS if key in content}
    return content


# Looking at it


def flag(parameter: Any) -> str:
    """An option's name as it stands in a file: that of its longest flag."""
    return str(max(parameter.opts, key=len)).removeprefix("--")


def effective(context: typer.Context) -> Iterator[Value]:
    """Every option of a command that was parsed, by name. No key and no password of a URL is ever shown."""
    origins = context.meta.get(_ORIGINS, {})
    for parameter in sorted(context.command.params, key=flag):
        name, source = flag(parameter), context.get_parameter_source(parameter.name)
        if source is None or name == "help":
            continue
        origin = {
            "COMMANDLINE": "flag",
            "ENVIRONMENT": "environment",
            "DEFAULT_MAP": origins.get(name, ""),
        }.get(source.name, "default")
        yield Value(name, shown(name, context.params.get(parameter.name)), origin)


def shown(name: str, value: object) -> str:
    """A value for a person to read."""
    if value is None or value == () or value == []:
        return "not set"
    if isinstance(value, list | tuple):
        return ", ".join(shown(name, item) for item in value)
    text = str(value.value if hasattr(value, "value") else value)
    if name == "key" and not (text.startswith("http") or Path(text).expanduser().exists()):
        return "not shown"
    return without_secrets(text)
