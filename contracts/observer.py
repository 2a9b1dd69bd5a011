"""Builds one consistent snapshot of the protocol at one block, reading only what is new since the last."""

from __future__ import annotations

from dataclasses import replace

import structlog
from web3.types import LogReceipt

from contracts.abi import Event
from contracts.chain import Block
from contracts.client import Client
from contracts.errors import ChainUnavailable
from contracts.ledger import Ledger, UnknownSubject
from contracts.snapshot import AccountView, Snapshot

_ATTEMPTS = 5
_ENTERING = {"Requested": "request", "Claimed": "claim"}
"""What an event brings into the world, by the name of its argument."""
_log = structlog.get_logger()


class Observer:
    """Follows a deployment for one account; without an account nobody's money is looked at.

    Requests and claims in fewer than `confirmations` blocks are `shallow` in its snapshots.
    """

    def __init__(self, client: Client, account: str | None = None, confirmations: int = 0) -> None:
        self._client = client
        self._account = account
        self._confirmations = confirmations
        self._entered: dict[bytes, int] = {}
        """The block of each request and claim that is not deep yet."""
        self._ledger = Ledger()
        self._read: Block | None = None
        """The last block whose logs are in the ledger; the snapshot is of it."""
        self._snapshot: Snapshot | None = None
        self.turns = 0
        """How often the chain was found to have gone back behind what was read of it."""

    def observe(self) -> Snapshot:
        """The state at the latest block. ChainUnavailable if the chain does not answer or keeps changing."""
        for _ in range(_ATTEMPTS):
            doubt, generation = self._client.chain.compare_nodes(), self._client.chain.generation
            head = self._client.chain.block()
            if self._snapshot is not None and self._read == head and self._snapshot.doubt == doubt:
                return self._snapshot
            if self._read is not None and not self._continues(self._read, head):
                self._ledger, self._read, self._snapshot, self._entered = Ledger(), None, None, {}
                self.turns += 1
            logs = self._new_logs(head)
            account = self._look_at_account(head, changed=bool(logs))
            # INVARIANT: [inv 12] what was read belongs to the block it is decided on.
            same = self._client.chain.block(head.number).hash == head.hash
            if not same or self._client.chain.generation != generation:
                continue
            # Only now does anything change here: whatever failed above is simply tried again.
            for log in logs:
                event = self._client.decode(log)
                if event is not None:
                    self._apply(event, log["blockNumber"])
            self._read, self._snapshot = head, self._taken(head, account, doubt)
            return self._snapshot
        raise ChainUnavailable("the chain was reorganised while it was read, several times in a row")

    def _apply(self, event: Event, block: int) -> None:
        if event.name in _ENTERING:
            self._entered[event.arguments[_ENTERING[event.name]]] = block
        try:
            self._ledger.apply(event)
        except UnknownSubject as error:  # what a skipped log brought into the world
            _log.warning("event_skipped", reason=str(error))

    def _new_logs(self, head: Block) -> list[LogReceipt]:
        """Logs from after what was read, up to `head`."""
        deployment = self._client.deployment
        first = deployment.block if self._read is None else self._read.number + 1
        return self._client.chain.logs(deployment.refute, first, head.number)

    def _continues(self, last: Block, head: Block) -> bool:
        """Whether the last block read is an ancestor of `head`."""
        if head.number == last.number + 1:
            return head.parent == last.hash
        return head.number > last.number and self._client.chain.block(last.number).hash == last.hash

    def _look_at_account(self, head: Block, changed: bool) -> AccountView:
        """The account at `head`. What the contract holds for it changes only with a log; its balance at any time."""
        if self._account is None:
            return AccountView("nobody")
        balance = self._client.chain.balance(self._account, head.number)
        if self._snapshot is not None and not changed:
            return replace(self._snapshot.account, balance=balance)
        free, locked, leaving, _due = self._client.view("accountOf", self._account, block=head.number)
        credits = self._client.view("creditsOf", self._account, block=head.number)
        return AccountView(self._account, free, locked, leaving, credits, balance)

    def _taken(self, head: Block, account: AccountView, doubt: str | None) -> Snapshot:
        ledger = self._ledger
        deep = head.number - self._confirmations
        self._entered = {id: block for id, block in self._entered.items() if block > deep}
        return Snapshot(
            head.number,
            head.timestamp,
            head.base_fee,
            self._client.deployment.parameters,
            account,
            dict(ledger.models),
            dict(ledger.requests),
            dict(ledger.claims),
            dict(ledger.disputes),
            frozenset(self._entered),
            doubt,
        )
