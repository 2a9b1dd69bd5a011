"""The deployed protocol on eth-tester, as `tests.model.evm.Protocol` has it: slower, and gas is a chain's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts.calls import Call
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import Parameters, deploy
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider

FUNDS = 20 * 10**18


class Devnet:
    """One chain; the first `accounts` have money already, those behind them get some."""

    def __init__(self, parameters: Parameters, accounts: Sequence[LocalAccount]) -> None:
        self._devnet = DevnetChain()
        chain = Chain(LocalProvider(self._devnet))
        deployer = Account.from_key(DEVNET_KEYS[0])
        deployment = deploy(chain, deployer, parameters)
        rich = {Account.from_key(key).address for key in DEVNET_KEYS}
        for account in accounts:
            if account.address not in rich:
                self._devnet.tester.send_transaction(
                    {
                        "from": deployer.address,
                        "to": account.address,
                        "value": FUNDS,
                        "gas": 21_000,
                        "gas_price": 10**11,
                    }
                )
        self._chain = chain
        self._clients = {str(account.address): Client(chain, deployment, account) for account in accounts}
        self.gas = 0
        """Of the last transaction."""

    @property
    def now(self) -> int:
        return self._chain.block().timestamp

    def set_time(self, now: int) -> None:
        """The next block has at least this timestamp."""
        self._devnet.handle("evm_mine", [now])

    def send(self, sender: str, call: Call) -> dict[str, dict[str, Any]]:
        """The events of a transaction: name to arguments, the last of each name. ContractRefused if it reverts."""
        done = self._clients[sender].transact(call)
        self.gas = done.gas
        return {event.name: dict(event.arguments) for event in done.events}

    def view(self, function: str, *arguments: Any) -> Any:
        return next(iter(self._clients.values())).view(function, *arguments)
