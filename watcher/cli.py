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
from contracts.messages.command_line import BrokerCaOption, BrokerOption, BrokerPasswordOption, find_broker, joined
from contracts.messages.kinds import Claimed
from contracts.outbox import AGENTS_PATIENCE
from contracts.shelf import Shelf, TorchRun
from watcher.decide import Policy
from watcher.locate import LocatingJudge
from watcher.service import WatcherService
from watcher.team import Group
from watcher.verdict import TwoBackends

app = new_app(None)

GroupOption = Annotated[
    str | None,
    typer.Option(
        "--worker-group",
        envvar="REFUTE_WORKER_GROUP",
        help="name of the group of your watchers that share claims out, over --broker",
        show_default=False,
    ),
]
WorkerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--worker",
        envvar="REFUTE_WORKERS",
        help="address of another watcher of the group; give one for each",
        show_default=False,
    ),
]


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
    broker: BrokerOption = None,
    broker_password_file: BrokerPasswordOption = None,
    broker_ca: BrokerCaOption = None,
    worker_group: GroupOption = None,
    worker: WorkerOption = None,
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
    found = find_broker(broker, broker_password_file, broker_ca, deployment)
    group = Group.of(worker_group, worker or (), client.address) if worker_group is not None else None
    if group is not None and found is None:
        raise WrongSetup("--worker-group needs a --broker, over which its workers talk")
    with joined(found, client, "watcher", hears=(Claimed,), group=worker_group) as bus:
        judge = LocatingJudge(TwoBackends(TorchRun(), TorchRun(second=True)), bus.ask)
        run_until_told(
            WatcherService(client, Shelf(models), judge, policy, interval=interval, bus=bus, group=group),
        )


add_money_commands(app, "watcher")


def main() -> None:
    """Entry point."""
    run_command("watcher", app)


if __name__ == "__main__":
    main()
