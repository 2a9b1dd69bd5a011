"""Several transactions of one account, each sent as it comes, one behind the other, and waited for together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from web3.types import LogReceipt

from contracts.abi import Abi, Event
from contracts.asking import Reverted
from contracts.calls import Call
from contracts.chain import Chain
from contracts.errors import ContractRefused, NodeRefused, NotFunded, Unmined
from contracts.fees import gas_limit, not_funded
from contracts.outbox import Outbox, Sent
from contracts.refusals import refusal


@dataclass(frozen=True)
class Done:
    """A transaction that succeeded."""

    transaction: bytes
    block: int
    gas: int
    events: tuple[Event, ...]

    def event(self, name: str) -> Event:
        """The first event of a name."""
        return next(e for e in self.events if e.name == name)


Decode = Callable[[LogReceipt], Event | None]
Refusal = ContractRefused | NodeRefused | NotFunded | Unmined
Outcome = Done | Refusal
"""What became of one call. Nothing that happens to one keeps the others from being sent."""


class Batch:
    """One batch; it asks the chain for nothing before its first call. ChainUnavailable ends it."""

    def __init__(self, chain: Chain, abi: Abi, decode: Decode, outbox: Outbox, address: str, contract: str) -> None:
        self._chain = chain
        self._abi = abi
        self._decode = decode
        self._outbox = outbox
        self._address = address
        self._contract = contract
        self._entries: list[tuple[Call, bytes, Sent | Refusal]] = []
        self._busy = False
        self._balance = 0

    def add(self, call: Call) -> None:
        """Send a call, if nothing is against it."""
        if not self._entries:
            self._busy = self._outbox.open()
            self._balance = self._chain.balance(self._address) - self._outbox.reserved
        data = self._abi.encode_call(call.function, call.arguments)
        self._entries.append((call, data, self._send(call, data)))

    def _send(self, call: Call, data: bytes) -> Sent | Refusal:
        before = self._outbox.under_way(data, call.value)
        if before is not None:
            return before
        if call.alone and self._busy:
            return Unmined(f"{call.function} waits for earlier transactions of {self._address} to be mined")
        fees = gas_limit(call.gas, data) * self._outbox.price
        if self._balance < call.value + fees:
            return not_funded(self._address, self._balance, call.value, fees)
        try:
            if call.simulated:
                self._simulate(call, data)
            sent = self._outbox.send(data, call.value, call.gas)
        except (ContractRefused, NodeRefused) as refused:
            return refused
        self._balance -= sent.cost
        return sent

    def outcomes(self) -> list[Outcome]:
        """What became of each call, in order."""
        self._outbox.wait([sent for _, _, sent in self._entries if isinstance(sent, Sent)])
        return [self._outcome(*entry) for entry in self._entries]

    def _outcome(self, call: Call, data: bytes, sent: Sent | Refusal) -> Outcome:
        if not isinstance(sent, Sent):
            return sent
        receipt = sent.receipt
        if receipt is None:
            return Unmined(f"transaction 0x{sent.hashes[-1].hex()} ({call.function}) is not mined yet")
        if receipt.succeeded:
            events = tuple(e for e in map(self._decode, receipt.logs) if e is not None)
            return Done(receipt.transaction, receipt.block, receipt.gas, events)
        try:
            self._simulate(call, data, receipt.block)
        except (ContractRefused, NodeRefused) as refused:
            return refused
        # What was right a moment later was no mistake: the block had another order than was expected.
        return refusal("Overtaken", ())

    def _simulate(self, call: Call, data: bytes, block: int | None = None) -> None:
        """Raise ContractRefused if the call would be refused."""
        try:
            gas = gas_limit(call.gas, data)
            self._chain.call(self._contract, data, self._address, call.value, block, gas)
        except Reverted as reason:
            raise refusal(*self._abi.decode_error(reason.data)) from reason
