"""`refute doctor` and `refute config`: what the agents' options are, where they come from, and what is wrong with them.

Both take the flags of `watcher` and `executor` and read them as those would, from the same files and variables.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import executor.cli
import watcher.cli
from contracts.errors import WrongSetup
from contracts.service.checks import COMMON, PERSONAL
from contracts.service.configuration import effective
from contracts.service.setup import Finding, Setup, Status, examine
from prover.progress_bars import drawn

ROLES = {"watcher": watcher.cli.app, "executor": executor.cli.app}
STYLES = {Status.ok: "green", Status.warn: "yellow", Status.fail: "bold red"}

PASSED_ON = {"ignore_unknown_options": True, "allow_interspersed_args": True}
"""Flags of the agents are not this command's to know."""

AgentArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[watcher|executor] [THEIR OPTIONS]", help="an agent and its flags; by default both agents"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="as JSON, for programs")]


def doctor(context: typer.Context, arguments: AgentArguments = None, as_json: JsonOption = False) -> None:
    """Check everything that an agent needs, and say what to fix. Exit status 1 if anything fails.

    Chain, contracts' code against the artifacts, models, kernels, clock; and per agent key, balance, stake, data,
    broker.
    """
    # What a check logs on the way does not stand between its findings.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    setups = [_setup(role, context) for role, context in _contexts(context, arguments or [])]
    console = Console(soft_wrap=True, highlight=False)
    failed, found = False, []
    with drawn():
        for name, finding in _findings(setups):
            failed = failed or finding.status is Status.fail
            if as_json:
                found.append({**asdict(finding), "name": name})
            else:
                console.print(_line(name, finding))
    if as_json:
        print(json.dumps(found, indent=2))
    if failed:
        raise typer.Exit(1)


def _findings(setups: Sequence[Setup]) -> Iterator[tuple[str, Finding]]:
    """What is common to all once, then what is each one's own; with the names that they are shown under."""
    common: set[tuple[str, Path, Path]] = set()
    for setup in setups:
        if (key := (setup.url, setup.file, setup.models)) not in common:
            common.add(key)
            yield from ((finding.name, finding) for finding in examine(setup, COMMON))
    for setup in setups:
        yield from ((f"{setup.role}'s {finding.name}", finding) for finding in examine(setup, PERSONAL))


def _line(name: str, finding: Finding) -> Text:
    line = Text(f"{finding.status.value:<5}", style=STYLES[finding.status])
    line.append(f"{name:<20} ", style="bold")
    line.append(finding.said, style="default")
    if finding.remedy:
        line.append(f"; {finding.remedy}", style="cyan")
    return line


def config(context: typer.Context, arguments: AgentArguments = None, as_json: JsonOption = False) -> None:
    """Show an agent's effective options and where each comes from: flag, environment, file, network or default.

    No key is shown.
    """
    console = Console(soft_wrap=True, highlight=False)
    found: dict[str, Any] = {}
    for role, parsed in _contexts(context, arguments or []):
        table = Table("option", "value", "from", title=role, title_justify="left", box=None, pad_edge=False)
        for value in effective(parsed):
            table.add_row(Text(value.name), Text(value.shown, overflow="fold"), Text(value.origin))
        found[role] = {v.name: {"value": v.shown, "from": v.origin} for v in effective(parsed)}
        if not as_json:
            console.print(table)
    if as_json:
        print(json.dumps(found, indent=2))


def _contexts(context: typer.Context, arguments: list[str]) -> Iterator[tuple[str, typer.Context]]:
    """The agents that are spoken of, their options parsed as they would parse them."""
    roles, flags = _spoken_of(arguments)
    above = context.parent.params if context.parent is not None else {}
    given = [
        part
        for name in ("config", "network")
        if above.get(name) is not None
        for part in (f"--{name}", str(above[name]))
    ]
    for role in roles:
        command = typer.main.get_command(ROLES[role])
        parsed = command.make_context(role, [*given, *flags])
        for left in (*parsed._protected_args, *parsed.args):
            raise WrongSetup(f"{left!r} is not understood here; name one agent, {' or '.join(ROLES)}, then its flags")
        yield role, parsed  # type: ignore[misc]


def _spoken_of(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The agents and their flags; an agent may be named before or after its flags."""
    for index, part in enumerate(arguments):
        if part in ROLES and not (index and arguments[index - 1].startswith("-") and "=" not in arguments[index - 1]):
            return [part], arguments[:index] + arguments[index + 1 :]
    return list(ROLES), arguments


def _setup(role: str, context: typer.Context) -> Setup:
    options = context.params
    return Setup(
        role,
        options["chain"],
        options["deployment"],
        options["models"],
        options["key"],
        options["password_file"],
        options["data"],
        options["stake"],
        options["broker"],
        options["broker_password_file"],
        options["broker_ca"],
    )
