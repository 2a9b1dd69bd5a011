"""One account's hand on one deployment: sends the protocol's transactions and reads its views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from eth_abi.exceptions import DecodingError
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from contracts.abi import Event, UndecodableLog, refute_abi
from contracts.calls import Call
from contracts.chain import Chain, Receipt, Reverted, gas_limit
from contracts.deployment import Deployment
from contracts.errors import ContractRefused, WrongSetup
from contracts.refusals import refusal
from prover.game.position import Position

_log = structlog.get_logger()

MOVES = frozenset(
    {
        "openTrace",
        "openLayer",
        "openTensor",
        "openChunk",
        "openTerms",
        "pickTrace",
        "pickOperator",
        "pickTensor",
        "pickElement",
        "pickTerms",
        "step",
    }
)
"""Sent without a simulation: they are made by the rules, and computing them twice costs time in a dispute."""


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


Outcome = Done | ContractRefused


class Client:
    """Sends and reads for one account. Without an account it only reads."""

    def __init__(self, chain: Chain, deployment: Deployment, account: LocalAccount | None = None) -> None:
        self.chain = chain
        self.deployment = deployment
        self._account = account
        self._abi = refute_abi()

    @property
    def address(self) -> str:
        return self._signer().address

    def _signer(self) -> LocalAccount:
        if self._account is None:
            raise WrongSetup("this needs an account to sign with; give --key FILE")
        return self._account

    # Reading

    def view(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        """What a view of the contract returns at a block, by default the latest."""
        address = self.deployment.refute
        try:
            data = self.chain.call(address, self._abi.encode_call(function, arguments), block=block)
            return self._abi.decode_result(function, data)
        except (Reverted, DecodingError) as error:
            raise WrongSetup(
                f"what stands at {address} does not answer `{function}`; the chain was started anew: deploy again"
            ) from error

    def decode(self, log: Any) -> Event | None:
        """The event of a log of this deployment; None if it is none that the protocol knows.

        The contract writes its logs itself, and its own ABI decodes every one of them. A log that does not decode
        thus comes from a broken node or a deployment file of another version: one such log is passed over with a
        warning, since what it hides is less dear than an agent that ends in the middle of its disputes.
        """
        try:
            return self._abi.decode_log([bytes(topic) for topic in log["topics"]], bytes(log["data"]))
        except UndecodableLog as error:
            _log.warning("log_skipped", reason=str(error), transaction="0x" + bytes(log["transactionHash"]).hex())
            return None

    # Acting

    def transact(self, call: Call) -> Done:
        """Send one transaction and wait for it; ContractRefused if the contract refuses it."""
        (outcome,) = self.transact_all([call])
        if isinstance(outcome, ContractRefused):
            raise outcome
        return outcome

    def transact_all(self, calls: Sequence[Call]) -> list[Outcome]:
        """Send several transactions one behind the other, then wait for all; the outcome of each, in order.

        NotFunded, with nothing sent, if the account cannot pay for the dearest of them.
        """
        account = self._signer()
        outcomes: list[Outcome | None] = []
        sent: list[tuple[int, Call, bytes, bytes]] = []
        nonce, base_fee = self.chain.nonce(account.address), self.chain.block().base_fee
        encoded = [self._abi.encode_call(call.function, call.arguments) for call in calls]
        dearest = max(gas_limit(call.gas, data) for call, data in zip(calls, encoded, strict=True))
        self.chain.require_balance(account.address, max(call.value for call in calls), dearest, base_fee)
        for index, (call, data) in enumerate(zip(calls, encoded, strict=True)):
            try:
                if call.function not in MOVES:
                    self._simulate(call, data)
            except ContractRefused as refused:
                outcomes.append(refused)
                continue
            transaction = self.chain.send(
                account, self.deployment.refute, data, value=call.value, gas=call.gas, nonce=nonce, base_fee=base_fee
            )
            outcomes.append(None)
            sent.append((index, call, data, transaction))
            nonce += 1
        for index, call, data, transaction in sent:
            outcomes[index] = self._outcome(call, data, self.chain.wait(transaction))
        return [outcome for outcome in outcomes if outcome is not None]

    def _simulate(self, call: Call, data: bytes, block: int | None = None) -> None:
        """Raise ContractRefused if the call would be refused."""
        try:
            gas = gas_limit(call.gas, data)
            self.chain.call(self.deployment.refute, data, self.address, call.value, block, gas)
        except Reverted as reason:
            raise refusal(*self._abi.decode_error(reason.data)) from reason

    def _outcome(self, call: Call, data: bytes, receipt: Receipt) -> Outcome:
        if receipt.succeeded:
            events = tuple(e for e in map(self.decode, receipt.logs) if e is not None)
            return Done(receipt.transaction, receipt.block, receipt.gas, events)
        try:
            self._simulate(call, data, receipt.block)
        except ContractRefused as refused:
            return refused
        return refusal("NoReason", ())

    def sign_opening(self, claim: bytes, position: Position, content: bytes) -> bytes:
        """EIP-712 signature of an opening's content hash, so that another may send it (protocol, section 7.2)."""
        bytes32 = "bytes32"
        message = encode_typed_data(
            {"name": "Refute", "version": "1", "chainId": self.chain.id, "verifyingContract": self.deployment.refute},
            {"Opening": [{"name": name, "type": bytes32} for name in ("claim", "position", "content")]},
            {"claim": claim, "position": position.digest, "content": content},
        )
        return bytes(self._signer().sign_message(message).signature)
