"""`executor`: serves requests for inference and defends the answers; also asks for one, and takes money out."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from contracts.calls import NOBODY
from contracts.client import FEE_FACTOR
from contracts.command_line import (
    DEVNET,
    address,
    amount,
    configure_logs,
    connect,
    data_directory,
    log_start,
    new_app,
    opened_store,
    read_only,
    run_command,
    run_until_told,
    served,
)
from contracts.devnet_files import URL
from contracts.messages.command_line import BrokerCaOption, BrokerOption, BrokerPasswordFileOption, find_broker, joined
from contracts.money_commands import add_money_commands
from contracts.options import (
    POLICY,
    RUNNING,
    ChainOption,
    ConfigOption,
    ConfirmationsOption,
    DataOption,
    DeploymentOption,
    FeeFactorOption,
    HttpOption,
    IntervalOption,
    KeyOption,
    LogForm,
    LogOption,
    ModelsOption,
    NetworkOption,
    PasswordFileOption,
)
from contracts.outbox import AGENTS_PATIENCE
from contracts.service.feed import Feed
from contracts.shelf import Shelf, TorchRun
from executor import requester
from executor.policy import Policy
from executor.service import ExecutorService

app = new_app("executor")
console = Console(soft_wrap=True, highlight=False)

RequestArgument = Annotated[str, typer.Argument(help="the request's id, as `executor request` printed it")]

EXAMPLES = """\b
Examples:
executor                                   beside `refute devnet`
executor --least-fee 0.01eth --batch 16    for a busy model
executor --delegate 0x1234...              whose `watcher --defend` stands in
"""


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def serve(
    context: typer.Context,
    stake: Annotated[
        str, typer.Option(help="what to have at stake: 50eth, 0.5ether, 500gwei, or wei", rich_help_panel=POLICY)
    ] = "50eth",
    least_fee: Annotated[
        str, typer.Option(help="requests that pay less are left to others", rich_help_panel=POLICY)
    ] = "0",
    least_period: Annotated[
        int, typer.Option(help="requests to be answered in fewer seconds are left to others", rich_help_panel=POLICY)
    ] = 30,
    max_queue: Annotated[
        int,
        typer.Option(help="answers owed at once; more requests are left to others", min=1, rich_help_panel=POLICY),
    ] = 64,
    delegate: Annotated[
        str | None,
        typer.Option(
            help="address that may defend the claims, too: one that runs `watcher --defend`",
            show_default=False,
            rich_help_panel=POLICY,
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="matmul backend; by default the fastest exact one", show_default=False, rich_help_panel=RUNNING
        ),
    ] = None,
    batch: Annotated[
        int,
        typer.Option(
            help="requests for one model to compute in one pass; takes memory", min=1, max=256, rich_help_panel=RUNNING
        ),
    ] = 8,
    chain: ChainOption = URL,
    confirmations: ConfirmationsOption = 0,
    deployment: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    data: DataOption = None,
    interval: IntervalOption = 0.5,
    fee_factor: FeeFactorOption = FEE_FACTOR,
    broker: BrokerOption = None,
    broker_password_file: BrokerPasswordFileOption = None,
    broker_ca: BrokerCaOption = None,
    http: HttpOption = None,
    log: LogOption = LogForm.console,
    config: ConfigOption = None,
    network: NetworkOption = None,
) -> None:
    """Serve requests for every model under --models until interrupted, and defend the answers.

    Without flags it serves the devnet that `refute devnet` started. It deposits up to --stake once; stake that it
    loses is not replaced. It accepts only what it can answer in time and defend to the end: measured speed, queue,
    balance and disk are looked at first. Start it again at any time: what matters is on the chain.

    `refute config executor` shows the effective options, `refute doctor executor` checks them.
    """
    if context.invoked_subcommand is not None:
        return
    configure_logs(log, agent="executor")
    policy = Policy(
        amount(stake, "--stake"),
        amount(least_fee, "--least-fee"),
        least_period,
        batch=batch,
        max_queue=max_queue,
        delegate=NOBODY if delegate is None else address(delegate, "--delegate"),
    )
    client = connect(
        chain,
        deployment,
        key,
        "executor",
        password_file=password_file,
        fee_factor=fee_factor,
        patience=AGENTS_PATIENCE,
    )
    place = data_directory(data, deployment, client, client.address)
    shelf, feed = Shelf(models), Feed()
    found = find_broker(broker, broker_password_file, broker_ca, deployment)
    with opened_store(place, client), joined(found, client, "executor") as bus:
        service = ExecutorService(
            client,
            shelf,
            TorchRun(backend),
            policy,
            interval=interval,
            data=place,
            confirmations=confirmations,
            feed=feed,
            bus=bus,
        )
        log_start(service, client, shelf)
        with served(http, client, shelf, feed):
            run_until_told(service, client.chain.heads)


@app.command(epilog="Example: executor request digits --input build/devnet/digits/0.npy --fee 0.1eth")
def request(
    model: Annotated[str, typer.Argument(help="a model under --models, by name or id")],
    input: Annotated[list[str], typer.Option(help="one file per input (.npy, or raw integers), or a text")],
    fee: Annotated[str, typer.Option(help="what the answer is worth: 0.1eth, 500gwei, or wei")],
    answer_period: Annotated[
        int, typer.Option(help="seconds an executor has once it has accepted", min=1, max=2**32 - 1)
    ] = 600,
    min_stake: Annotated[str, typer.Option(help="the least an executor must have at stake")] = "0",
    only: Annotated[str | None, typer.Option(help="the only address that may accept", show_default=False)] = None,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
) -> None:
    """Ask for an inference; prints the request's id. The fee is in escrow until the answer is final."""
    wei, least = amount(fee, "--fee"), amount(min_stake, "--min-stake")
    client = connect(chain, deployment, key, "requester", password_file=password_file)
    id = requester.ask(client, Shelf(models), model, input, wei, answer_period, least, only)
    console.print(f"request 0x{id.hex()}")


@app.command(epilog="Example: executor result 0x1234...")
def result(
    request: RequestArgument,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
) -> None:
    """Read an answer from the chain, and whether it is final."""
    for line in requester.read(read_only(chain, deployment), Shelf(models), request):
        console.print(line, markup=False)


@app.command(epilog="Example: executor cancel 0x1234...")
def cancel(
    request: RequestArgument,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
) -> None:
    """Take a request back; the fee is credited at once, or when whoever works on it is done."""
    client = connect(chain, deployment, key, "requester", password_file=password_file)
    console.print(requester.cancel(client, request))


add_money_commands(app, "executor")


def main() -> None:
    """Entry point."""
    run_command("executor", app)


if __name__ == "__main__":
    main()
