"""`watcher`: re-runs every claim and disputes the wrong ones; also takes money out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from contracts.client import FEE_FACTOR, Client
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
from contracts.errors import WrongSetup
from contracts.messages.broker import Broker
from contracts.messages.command_line import (
    MESSAGES,
    BrokerCaOption,
    BrokerOption,
    BrokerPasswordFileOption,
    find_broker,
    joined,
)
from contracts.messages.kinds import Claimed
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
from contracts.service.screen import on_terminal, shown_live
from contracts.shelf import Shelf, TorchRun
from watcher.locate import LocatingJudge
from watcher.policy import Policy, read_secret
from watcher.service import WatcherService
from watcher.team import Group
from watcher.verdict import TwoBackends

app = new_app("watcher")

EXAMPLES = """\b
Examples:
watcher --stake 10eth                          beside `refute devnet`
watcher --stake 10eth --sample 0.2 --defend    a fifth, and who relies on it
watcher --stake 10eth --live                   on one screen
watcher --dry-run --network mine.toml          what it would do, without a key
"""

GroupOption = Annotated[
    str | None,
    typer.Option(
        help="name of the group of your watchers that share claims out, over --broker",
        show_default=False,
        rich_help_panel=MESSAGES,
    ),
]
WorkerOption = Annotated[
    list[str] | None,
    typer.Option(
        help="address of another watcher of the group; give one for each (REFUTE_WORKER: with spaces between)",
        show_default=False,
        rich_help_panel=MESSAGES,
    ),
]


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def watch(
    context: typer.Context,
    stake: Annotated[
        str | None,
        typer.Option(
            help="what to have at stake: 10eth, 0.5ether, 500gwei, or wei", show_default=False, rich_help_panel=POLICY
        ),
    ] = None,
    sample: Annotated[
        float,
        typer.Option(
            help="share of the claims to verify, drawn with a secret of this watcher",
            min=0,
            max=1,
            rich_help_panel=POLICY,
        ),
    ] = 1.0,
    model: Annotated[
        list[str] | None,
        typer.Option(help="verify only this model, by name or id; may be given several times", rich_help_panel=POLICY),
    ] = None,
    not_model: Annotated[
        list[str] | None, typer.Option(help="never verify this model; several times", rich_help_panel=POLICY)
    ] = None,
    executor: Annotated[
        list[str] | None,
        typer.Option(help="verify only this executor's claims, by address; several times", rich_help_panel=POLICY),
    ] = None,
    not_executor: Annotated[
        list[str] | None,
        typer.Option(help="never verify this executor's claims; several times", rich_help_panel=POLICY),
    ] = None,
    defend: Annotated[
        bool,
        typer.Option(
            "--defend",
            help="move for executors that named this account as delegate, when they are late",
            rich_help_panel=POLICY,
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what it would do; needs no key", rich_help_panel=POLICY)
    ] = False,
    parallel: Annotated[
        int,
        typer.Option(help="claims to verify at once, each with its own memory", min=1, max=64, rich_help_panel=RUNNING),
    ] = 1,
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
    worker_group: GroupOption = None,
    worker: WorkerOption = None,
    http: HttpOption = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="show everything on one screen of the terminal, instead of a log", rich_help_panel=RUNNING
        ),
    ] = False,
    log: LogOption = LogForm.console,
    config: ConfigOption = None,
    network: NetworkOption = None,
) -> None:
    """Re-run every claim until interrupted, and dispute the wrong ones.

    Without further flags it watches the devnet that `refute devnet` started. It deposits up to --stake once; stake
    that it loses is not replaced; rewards are collected as they come. A claim of a model that is not under --models is
    unknown to it: it says so and lets it pass. Start it again at any time: what matters is on the chain.

    `refute config watcher` shows the effective options, `refute doctor watcher` checks them.
    """
    if context.invoked_subcommand is not None:
        return
    if stake is None and not dry_run:
        raise WrongSetup("there is no --stake; give one of at least the bond of a dispute, such as --stake 10eth")
    events = on_terminal(live, "watcher")
    configure_logs(log, events, agent="watcher")
    client = _client(dry_run, chain, deployment, key, password_file, fee_factor)
    shelf, place = Shelf(models), data_directory(data, deployment, client, client.account or "dry-run")
    bond = client.deployment.parameters.challenger_bond
    policy = Policy(
        stake=bond if stake is None else amount(stake, "--stake"),
        sample=sample,
        secret=read_secret(place) if sample < 1 else b"",
        models=frozenset(map(shelf.resolve, model or ())),
        refused_models=frozenset(map(shelf.resolve, not_model or ())),
        executors=frozenset(address(text, "--executor") for text in executor or ()),
        refused_executors=frozenset(address(text, "--not-executor") for text in not_executor or ()),
        defend=defend,
    )
    feed = Feed()
    # What cannot sign cannot speak.
    found = None if dry_run else find_broker(broker, broker_password_file, broker_ca, deployment)
    group = _group(worker_group, worker or (), client, found)
    with (
        nullcontext() if dry_run else opened_store(place, client) as store,
        joined(found, client, "watcher", hears=(Claimed,), group=worker_group) as bus,
    ):
        judge = LocatingJudge(TwoBackends(TorchRun(), TorchRun(second=True)), bus.ask)
        service = WatcherService(
            client,
            shelf,
            judge,
            policy,
            interval=interval,
            parallel=parallel,
            store=store,
            confirmations=confirmations,
            feed=feed,
            bus=bus,
            group=group,
        )
        log_start(service, client, shelf)
        with served(http, client, shelf, feed), shown_live(feed, events):
            run_until_told(service, client.chain.heads)


def _group(name: str | None, others: Sequence[str], client: Client, found: Broker | None) -> Group | None:
    """The workers that claims are shared out among; None: this watcher checks all that its policy wants."""
    if name is None:
        if others:
            raise WrongSetup("--worker names a fellow, but there is no group; give --worker-group NAME, too")
        return None
    if client.account is None:
        raise WrongSetup("--worker-group: a dry run has no account, and so is no worker of a group; leave it out")
    if found is None:
        raise WrongSetup("--worker-group needs a --broker, over which its workers talk")
    return Group.of(name, others, client.account)


def _client(
    dry_run: bool, chain: str, deployment: Path, key: str | None, password_file: Path | None, fee_factor: float
) -> Client:
    """Without an account for a dry run: what cannot sign sends nothing."""
    if dry_run:
        return read_only(chain, deployment)
    return connect(
        chain,
        deployment,
        key,
        "watcher",
        password_file=password_file,
        fee_factor=fee_factor,
        patience=AGENTS_PATIENCE,
    )


add_money_commands(app, "watcher")


def main() -> None:
    """Entry point."""
    run_command("watcher", app)


if __name__ == "__main__":
    main()
