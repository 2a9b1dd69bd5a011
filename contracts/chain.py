"""A connection to one chain: blocks, logs, calls and signed transactions, and nothing about the protocol.

Whatever goes wrong on the way to the chain is a `ChainUnavailable`; `NodeRefused` if the node itself said no.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import TransactionNotFound
from web3.providers.base import BaseProvider
from web3.types import LogReceipt, RPCEndpoint, TxParams

from contracts.asking import asking
from contracts.calls import GAS_CAP
from contracts.errors import ChainUnavailable, NodeRefused, WrongSetup
from contracts.fees import TIP, gas_limit, highest_price, not_funded
from contracts.service.nodes import Nodes, urls_of
from contracts.signers import Signer
from contracts.urls import without_secrets
from prover.merkle import keccak
from prover.progress import tell

LOG_PAGE = 5_000
"""Blocks asked for at once: what public nodes allow. Fewer where a node refuses so many."""

HELD = "already known", "already imported"
"""What nodes say of a transaction that they have in their pool."""


@dataclass(frozen=True)
class Block:
    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    base_fee: int


@dataclass(frozen=True)
class Receipt:
    """What became of a transaction."""

    transaction: bytes
    block: int
    succeeded: bool
    gas: int
    contract: str | None
    logs: tuple[LogReceipt, ...]


class Chain:
    """One chain behind a provider; `url` is for messages only."""

    def __init__(self, provider: BaseProvider, url: str = "this process") -> None:
        self._web3 = Web3(provider)
        # The middleware would estimate gas, look up names and check chain ids, each with requests of its own.
        for name in ("gas_price_strategy", "ens_name_to_address", "validation", "gas_estimate"):
            self._web3.middleware_onion.remove(name)
        self.url = url
        self.heads: list[str] = []
        """WebSocket URLs that say when there is a new block."""
        self._page = LOG_PAGE
        with asking("say its id"):
            try:
                self.id = self._web3.eth.chain_id
            except (AttributeError, TypeError) as error:
                raise ValueError("what it answers is not JSON-RPC") from error

    @classmethod
    def connect(cls, urls: str) -> Chain:
        """The chain behind URLs, separated by commas, of which the first that answers is asked.

        WrongSetup if one is no URL or they are of different chains, ChainUnavailable if nothing answers there.
        """
        named = urls_of(urls)
        asked = [url for url in named if url.startswith("http")]
        shown = ", ".join(map(without_secrets, asked))
        try:
            chain = cls(Nodes.at(asked), shown)
        except ChainUnavailable as error:
            raise ChainUnavailable(
                f"no chain answers at {shown}; start one (`refute devnet`) or give another with --chain"
            ) from error
        chain.heads = [url for url in named if url.startswith("ws")]
        return chain

    def compare_nodes(self) -> str | None:
        """Hold the nodes against each other now and then; what they disagree about, if they do."""
        provider = self._web3.provider
        if not isinstance(provider, Nodes):
            return None
        provider.compare()
        return provider.doubt

    @property
    def generation(self) -> int:
        """Grows when another node is asked from now on."""
        provider = self._web3.provider
        return provider.generation if isinstance(provider, Nodes) else 0

    # Looking

    def block(self, number: int | None = None) -> Block:
        """Block `number`, by default the latest."""
        with asking("show a block"):
            raw = self._web3.eth.get_block("latest" if number is None else number)
        fee = raw.get("baseFeePerGas", 0)
        return Block(raw["number"], bytes(raw["hash"]), bytes(raw["parentHash"]), raw["timestamp"], int(fee))

    def logs(self, address: str, first: int, last: int) -> list[LogReceipt]:
        """Logs of a contract in blocks first .. last, in order.

        A page that the node refuses (too many blocks, logs or bytes) is halved, down to one block; it grows again.
        """
        found: list[LogReceipt] = []
        begin, whole = first, last - first + 1
        while first <= last:
            stop = min(first + self._page - 1, last)
            try:
                with asking("list logs"):
                    found += self._web3.eth.get_logs(
                        {"address": Web3.to_checksum_address(address), "fromBlock": first, "toBlock": stop}
                    )
            except NodeRefused:
                if stop == first:
                    raise
                self._page = (stop - first + 1) // 2
                continue
            first = stop + 1
            tell("reading blocks", first - begin, whole)
            self._page = min(2 * self._page, LOG_PAGE)
        return found

    def code(self, address: str) -> bytes:
        with asking("show code"):
            return bytes(self._web3.eth.get_code(Web3.to_checksum_address(address)))

    def has_code(self, address: str) -> bool:
        return len(self.code(address)) > 0

    def balance(self, address: str, block: int | None = None) -> int:
        with asking("show a balance"):
            return self._web3.eth.get_balance(Web3.to_checksum_address(address), "latest" if block is None else block)

    def call(
        self,
        to: str | None,
        data: bytes,
        sender: str | None = None,
        value: int = 0,
        block: int | None = None,
        gas: int = GAS_CAP,
    ) -> bytes:
        """What a call would return, or a deployment if `to` is None; Reverted if it would fail."""
        transaction: TxParams = {"data": HexBytes(data), "value": Web3.to_wei(value, "wei"), "gas": gas}
        if to is not None:
            transaction["to"] = Web3.to_checksum_address(to)
        if sender is not None:
            transaction["from"] = Web3.to_checksum_address(sender)
        with asking("simulate a call"):
            return bytes(self._web3.eth.call(transaction, "latest" if block is None else block))

    def travel(self, seconds: int) -> Block:
        """Let time pass on a devnet (eth-tester or anvil) by mining a block `seconds` later; that block."""
        for method, parameters in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            with asking("let time pass"):
                answer = self._web3.provider.make_request(RPCEndpoint(method), parameters)
            if "error" in answer:
                raise WrongSetup(f"the chain at {self.url} has no {method}: time passes by itself there")
        return self.block()

    # Acting

    def nonce(self, address: str) -> int:
        """The next nonce of an account, those of its pending transactions counted."""
        with asking("count transactions"):
            return self._web3.eth.get_transaction_count(Web3.to_checksum_address(address), "pending")

    def mined_nonce(self, address: str) -> int:
        """The lowest nonce of an account that is not mined yet."""
        with asking("count transactions"):
            return self._web3.eth.get_transaction_count(Web3.to_checksum_address(address), "latest")

    def send(
        self,
        account: Signer,
        to: str | None,
        data: bytes,
        *,
        value: int,
        gas: int,
        nonce: int,
        base_fee: int,
        price: int | None = None,
        tip: int = TIP,
    ) -> bytes:
        """Sign and send a transaction; its hash. NodeRefused if the node does not take it.

        `gas` is for the execution; calldata comes on top. `price` is the most wei offered per gas, by default what
        is enough for some blocks of fees that rise from `base_fee`; `tip` is the miner's part of it.
        """
        price = highest_price(base_fee) if price is None else price
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self.id,
            "nonce": nonce,
            "value": value,
            "data": data,
            "gas": gas_limit(gas, data),
            "maxFeePerGas": price,
            "maxPriorityFeePerGas": min(tip, price),
        }
        if to is not None:
            transaction["to"] = Web3.to_checksum_address(to)
        raw = bytes(account.sign_transaction(transaction).raw_transaction)
        try:
            with asking("take a transaction"):
                return bytes(self._web3.eth.send_raw_transaction(raw))
        except NodeRefused as refused:
            if any(said in str(refused) for said in HELD):
                return keccak(raw)
            raise

    def require_balance(self, address: str, value: int, gas: int, base_fee: int) -> None:
        """NotFunded unless an account can pay for a transaction with this value and gas limit."""
        balance, fees = self.balance(address), gas * highest_price(base_fee)
        if balance < value + fees:
            raise not_funded(address, balance, value, fees)

    def receipt(self, transaction: bytes) -> Receipt | None:
        """What became of a transaction; None if it is not mined."""
        with asking("show a receipt"):
            try:
                raw = self._web3.eth.get_transaction_receipt(HexBytes(transaction))
            except TransactionNotFound:
                return None
        succeeded, logs = raw["status"] == 1, tuple(raw["logs"])
        return Receipt(transaction, raw["blockNumber"], succeeded, raw["gasUsed"], raw["contractAddress"], logs)

    def calldata_size(self, transaction: bytes) -> int:
        """Bytes of calldata of a mined transaction."""
        with asking("show a transaction"):
            return len(self._web3.eth.get_transaction(HexBytes(transaction))["input"])

    def transact(self, account: Signer, to: str | None, data: bytes, *, value: int = 0, gas: int) -> Receipt:
        """Send a transaction with the account's next nonce, and wait for it; what `send` and `wait` raise."""
        nonce, base_fee = self.nonce(account.address), self.block().base_fee
        return self.wait(self.send(account, to, data, value=value, gas=gas, nonce=nonce, base_fee=base_fee))

    def wait(self, transaction: bytes, seconds: float = 120, interval: float = 0.02) -> Receipt:
        """The receipt of a transaction; ChainUnavailable if it is not mined in time."""
        end = time.monotonic() + seconds
        while (receipt := self.receipt(transaction)) is None:
            if time.monotonic() > end:
                raise ChainUnavailable(f"transaction 0x{transaction.hex()} was not mined in {seconds:.0f} s")
            time.sleep(interval)
            interval = min(2 * interval, 2.0)
        return receipt
