"""The options that the commands of all agents share, and the panels of `--help` that they stand in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import WrongSetup
from contracts.keys import is_key
from contracts.service.configuration import take_config, take_network


class LogForm(StrEnum):
    console = "console"
    json = "json"


NETWORK, KEYS, RUNNING = "Network", "Keys and data", "Running"
POLICY, OTHERS = "Policy", "Settings for all commands"
"""Panels of `--help`."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="REFUTE_CONFIG",
        help="TOML file with options under their flags' names; refute.toml, if there is one",
        is_eager=True,
        callback=take_config,
        show_default=False,
        rich_help_panel=OTHERS,
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        envvar="REFUTE_NETWORK",
        help="a preset by name (devnet), or its file: where the chain and the contracts are",
        is_eager=True,
        callback=take_network,
        show_default=False,
        rich_help_panel=OTHERS,
    ),
]
ChainOption = Annotated[
    str,
    typer.Option(
        "--chain",
        envvar="REFUTE_CHAIN",
        help="the chain's URL; better several, separated by commas: the next answers when one does not, and they are "
        "compared. A ws:// URL among them announces new blocks",
        rich_help_panel=NETWORK,
    ),
]
ConfirmationsOption = Annotated[
    int,
    typer.Option(
        help="blocks that a request or claim must be in before money is put on it", min=0, rich_help_panel=NETWORK
    ),
]
DeploymentOption = Annotated[
    Path,
    typer.Option(
        "--deployment",
        envvar="REFUTE_DEPLOYMENT",
        help="the file that says where the contracts are",
        rich_help_panel=NETWORK,
    ),
]
ModelsOption = Annotated[
    Path,
    typer.Option(
        "--models", envvar="REFUTE_MODELS", help="the directory that holds model folders", rich_help_panel=KEYS
    ),
]


def _require_hidden(context: typer.Context, parameter: typer.CallbackParam, given: str | None) -> str | None:
    """Command lines are in process lists and shell histories: a key is not taken from one."""
    source = context.get_parameter_source(parameter.name or "")
    if given is not None and source is not None and source.name == "COMMANDLINE" and is_key(given):
        raise WrongSetup(
            "--key: a private key on the command line can be read by everyone on this machine, so it is not taken; "
            "treat it as known, make another with `refute keys new FILE`, and give --key FILE or REFUTE_KEY"
        )
    return given


KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="REFUTE_KEY",
        help="key file, keystore, or URL of a remote signer (with #ADDRESS); by default this role's key of the devnet",
        show_default=False,
        show_envvar=True,
        callback=_require_hidden,
        rich_help_panel=KEYS,
    ),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        envvar="REFUTE_PASSWORD_FILE",
        help="file whose first line opens the keystore; otherwise REFUTE_PASSWORD, or a prompt",
        show_default=False,
        rich_help_panel=KEYS,
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="REFUTE_DATA",
        help="the agent's own files; by default beside the devnet's, else ~/.local/share/refute/CHAIN-ACCOUNT",
        show_default=False,
        rich_help_panel=KEYS,
    ),
]
IntervalOption = Annotated[
    float, typer.Option("--interval", help="seconds between looks at the chain", min=0.01, rich_help_panel=RUNNING)
]
FeeFactorOption = Annotated[
    float,
    typer.Option(
        "--fee-factor",
        help="the most to offer for gas, in peak gas prices of the deployment",
        min=0.1,
        rich_help_panel=RUNNING,
    ),
]
HttpOption = Annotated[
    str | None,
    typer.Option(
        "--http",
        help="HOST:PORT to serve the explorer, /metrics, /healthz and /readyz at; a port alone is on loopback",
        show_default=False,
        rich_help_panel=RUNNING,
    ),
]
LogOption = Annotated[LogForm, typer.Option("--log", help="how events are written", rich_help_panel=RUNNING)]
