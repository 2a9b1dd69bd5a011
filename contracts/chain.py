"""A connection to one chain: blocks, logs, calls and signed transactions, and nothing about the protocol.

Whatever goes wrong on the way to the chain is a `ChainUnavailable`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception
from web3.providers.base import BaseProvider
from web3.types import LogReceipt, RPCEndpoint, TxParams

from contracts.amounts import format_amount
from contracts.calls import GAS_CAP
from contracts.errors import ChainUnavailable, NotFunded, WrongSetup

REQUEST_SECONDS = 30
TIP = 10**9
LOG_PAGE = 5_000
"""Blocks asked for at once: what public nodes allow."""

FLOOR_PER_BYTE = 40
"""Gas of a byte of calldata at most (EIP-7623)."""
TRANSACTION_GAS = 21_000


def gas_limit(gas: int, data: bytes) -> int:
    """Gas of a transaction whose execution may need `gas`."""
    return min(GAS_CAP, TRANSACTION_GAS + gas + FLOOR_PER_BYTE * len(data))


def highest_price(base_fee: int) -> int:
    """Wei that a transaction offers per gas: enough for some blocks of rising fees."""
    return 2 * base_fee + TIP


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


class Reverted(Exception):
    """A simulated call failed; `data` is what it gave as the reason."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


@contextmanager
def _asking(what: str) -> Iterator[None]:
    try:
        yield
    except ContractLogicError as error:
        data = error.data if isinstance(error.data, str) else "0x"
        raise Reverted(bytes(HexBytes(data))) from error
    except (requests.RequestException, Web3Exception, OSError, ValueError) as error:
        raise ChainUnavailable(f"the chain gave no answer when asked to {what}: {_shortened(error)}") from error


def _shortened(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "..."


class Chain:
    """One chain behind a provider; `url` is for messages only."""

    def __init__(self, provider: BaseProvider, url: str = "this process") -> None:
        self._web3 = Web3(provider)
        # The middleware would estimate gas, look up names and check chain ids, each with requests of its own.
        for name in ("gas_price_strategy", "ens_name_to_address", "validation", "gas_estimate"):
            self._web3.middleware_onion.remove(name)
        self.url = url
        with _asking("say its id"):
            try:
                self.id = self._web3.eth.chain_id
            except (AttributeError, TypeError) as error:
                raise ValueError("what it answers is not JSON-RPC") from error

    @classmethod
    def connect(cls, url: str) -> Chain:
        """The chain behind a URL; WrongSetup if the URL is none, ChainUnavailable if nothing answers there."""
        if not url.startswith(("http://", "https://")):
            raise WrongSetup(f"{url!r} is not a chain's URL; give one that starts with http:// or https://")
        try:
            # Retrying is the agents' business.
            return cls(HTTPProvider(url, {"timeout": REQUEST_SECONDS}, exception_retry_configuration=None), url)
        except ChainUnavailable as error:
            raise ChainUnavailable(
                f"no chain answers at {url}; start one (`refute devnet`) or give another with --chain"
            ) from error

    # Looking

    def block(self, number: int | None = None) -> Block:
        """Block `number`, by default the latest."""
        with _asking("show a block"):
            raw = self._web3.eth.get_block("latest" if number is None else number)
        fee = raw.get("baseFeePerGas", 0)
        return Block(raw["number"], bytes(raw["hash"]), bytes(raw["parentHash"]), raw["timestamp"], int(fee))

    def logs(self, address: str, first: int, last: int) -> list[LogReceipt]:
        """Logs of a contract in blocks first .. last, in order."""
        found: list[LogReceipt] = []
        for start in range(first, last + 1, LOG_PAGE):
            stop = min(start + LOG_PAGE - 1, last)
            with _asking("list logs"):
                found += self._web3.eth.get_logs(
                    {"address": Web3.to_checksum_address(address), "fromBlock": start, "toBlock": stop}
                )
        return found

    def has_code(self, address: str) -> bool:
        with _asking("show code"):
            return len(self._web3.eth.get_code(Web3.to_checksum_address(address))) > 0

    def balance(self, address: str, block: int | None = None) -> int:
        with _asking("show a balance"):
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
        with _asking("simulate a call"):
            return bytes(self._web3.eth.call(transaction, "latest" if block is None else block))

    def travel(self, seconds: int) -> Block:
        """Let time pass on a devnet (eth-tester or anvil) by mining a block `seconds` later; that block."""
        for method, parameters in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            with _asking("let time pass"):
                answer = self._web3.provider.make_request(RPCEndpoint(method), parameters)
            if "error" in answer:
                raise WrongSetup(f"the chain at {self.url} has no {method}: time passes by itself there")
        return self.block()

    # Acting

    def nonce(self, address: str) -> int:
        """The next nonce of an account, those of its pending transactions counted."""
        with _asking("count transactions"):
            return self._web3.eth.get_transaction_count(Web3.to_checksum_address(address), "pending")

    def send(
        self, account: LocalAccount, to: str | None, data: bytes, *, value: int, gas: int, nonce: int, base_fee: int
    ) -> bytes:
        """Sign and send a transaction; its hash. `gas` is for the execution; calldata comes on top."""
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self.id,
            "nonce": nonce,
            "value": value,
            "data": data,
            "gas": gas_limit(gas, data),
            "maxFeePerGas": highest_price(base_fee),
            "maxPriorityFeePerGas": TIP,
        }
        if to is not None:
            transaction["to"] = Web3.to_checksum_address(to)
        signed = account.sign_transaction(transaction)
        with _asking("take a transaction"):
            return bytes(self._web3.eth.send_raw_transaction(signed.raw_transaction))

    def require_balance(self, address: str, value: int, gas: int, base_fee: int) -> None:
        """NotFunded unless an account can pay for a transaction with this value and gas limit."""
        balance, fees = self.balance(address), gas * highest_price(base_fee)
        if balance < value + fees:
            needed = f"{format_amount(value)} are needed, and" if value else "a transaction needs"
            remedy = "send it some or give a smaller amount" if value else "send it some"
            raise NotFunded(
                f"{address} has {format_amount(balance)}; {needed} up to {format_amount(fees)} for gas; {remedy}"
            )

    def wait(self, transaction: bytes, seconds: float = 120, interval: float = 0.02) -> Receipt:
        """The receipt of a transaction; ChainUnavailable if it is not mined in time."""
        end = time.monotonic() + seconds
        while True:
            with _asking("show a receipt"):
                raw = self._receipt(transaction)
            if raw is not None:
                return Receipt(
                    transaction,
                    raw["blockNumber"],
                    raw["status"] == 1,
                    raw["gasUsed"],
                    raw["contractAddress"],
                    tuple(raw["logs"]),
                )
            if time.monotonic() > end:
                raise ChainUnavailable(f"transaction 0x{transaction.hex()} was not mined in {seconds:.0f} s")
            time.sleep(interval)
            interval = min(2 * interval, 2.0)

    def _receipt(self, transaction: bytes) -> Any:
        try:
            return self._web3.eth.get_transaction_receipt(HexBytes(transaction))
        except TransactionNotFound:
            return None
