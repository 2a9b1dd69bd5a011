"""`executor`: serves requests for inference and defends the answers; also asks for one, and takes money out."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

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
    read_only,
    run_command,
    run_until_told,
)
from contracts.devnet_files import URL
from contracts.messages.command_line import BrokerCaOption, BrokerOption, BrokerPasswordOption, find_broker, joined
from contracts.outbox import AGENTS_PATIENCE
from contracts.shelf import Shelf, TorchRun
from executor import requester
from executor.decide import Policy
from executor.service import ExecutorService

app = new_app(__doc__)
console = Console(soft_wrap=True, highlight=False)

RequestArgument = Annotated[str, typer.Argument(help="the request's id, as `executor request` printed it")]


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    stake: Annotated[str, typer.Option(help="what to have at stake: 50eth, 0.5ether, 500gwei, or wei")] = "50eth",
    least_fee: Annotated[str, typer.Option(help="requests that pay less are left to others")] = "0",
    least_period: Annotated[int, typer.Option(help="requests to be answered in fewer seconds are left to others")] = 30,
    backend: Annotated[str | None, typer.Option(help="matmul backend; by default the fastest exact one")] = None,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
    key: KeyOption = None,
    interval: IntervalOption = 0.5,
    fee_factor: FeeFactorOption = FEE_FACTOR,
    broker: BrokerOption = None,
    broker_password_file: BrokerPasswordOption = None,
    broker_ca: BrokerCaOption = None,
    log: LogOption = LogForm.console,
) -> None:
    """Serve requests for every model under --models until interrupted, and defend the answers.

    Without flags it serves the devnet that `refute devnet` started. It deposits up to --stake once; stake that it
    loses is not replaced. Start it again at any time: what matters is on the chain.
    """
    if context.invoked_subcommand is not None:
        return
    configure_logs(log)
    policy = Policy(amount(stake, "--stake"), amount(least_fee, "--least-fee"), least_period)
    client = connect(chain, deployment, key, "executor", fee_factor=fee_factor, patience=AGENTS_PATIENCE)
    found = find_broker(broker, broker_password_file, broker_ca, deployment)
    with joined(found, client, "executor") as bus:
        run_until_told(ExecutorService(client, Shelf(models), TorchRun(backend), policy, interval=interval, bus=bus))


@app.command()
def request(
    model: Annotated[str, typer.Argument(help="a model under --models, by name or id")],
    input: Annotated[list[str], typer.Option(help="one file per input (.npy, or raw integers), or a text")],
    fee: Annotated[str, typer.Option(help="what the answer is worth: 0.1eth, 500gwei, or wei")],
    answer_period: Annotated[
        int, typer.Option(help="seconds an executor has once it has accepted", min=1, max=2**32 - 1)
    ] = 600,
    min_stake: Annotated[str, typer.Option(help="the least an executor must have at stake")] = "0",
    only: Annotated[str | None, typer.Option(help="the only address that may accept")] = None,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
    key: KeyOption = None,
) -> None:
    """Ask for an inference; prints the request's id. The fee is in escrow until the answer is final."""
    wei, least = amount(fee, "--fee"), amount(min_stake, "--min-stake")
    client = connect(chain, deployment, key, "requester")
    id = requester.ask(client, Shelf(models), model, input, wei, answer_period, least, only)
    console.print(f"request 0x{id.hex()}")


@app.command()
def result(
    request: RequestArgument,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    models: ModelsOption = DEVNET.models,
) -> None:
    """Read an answer from the chain, and whether it is final."""
    for line in requester.read(read_only(chain, deployment), Shelf(models), request):
        console.print(line, markup=False)


@app.command()
def cancel(
    request: RequestArgument,
    chain: ChainOption = URL,
    deployment: DeploymentOption = DEVNET.deployment,
    key: KeyOption = None,
) -> None:
    """Take a request back; the fee is credited at once, or when whoever works on it is done."""
    console.print(requester.cancel(connect(chain, deployment, key, "requester"), request))


add_money_commands(app, "executor")


def main() -> None:
    """Entry point."""
    run_command("executor", app)


if __name__ == "__main__":
    main()
