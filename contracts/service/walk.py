"""A dispute as the chain tells it: every transaction about it, with the positions before and after, gas and size."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.client import Client
from contracts.ledger import first_position, position_after
from contracts.snapshot import Reason
from prover.game.position import Position


@dataclass(frozen=True)
class Stage:
    """One event of a dispute.

    Attributes:
        event: Challenged, Moved, Resolved or Settled.
        mover: the address that challenged or moved; "" for what the contract says.
        gas: of its transaction; 0 where an earlier stage has counted it.
        size: bytes of the transaction's calldata; 0 likewise.
        opened: what was put on the table.
        challenger_won, reason: of a Resolved.
    """

    event: str
    mover: str
    block: int
    transaction: bytes
    gas: int
    size: int
    before: Position | None
    after: Position | None
    opened: bytes = b""
    deadline: int = 0
    challenger_won: bool = False
    reason: Reason | None = None


def read_stages(client: Client, dispute: bytes, first_block: int, last_block: int | None = None) -> list[Stage]:
    """The stages of a dispute in blocks first .. last (by default the latest), in order; none if it is unknown."""
    last = client.chain.block().number if last_block is None else last_block
    stages: list[Stage] = []
    position: Position | None = None
    counted: set[bytes] = set()
    for log in client.chain.logs(client.deployment.refute, first_block, last):
        event = client.decode(log)
        if event is None or event.arguments.get("dispute") != dispute or event.name not in _SHOWN:
            continue
        a, transaction = event.arguments, bytes(log["transactionHash"])
        # A proof of the output opens a dispute and ends it in one transaction, which is paid for once.
        gas = size = 0
        if transaction not in counted:
            counted.add(transaction)
            gas, size = client.chain.wait(transaction).gas, client.chain.calldata_size(transaction)
        before = position
        if event.name == "Challenged":
            position = first_position(a)
        elif event.name == "Moved" and before is not None:
            position = position_after(before, a)
        resolved = event.name == "Resolved"
        stages.append(
            Stage(
                event.name,
                a.get("mover") or a["challenger"] if event.name in ("Challenged", "Moved") else "",
                log["blockNumber"],
                transaction,
                gas,
                size,
                before,
                position,
                a.get("opened") or b"",
                a.get("deadline") or 0,
                bool(a["challengerWon"]) if resolved else False,
                Reason(a["reason"]) if resolved else None,
            )
        )
    return stages


_SHOWN = frozenset({"Challenged", "Moved", "Resolved", "Settled"})
