"""A node with a pool, in front of a chain in this process: transactions wait in it until `mine` is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from web3.types import RPCEndpoint, RPCResponse

from contracts.provider import DevnetChain, LocalProvider
from prover.merkle import keccak

GWEI = 10**9


class Pool(LocalProvider):
    """Takes replacements that offer a tenth more, mines what offers at least `base_fee`, the lowest nonce first.

    Everybody else's transactions go to the chain directly, so only one account should send through it. With `choosy`
    it does not take what offers less than the base fee, as some nodes do not.
    """

    def __init__(self, chain: DevnetChain) -> None:
        super().__init__(chain)
        self.base_fee = GWEI
        self.choosy = False
        self.known = "already known"
        """What it says of a transaction that it has: geth's words, by default."""
        self.waiting: dict[int, tuple[bytes, dict[str, Any]]] = {}
        self.taken: list[tuple[int, int]] = []
        """(nonce, price) of everything that was ever taken."""
        self.when_asked: Callable[[str], object] = lambda method: None
        """What happens meanwhile: called with the method of each request."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        self.when_asked(method)
        if method == "eth_sendRawTransaction":
            return self._take(bytes(HexBytes(params[0])))
        answer = super().make_request(method, params)
        if method == "eth_getTransactionCount" and params[1] == "pending":
            pending = int(answer["result"], 16)
            while pending in self.waiting:
                pending += 1
            answer["result"] = hex(pending)
        elif method == "eth_getBlockByNumber" and answer.get("result"):
            answer["result"]["baseFeePerGas"] = hex(self.base_fee)
        return answer

    def _take(self, raw: bytes) -> RPCResponse:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        nonce, price = fields["nonce"], fields["maxFeePerGas"]
        if self.choosy and price < self.base_fee:
            return _error("max fee per gas less than block base fee")
        if nonce in self.waiting:
            before = self.waiting[nonce]
            if before[0] == raw:
                return _error(self.known)
            if 10 * price < 11 * before[1]["maxFeePerGas"]:
                return _error("replacement transaction underpriced")
        self.waiting[nonce] = raw, fields
        self.taken.append((nonce, price))
        return {"jsonrpc": "2.0", "id": 1, "result": "0x" + keccak(raw).hex()}

    def mine(self) -> int:
        """Mine what can be mined; how many transactions that were."""
        mined = 0
        for nonce in sorted(self.waiting):
            raw, fields = self.waiting[nonce]
            if fields["maxFeePerGas"] < self.base_fee:
                break
            sender = Account.recover_transaction(HexBytes(raw))
            count = self.chain.handle("eth_getTransactionCount", [sender, "latest"])["result"]
            if int(count, 16) != nonce:
                break
            del self.waiting[nonce]
            assert "result" in self.chain.handle("eth_sendRawTransaction", ["0x" + raw.hex()])
            mined += 1
        return mined


def _error(message: str) -> RPCResponse:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": message}}
