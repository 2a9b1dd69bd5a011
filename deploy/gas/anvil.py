"""A second node, anvil: it mines the recorded transactions again, and says what their instructions cost."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import requests
from eth_account import Account

from contracts.forge import NoForge, binary
from contracts.provider import DEVNET_KEYS, GAS_LIMIT
from deploy.gas.recorded import START, Mined
from prover.errors import RefuteError

_PATIENCE = 20.0
_UNTRACED = {"disableMemory": True, "disableStack": True, "disableStorage": True}


class Anvil:
    """One anvil process under Prague's rules, with the devnet's accounts. RefuteError if it does not start."""

    def __init__(self, chain_id: int) -> None:
        self._id = chain_id
        self._session = requests.Session()

    def __enter__(self) -> Self:
        try:
            self._binary = str(binary("anvil"))
        except NoForge as missing:
            raise RefuteError(str(missing)) from missing
        port = _free_port()
        self._url = f"http://127.0.0.1:{port}"
        options = {
            "--port": port,
            "--chain-id": self._id,
            "--hardfork": "prague",
            "--gas-limit": GAS_LIMIT,
            "--timestamp": START - 1,
        }
        command = [
            self._binary,
            "--silent",
            "--steps-tracing",
            *(str(word) for option in options.items() for word in option),
        ]
        self._process = subprocess.Popen(command)
        try:
            self._wait()
            for key in DEVNET_KEYS:
                self.ask("anvil_setBalance", Account.from_key(key).address, hex(10**24))
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._session.close()

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self.ask("eth_chainId")
                return
            except requests.ConnectionError as error:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RefuteError(f"anvil did not start on {self._url}; try it by hand: {self._binary}") from error
                time.sleep(0.05)

    def ask(self, method: str, *params: Any) -> Any:
        """The result of a JSON-RPC call; RefuteError if there is none."""
        body: Any = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._session.post(self._url, json=body, timeout=120).json()
        if "result" not in answer:
            raise RefuteError(f"anvil refused {method}: {answer.get('error')}")
        return answer["result"]

    def mine(self, mined: Sequence[Mined]) -> list[str]:
        """Mine transactions again, each in a block of the same time and base fee; what differs, one line each."""
        different = []
        for number, block in enumerate(mined, start=1):
            self.ask("evm_setNextBlockTimestamp", block.timestamp)
            self.ask("anvil_setNextBlockBaseFeePerGas", hex(block.base_fee))
            gas = self._gas(self.ask("eth_sendRawTransaction", block.raw))
            if gas != block.gas:
                different.append(f"transaction {number}: {block.gas:,} gas on eth-tester, {gas:,} on anvil")
        return different

    def _gas(self, transaction: str) -> int:
        """What a transaction's receipt says, as soon as there is one."""
        end = time.monotonic() + _PATIENCE
        while (receipt := self.ask("eth_getTransactionReceipt", transaction)) is None:
            if time.monotonic() > end:
                raise RefuteError(
                    f"anvil does not mine {transaction}; is its gas limit below the floor of its calldata?"
                )
            time.sleep(0.01)
        return int(receipt["gasUsed"], 16)

    def instructions(self, block: int) -> list[dict[str, Any]]:
        """Every instruction of a block's one transaction: `op`, `gas` left before it, `gasCost` and `depth`."""
        (transaction,) = self.ask("eth_getBlockByNumber", hex(block), False)["transactions"]
        logs: list[dict[str, Any]] = self.ask("debug_traceTransaction", transaction, _UNTRACED)["structLogs"]
        return logs


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
