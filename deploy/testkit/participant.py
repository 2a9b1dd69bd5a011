"""A contract as a participant, which misbehaves when it is paid (`contracts/src/test/Participant.sol`)."""

from __future__ import annotations

from enum import Enum

from contracts.abi import Abi, artifact, refute_abi
from contracts.calls import Call
from contracts.chain import Chain, Receipt
from contracts.deployment import Deployment
from contracts.signers import Signer


class Conduct(Enum):
    """What the contract does when it is paid; the values are the contract's."""

    TAKES_PAYMENT = 0
    REFUSES = 1
    BURNS_GAS = 2
    RE_ENTERS = 3


class Participant:
    """A contract that makes the protocol's calls in its own name, for whoever pays for the transaction.

    Args:
        account: pays for everything.
    """

    def __init__(self, chain: Chain, deployment: Deployment, account: Signer, conduct: Conduct) -> None:
        self._chain = chain
        self._account = account
        made = artifact("Participant")
        constructor = Abi(made.abi).encode_constructor((deployment.refute, conduct.value))
        address = self._send(None, made.bytecode + constructor, 0, 2_000_000).contract
        assert address is not None
        self.address = address

    def act(self, call: Call) -> bool:
        """Make a call; whether it succeeded."""
        inner = refute_abi().encode_call(call.function, call.arguments)
        data = Abi(artifact("Participant").abi).encode_call("act", (inner,))
        return self._send(self.address, data, call.value, call.gas).succeeded

    def _send(self, to: str | None, data: bytes, value: int, gas: int) -> Receipt:
        return self._chain.transact(self._account, to, data, value=value, gas=gas)
