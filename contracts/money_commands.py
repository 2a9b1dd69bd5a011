"""`collect` and `withdraw`: the commands of both agents that take money out."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from contracts import withdrawing
from contracts.command_line import DEVNET, amount, connect
from contracts.devnet_files import URL
from contracts.options import ChainOption, DeploymentOption, KeyOption, PasswordFileOption


def add_money_commands(app: typer.Typer, role: str) -> None:
    """Give an agent's command line `collect` and `withdraw`, for the account that signs for `role`."""
    console = Console(soft_wrap=True, highlight=False)

    @app.command(epilog=f"Example: {role} collect --key keystore.json")
    def collect(
        chain: ChainOption = URL,
        deployment: DeploymentOption = DEVNET.deployment,
        key: KeyOption = None,
        password_file: PasswordFileOption = None,
    ) -> None:
        """Have the account's credits (fees, bonds, rewards) paid out."""
        console.print(withdrawing.collect(connect(chain, deployment, key, role, password_file=password_file)))

    @app.command(epilog=f"Example: {role} withdraw 5eth")
    def withdraw(
        wanted: Annotated[
            str | None, typer.Argument(metavar="AMOUNT", help="stake to take out: 10eth, 500gwei, or wei")
        ] = None,
        chain: ChainOption = URL,
        deployment: DeploymentOption = DEVNET.deployment,
        key: KeyOption = None,
        password_file: PasswordFileOption = None,
    ) -> None:
        """Start to take AMOUNT of free stake out; again, from when it is due, to be paid. Says when that is.

        Stop the agent before, or give it a smaller --stake: it deposits up to that when it is started.
        """
        wei = amount(wanted, "AMOUNT") if wanted is not None else None
        for line in withdrawing.withdraw(connect(chain, deployment, key, role, password_file=password_file), wei):
            console.print(line)
