"""Taking money out of the contract: credits at once, stake after the withdrawal delay. In words for a person."""

from __future__ import annotations

from collections.abc import Iterator

from contracts import calls
from contracts.amounts import format_amount
from contracts.client import Client
from contracts.errors import WrongSetup
from contracts.moments import moment


def collect(client: Client) -> str:
    """Have the account's credits paid out; what happened."""
    credits = client.view("creditsOf", client.address)
    if credits == 0:
        return f"{client.address} has no credits to collect"
    client.transact(calls.collect())
    return f"{format_amount(credits)} collected by {client.address}"


def withdraw(client: Client, amount: int | None) -> Iterator[str]:
    """Finish the withdrawal that is due, and start one of `amount` wei; what happened, line by line.

    Without an amount it only finishes. WrongSetup if there is nothing to finish, or less free stake than `amount`.
    """
    free, locked, leaving, due = client.view("accountOf", client.address)
    now = client.chain.block().timestamp
    if amount is None and leaving == 0:
        raise WrongSetup(
            f"no stake is leaving; {format_amount(free)} are free and {format_amount(locked)} locked: give the amount "
            "to withdraw"
        )
    if amount is not None and amount > free:
        raise WrongSetup(
            f"{format_amount(amount)} cannot leave: {format_amount(free)} are free, {format_amount(locked)} are locked "
            "in work that is not over"
        )
    if leaving > 0 and due <= now:
        client.transact(calls.withdraw())
        yield f"{format_amount(leaving)} paid to {client.address}"
        leaving = 0
    if amount is not None:
        if leaving > 0:
            yield f"{format_amount(leaving)} that were leaving already wait again, with these"
        done = client.transact(calls.start_withdrawal(amount))
        due, leaving = done.event("WithdrawalStarted").arguments["due"], leaving + amount
        now = client.chain.block().timestamp
    if leaving > 0:
        yield f"{format_amount(leaving)} leave at {moment(due, now)}; run `withdraw` again from then on"
