"""What the commands of all agents share: connecting, logs, running until told to stop, errors in one line."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
import typer
from eth_utils.address import is_address, to_checksum_address
from rich.console import Console
from typer.models import Default

from contracts import deployment
from contracts.agent import Agent, run
from contracts.amounts import parse_amount
from contracts.chain import Chain
from contracts.client import FEE_FACTOR, Client
from contracts.devnet_files import DevnetFiles
from contracts.errors import WrongSetup
from contracts.keys import load_signer
from contracts.options import LogForm
from contracts.outbox import PATIENCE
from contracts.service.explorer.server import Explorer, HttpServer
from contracts.service.feed import Feed
from contracts.service.lock import DirectoryLock
from contracts.service.log_output import LogOutput
from contracts.service.metrics import count_event
from contracts.service.printable import printable
from contracts.service.progress_log import ProgressLog
from contracts.service.screen import LatestEvents
from contracts.service.store import Store
from contracts.shelf import Shelf
from prover.errors import RefuteError
from prover.progress import told

DEVNET = DevnetFiles()


def new_app(name: str, summary: str | None = None) -> typer.Typer:
    """A command line of this project: no completion, REFUTE_* for every option, and errors for people to read.

    Without a summary, `--help` begins with the docstring of the app's callback.
    """
    return typer.Typer(
        name=name,
        help=summary if summary is not None else Default(None),
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"auto_envvar_prefix": "REFUTE"},
    )


def connect(
    chain: str,
    deployed: Path,
    key: str | None,
    role: str,
    *,
    password_file: Path | None = None,
    fee_factor: float = FEE_FACTOR,
    patience: float = PATIENCE,
) -> Client:
    """The hand of the account that signs for `role`; WrongSetup or ChainUnavailable say what is wrong."""
    signer = load_signer(key, role, DEVNET.keys, password_file)
    connected = Chain.connect(chain)
    return Client(connected, deployment.load(deployed, connected), signer, fee_factor=fee_factor, patience=patience)


def data_directory(given: Path | None, deployed: Path, client: Client, name: str) -> Path:
    """Where an agent keeps its own files: as given, beside a devnet's files, or in the user's data directory.

    `name` tells accounts apart: what is kept belongs to one account on one chain.
    """
    if given is not None:
        return given.expanduser()
    devnet = DevnetFiles(deployed.parent)
    if deployed == devnet.deployment and devnet.keys.exists():
        return devnet.directory / "data" / f"{client.chain.id}-{name}"
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "refute" / f"{client.chain.id}-{name}"


@contextmanager
def opened_store(directory: Path, client: Client) -> Iterator[Store]:
    """The store in a data directory, which no other process may use meanwhile; WrongSetup if one does."""
    lock = DirectoryLock(directory)
    store = Store(directory, f"{client.chain.id} {client.deployment.refute} {client.address}")
    try:
        client.keep_in(store)
        yield store
    finally:
        store.close()
        lock.release()


@contextmanager
def served(http: str | None, client: Client, shelf: Shelf, feed: Feed) -> Iterator[None]:
    """Serve what an agent shows of itself, if it is to; WrongSetup if the address cannot be had."""
    if http is None:
        yield
        return
    server = HttpServer(http, Explorer(client, feed, shelf.program).answer)
    structlog.get_logger().info("http_served", url=server.url)
    try:
        yield
    finally:
        server.close()


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


def address(text: str, option: str) -> str:
    """The checksummed address of an option's value; WrongSetup names the option."""
    if not is_address(text):
        raise WrongSetup(f"{option}: {text!r} is not an address; one has 0x and 40 hexadecimal digits")
    return to_checksum_address(text)


def configure_logs(form: LogForm, events: LatestEvents | None = None, agent: str | None = None) -> None:
    """Events go to standard output: coloured lines on a terminal, or one JSON object a line; or to `events`.

    `agent` stands in every event of a process that is one.
    """
    renderer: structlog.typing.Processor = (
        events
        if events is not None
        else structlog.processors.JSONRenderer()
        if form is LogForm.json
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    output = LogOutput()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            lambda _logger, _method, event: event if agent is None else {"agent": agent, **event},
            count_event,
            structlog.processors.TimeStamper("iso", utc=True),
            structlog.processors.format_exc_info,
            printable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: output,
    )


def log_start(agent: Agent, client: Client, shelf: Shelf) -> None:
    """Say who begins to work, where, and with how many models."""
    agent.log.info(
        "agent_started",
        account=client.account or "none, so nothing is sent",
        chain=client.chain.id,
        node=client.chain.url,
        contract=client.deployment.refute,
        models=len(shelf.ids()),
    )
    if not shelf.ids():
        agent.log.warning("no_models", directory=str(shelf.folder))


def run_until_told(agent: Agent, heads: Sequence[str] = ()) -> None:
    """Run an agent until it has finished, or SIGINT or SIGTERM tells it to stop; it ends between two rounds.

    `heads` are WebSocket URLs whose new blocks wake it.
    """

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await run(agent, stop, heads)

    with told(ProgressLog(agent.log)):
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
