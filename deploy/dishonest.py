"""Dishonest agents as processes of their own: the honest service with one thing patched.

python -m deploy.dishonest --lie activation      an executor that cheats
python -m deploy.dishonest --lie mistaken        a watcher whose machine computes wrongly
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts import deployment
from contracts.agent import Agent
from contracts.chain import Chain
from contracts.client import Client
from contracts.command_line import amount, configure_logs, new_app, run_command, run_until_told
from contracts.devnet_files import DIRECTORY, URL, DevnetFiles
from contracts.keys import load_account
from contracts.messages.bus import Bus
from contracts.messages.command_line import find_broker, joined
from contracts.options import LogForm
from contracts.shelf import Shelf
from deploy import lies
from executor.policy import Policy
from executor.service import ExecutorService
from prover import model_folder

MISTAKEN = "mistaken"


def main(
    lie: Annotated[str, typer.Option(help=f"one of {', '.join((*lies.LIES, MISTAKEN))}")],
    chain: Annotated[str, typer.Option(help="the chain's URL")] = URL,
    directory: Annotated[Path, typer.Option(help="the devnet's files")] = DIRECTORY,
    smaller: Annotated[Path | None, typer.Option(help="folder of the model to run instead")] = None,
    stake: Annotated[str, typer.Option(help="what to deposit")] = "10eth",
    interval: Annotated[float, typer.Option(help="seconds between looks at the chain")] = 0.05,
) -> None:
    """Cheat, on the devnet."""
    configure_logs(LogForm.console)
    files = DevnetFiles(directory)
    connected = Chain.connect(chain)
    role = "mistaken" if lie == MISTAKEN else "dishonest"
    client = Client(connected, deployment.load(files.deployment, connected), load_account(None, role, files.keys))
    with joined(find_broker(None, None, None, files.deployment), client, role) as bus:
        run_until_told(_agent(lie, client, Shelf(files.models), smaller, amount(stake, "--stake"), interval, bus))


def _agent(
    lie: str, client: Client, shelf: Shelf, smaller: Path | None, stake: int, interval: float, bus: Bus
) -> Agent:
    if lie == MISTAKEN:
        from deploy.mistaken import MistakenWatcher

        return MistakenWatcher(client, shelf, stake, interval)
    make, defend = lies.lie(lie, model_folder.load(smaller) if smaller is not None else None)
    return ExecutorService(client, shelf, make, Policy(stake), defend=defend, interval=interval, bus=bus)


def start() -> None:
    """Entry point."""
    app = new_app("dishonest")
    app.command()(main)
    run_command("dishonest", app)


if __name__ == "__main__":
    start()
