"""Dishonest agents as processes of their own: the honest service with one thing patched.

python -m deploy.dishonest --lie activation      an executor that cheats
python -m deploy.dishonest --lie mistaken        a watcher whose machine computes wrongly
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from contracts import deployment
from contracts.agent import Agent, run
from contracts.amounts import parse_amount
from contracts.chain import Chain
from contracts.client import Client
from contracts.keys import load_account
from contracts.shelf import Shelf
from deploy import devnet, lies
from executor.decide import Policy
from executor.service import ExecutorService
from prover import model_folder
from prover.errors import RefuteError

MISTAKEN = "mistaken"


def main(
    lie: Annotated[str, typer.Option(help=f"one of {', '.join((*lies.LIES, MISTAKEN))}")],
    chain: Annotated[str, typer.Option(help="the chain's URL")] = f"http://127.0.0.1:{devnet.PORT}",
    directory: Annotated[Path, typer.Option(help="the devnet's files")] = devnet.DIRECTORY,
    smaller: Annotated[Path | None, typer.Option(help="folder of the model to run instead")] = None,
    stake: Annotated[str, typer.Option(help="what to deposit")] = "10eth",
    interval: Annotated[float, typer.Option(help="seconds between looks at the chain")] = 0.05,
) -> None:
    """Cheat, on the devnet."""
    files = devnet.Files(directory)
    connected = Chain.connect(chain)
    role = "mistaken" if lie == MISTAKEN else "dishonest"
    client = Client(connected, deployment.load(files.deployment, connected), load_account(None, role, files.keys))
    agent = _agent(lie, client, Shelf(files.models), smaller, parse_amount(stake), interval)
    asyncio.run(_until_told(agent))


def _agent(lie: str, client: Client, shelf: Shelf, smaller: Path | None, stake: int, interval: float) -> Agent:
    if lie == MISTAKEN:
        from deploy.mistaken import MistakenWatcher

        return MistakenWatcher(client, shelf, stake, interval)
    make, defend = lies.lie(lie, model_folder.load(smaller) if smaller is not None else None)
    return ExecutorService(client, shelf, make, Policy(stake), defend=defend, interval=interval)


async def _until_told(agent: Agent) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(agent, stop)


def start(arguments: Sequence[str] | None = None) -> None:
    """Entry point: an expected error is one line and exit status 1."""
    try:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(main)
        app(arguments)
    except RefuteError as error:
        print(f"dishonest: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    start()
