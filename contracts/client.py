"""One account's hand on one deployment: sends the protocol's transactions and reads its views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from eth_abi.exceptions import DecodingError

from contracts.abi import Event, UndecodableLog, refute_abi
from contracts.asking import Reverted
from contracts.batch import Batch, Done, Outcome
from contracts.calls import Call
from contracts.chain import Chain
from contracts.deployment import Deployment
from contracts.errors import WrongSetup
from contracts.outbox import PATIENCE, Kept, OnTheirWay, Outbox
from contracts.signers import Signer
from prover.game.position import Position

_log = structlog.get_logger()

FEE_FACTOR = 3.0
"""The most that is offered for gas, in peak gas prices of the deployment."""


class Client:
    """Sends and reads for one account. Without an account it only reads.

    Args:
        fee_factor: the most that is offered per gas, in peak gas prices of the deployment.
        patience: seconds to wait for transactions to be mined before looking at the chain again.
    """

    def __init__(
        self,
        chain: Chain,
        deployment: Deployment,
        account: Signer | None = None,
        *,
        fee_factor: float = FEE_FACTOR,
        patience: float = PATIENCE,
    ) -> None:
        self.chain = chain
        self.deployment = deployment
        self._account = account
        self._abi = refute_abi()
        if account is not None:
            cap = int(fee_factor * deployment.parameters.peak_gas_price)
            self._outbox = Outbox(chain, account, deployment.refute, cap, patience)

    @property
    def address(self) -> str:
        return self._signer().address

    @property
    def account(self) -> str | None:
        """The address, if it can sign."""
        return None if self._account is None else self._account.address

    @property
    def signer(self) -> Signer:
        """What signs for this account."""
        return self._signer()

    def _signer(self) -> Signer:
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

    @property
    def pending(self) -> int:
        """Transactions of the account on their way."""
        return self._outbox.pending if self._account is not None else 0

    def keep_in(self, kept: Kept) -> None:
        """Keep transactions on their way for the account's next process, and go on with those of the last one."""
        self._outbox.keep_in(kept)

    def on_their_way(self) -> OnTheirWay:
        """The account's unmined transactions; none without an account."""
        return OnTheirWay() if self._account is None else self._outbox.on_their_way()

    def transact(self, call: Call) -> Done:
        """Send one transaction and wait for it.

        Raises:
            ContractRefused: the contract refuses it.
            NotFunded: the account cannot pay for it.
            ChainUnavailable: the node gives no answer or does not take it, or it is not mined in time.
        """
        (outcome,) = self.transact_all([call])
        if not isinstance(outcome, Done):
            raise outcome
        return outcome

    def transact_all(self, calls: Sequence[Call]) -> list[Outcome]:
        """Send several transactions one behind the other, then wait for all; the outcome of each, in order."""
        batch = self.batch()
        for call in calls:
            batch.add(call)
        return batch.outcomes()

    def batch(self) -> Batch:
        """An empty batch of transactions, for calls that are sent as they are made."""
        me = self.address
        return Batch(self.chain, self._abi, self.decode, self._outbox, me, self.deployment.refute)

    def sign_opening(self, claim: bytes, position: Position, content: bytes) -> bytes:
        """EIP-712 signature of an opening's content hash, so that another may send it (protocol, section 7.2)."""
        domain = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
        opening = dict.fromkeys(("claim", "position", "content"), "bytes32")
        types = {"EIP712Domain": domain, "Opening": opening}
        message = {
            "types": {name: [{"name": n, "type": t} for n, t in fields.items()] for name, fields in types.items()},
            "primaryType": "Opening",
            "domain": {
                "name": "Refute",
                "version": "1",
                "chainId": self.chain.id,
                "verifyingContract": self.deployment.refute,
            },
            "message": {"claim": claim, "position": position.digest, "content": content},
        }
        return bytes(self._signer().sign_typed_data(full_message=message).signature)
