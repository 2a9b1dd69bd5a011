"""A chain in this process that keeps every block, for another node to mine the same transactions again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web3.types import RPCEndpoint, RPCResponse

from contracts.provider import DevnetChain, LocalProvider

START = 2_500_000_000
"""Time of the first block, so that no figure hangs on the day it is taken: in 2049, as time only goes forwards."""
SECONDS = 12
"""Between blocks."""


@dataclass(frozen=True)
class Mined:
    """A signed transaction that had a block to itself, and what the block said."""

    raw: str
    timestamp: int
    base_fee: int
    gas: int


class RecordedChain(LocalProvider):
    """An eth-tester chain under Prague's rules whose clock stands still between transactions."""

    def __init__(self) -> None:
        super().__init__(DevnetChain())
        self.mined: list[Mined] = []
        self._time = START
        self._set_time()

    def wait(self, seconds: int) -> None:
        """The next block comes later."""
        self._time += seconds
        self._set_time()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        answer = super().make_request(method, params)
        if method == "eth_sendRawTransaction" and "result" in answer:
            receipt = self._ask("eth_getTransactionReceipt", answer["result"])
            block = self._ask("eth_getBlockByNumber", receipt["blockNumber"], False)
            fee, gas = int(block["baseFeePerGas"], 16), int(receipt["gasUsed"], 16)
            self.mined.append(Mined(params[0], self._time, fee, gas))
            self.wait(SECONDS)
        return answer

    def _ask(self, method: str, *params: Any) -> Any:
        return self.chain.handle(method, list(params))["result"]

    def _set_time(self) -> None:
        self.chain.handle("evm_setNextBlockTimestamp", [self._time])
