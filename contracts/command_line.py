"""What the commands of all agents share: options, connecting, logs, running until told to stop, errors in one line."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from contracts import deployment, withdrawing
from contracts.agent import Agent, run
from contracts.amounts import parse_amount
from contracts.chain import Chain
from contracts.client import FEE_FACTOR, Client
from contracts.devnet_files import URL, DevnetFiles
from contracts.errors import WrongSetup
from contracts.keys import load_account
from contracts.outbox import PATIENCE
from prover.errors import RefuteError


class LogForm(StrEnum):
    console = "console"
    json = "json"


ChainOption = Annotated[str, typer.Option("--chain", envvar="REFUTE_CHAIN", help="the chain's URL")]
DeploymentOption = Annotated[
    Path, typer.Option("--deployment", envvar="REFUTE_DEPLOYMENT", help="the file that says where the contracts are")
]
ModelsOption = Annotated[
    Path, typer.Option("--models", envvar="REFUTE_MODELS", help="the directory that holds model folders")
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="REFUTE_KEY",
        help="key file or keystore; by default this role's key of the devnet",
        show_default=False,
        show_envvar=True,
    ),
]
IntervalOption = Annotated[float, typer.Option("--interval", help="seconds between looks at the chain", min=0.01)]
FeeFactorOption = Annotated[
    float, typer.Option("--fee-factor", help="the most to offer for gas, in peak gas prices of the deployment", min=0.1)
]
LogOption = Annotated[LogForm, typer.Option("--log", help="how events are written")]

DEVNET = DevnetFiles()


def new_app(summary: str | None) -> typer.Typer:
    """A command line of this project: no completion, and errors that are for people to read."""
    return typer.Typer(help=summary, add_completion=False, pretty_exceptions_enable=False)


def connect(
    chain: str,
    deployed: Path,
    key: str | None,
    role: str,
    *,
    fee_factor: float = FEE_FACTOR,
    patience: float = PATIENCE,
) -> Client:
    """The hand of the account that signs for `role`; WrongSetup or ChainUnavailable say what is wrong."""
    account = load_account(key, role, DEVNET.keys)
    connected = Chain.connect(chain)
    return Client(connected, deployment.load(deployed, connected), account, fee_factor=fee_factor, patience=patience)


def add_money_commands(app: typer.Typer, role: str) -> None:
    """Give an agent's command line `collect` and `withdraw`, for the account that signs for `role`."""
    console = Console(soft_wrap=True, highlight=False)

    @app.command()
    def collect(
        chain: ChainOption = URL, deployment: DeploymentOption = DEVNET.deployment, key: KeyOption = None
    ) -> None:
        """Have the account's credits (fees, bonds, rewards) paid out."""
        console.print(withdrawing.collect(connect(chain, deployment, key, role)))

    @app.command()
    def withdraw(
        wanted: Annotated[
            str | None, typer.Argument(metavar="AMOUNT", help="stake to take out: 10eth, 500gwei, or wei")
        ] = None,
        chain: ChainOption = URL,
        deployment: DeploymentOption = DEVNET.deployment,
        key: KeyOption = None,
    ) -> None:
        """Start to take AMOUNT of free stake out; again, from when it is due, to be paid. Says when that is.

        Stop the agent before, or give it a smaller --stake: it deposits up to that when it is started.
        """
        wei = amount(wanted, "AMOUNT") if wanted is not None else None
        for line in withdrawing.withdraw(connect(chain, deployment, key, role), wei):
            console.print(line)


def read_only(chain: str, deployed: Path) -> Client:
    """A client that looks and never signs."""
    connected = Chain.connect(chain)
    return Client(connected, deployment.load(deployed, connected))


def amount(text: str, option: str) -> int:
    """Wei of an option's value; WrongSetup names the option."""
    try:
        return parse_amount(text)
    except WrongSetup as error:
        raise WrongSetup(f"{option}: {error}") from error


def configure_logs(form: LogForm) -> None:
    """Events go to standard output: coloured lines on a terminal, or one JSON object a line."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form is LogForm.json
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(),
    )


def run_until_told(agent: Agent) -> None:
    """Run an agent until it has finished, or SIGINT or SIGTERM tells it to stop; it ends between two rounds."""

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await run(agent, stop)

    asyncio.run(serve())
    agent.log.info("agent_stopped")


def run_command(name: str, command: Callable[[], object]) -> None:
    """Entry point of a command: every expected error is one line on standard error, and exit status 1."""
    try:
        command()
    except RefuteError as error:
        line = " ".join(f"{name}: {error}".split())
        Console(stderr=True).print(line, style="red", markup=False, soft_wrap=True, highlight=False)
        sys.exit(1)
