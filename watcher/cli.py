"""`watcher`: re-runs every claim and disputes the wrong ones; also takes money out."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.client import FEE_FACTOR
from contracts.command_line import (
    DEVNET,
    ChainOption,
    DeploymentOption,
    FeeFactorOption,
    IntervalOption,
    KeyOption,
    LogForm,
    LogOption,
    ModelsOption,
    add_money_commands,
    amount,
    configure_logs,
    connect,
    new_app,
    run_command,
    run_until_told,
)
from contracts.devnet_files import URL
from contracts.errors import WrongSetup
from contracts.outbox import AGENTS_PATIENCE
from contracts.shelf import Shelf, TorchRun
from watcher.decide import Policy
from watcher.service import WatcherService
from watcher.verdict import TwoBackends

app = new_app(None)


@app.callback(invoke_without_command=True)
def watch(
    context: typer.Context,
    stake: Annotated[
        str | None, typer.Option(help="what to have at stake: 10eth, 0.5ether, 500gwei, or wei", show_default=False)
    ] = None,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
    key: KeyOption = None,
    interval: IntervalOption = 0.5,
    fee_factor: FeeFactorOption = FEE_FACTOR,
    log: LogOption = LogForm.console,
) -> None:
    """Re-run every claim until interrupted, and dispute the wrong ones.

    Without further flags it watches the devnet that `refute devnet` started. It deposits up to --stake once; stake
    that it loses is not replaced. A claim of a model that is not under --models is unknown to it: it says so and
    lets it pass. Start it again at any time: what matters is on the chain.
    """
    if context.invoked_subcommand is not None:
        return
    if stake is None:
        raise WrongSetup("there is no --stake; give one of at least the bond of a dispute, such as --stake 10eth")
    configure_logs(log)
    policy = Policy(amount(stake, "--stake"))
    client = connect(chain, deployment, key, "watcher", fee_factor=fee_factor, patience=AGENTS_PATIENCE)
    judge = TwoBackends(TorchRun(), TorchRun(second=True))
    run_until_told(WatcherService(client, Shelf(models), judge, policy, interval=interval))


add_money_commands(app, "watcher")


def main() -> None:
    """Entry point."""
    run_command("watcher", app)


if __name__ == "__main__":
    main()
