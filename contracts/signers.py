"""Who signs for an account: a key in this process, or a signer behind JSON-RPC that never lets go of it.

`Signer` is all that the rest of the project knows of an account. eth-account's local accounts are signers as they
are; a hardware wallet is one more class with these three members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import is_address, to_checksum_address
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from contracts.errors import ChainUnavailable, WrongSetup
from contracts.urls import without_secrets

SIGNER_SECONDS = 120
"""A person may have to press a button."""


class Raw(Protocol):
    """A signed transaction as a node takes it."""

    @property
    def raw_transaction(self) -> bytes: ...


class Signed(Protocol):
    """A signature, 65 bytes."""

    @property
    def signature(self) -> bytes: ...


class Signer(Protocol):
    """One account's hand. What it raises is a RefuteError that shows nothing secret."""

    @property
    def address(self) -> str: ...

    def sign_transaction(self, transaction: dict[str, Any], /) -> Raw:
        """Sign a transaction of type 2 with every field filled in."""

    def sign_typed_data(self, *, full_message: dict[str, Any]) -> Signed:
        """Sign EIP-712 data; `full_message` has types, primaryType, domain and message."""


@dataclass(frozen=True)
class RawTransaction:
    raw_transaction: bytes


@dataclass(frozen=True)
class Signature:
    signature: bytes


class RemoteSigner:
    """An account of a signer that speaks `eth_signTransaction` and `eth_signTypedData_v4`, as web3signer and clef do.

    Args:
        place: the signer's URL, and after `#` the account's address; without one it has to hold a single account.
    """

    def __init__(self, place: str) -> None:
        url, _, wanted = place.partition("#")
        self._url = without_secrets(url)
        if wanted and not is_address(wanted):
            raise WrongSetup(f"--key: {wanted!r} after # is not an address; one has 0x and 40 hexadecimal digits")
        self._provider = HTTPProvider(url, {"timeout": SIGNER_SECONDS}, exception_retry_configuration=None)
        accounts = [to_checksum_address(account) for account in self._accounts()]
        if wanted and to_checksum_address(wanted) not in accounts:
            raise WrongSetup(f"the signer at {self._url} has no account {wanted}; it has {_listed(accounts)}")
        if not wanted and len(accounts) != 1:
            raise WrongSetup(f"the signer at {self._url} has {_listed(accounts)}; say which: --key {self._url}#ADDRESS")
        self.address: str = to_checksum_address(wanted) if wanted else accounts[0]

    def _accounts(self) -> list[str]:
        accounts = self._ask("eth_accounts", [])
        if not isinstance(accounts, list) or not all(is_address(account) for account in accounts):
            raise WrongSetup(f"what answers at {self._url} is no signer; --key takes the URL of one, or a key file")
        return accounts

    def sign_transaction(self, transaction: dict[str, Any], /) -> RawTransaction:
        """ChainUnavailable if the signer does not answer or will not sign."""
        asked = {name: _hexed(value) for name, value in transaction.items() if name != "type"}
        answer = self._ask("eth_signTransaction", [{**asked, "from": self.address}])
        # clef answers with {raw, tx}, web3signer with the bytes alone.
        raw = self._bytes(answer.get("raw") if isinstance(answer, dict) else answer)
        self._require_same(raw, transaction)
        return RawTransaction(raw)

    def sign_typed_data(self, *, full_message: dict[str, Any]) -> Signature:
        """ChainUnavailable if the signer does not answer or will not sign."""
        return Signature(self._bytes(self._ask("eth_signTypedData_v4", [self.address, _plain(full_message)])))

    def _require_same(self, raw: bytes, transaction: dict[str, Any]) -> None:
        """A signer that fills in or changes fields would break the order of nonces: its transaction is not sent."""
        try:
            signed = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
            signer = Account.recover_transaction(raw)
        except (TypeError, ValueError, ValidationError) as error:
            raise WrongSetup(f"the signer at {self._url} signs no transactions of type 2") from error
        for name, value in transaction.items():
            if name != "type" and _hexed(signed.get(name)).lower() != _hexed(value).lower():
                raise WrongSetup(f"the signer at {self._url} has changed the {name} of a transaction; it is not sent")
        if signer != self.address:
            raise WrongSetup(f"the signer at {self._url} has signed with another key than that of {self.address}")

    def _bytes(self, value: object) -> bytes:
        try:
            return bytes(HexBytes(value))  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ChainUnavailable(f"what the signer at {self._url} answers is no signature") from error

    def _ask(self, method: str, parameters: list[Any]) -> Any:
        try:
            answer = self._provider.make_request(RPCEndpoint(method), parameters)
        except (OSError, ValueError) as error:  # what requests raises, and what is no JSON
            reason = type(error).__name__
            raise ChainUnavailable(f"the signer at {self._url} does not answer to {method}: {reason}") from error
        if not isinstance(answer, dict):
            raise ChainUnavailable(f"what the signer at {self._url} answers is not JSON-RPC")
        if answer.get("error") is not None:
            raise ChainUnavailable(f"the signer at {self._url} refuses {method}: {str(answer['error'])[:200]}")
        return answer.get("result")


def _listed(accounts: Sequence[str]) -> str:
    return ", ".join(accounts) or "no account"


def _hexed(value: Any) -> str:
    if isinstance(value, int):
        return hex(value)
    return "0x" + bytes(value).hex() if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    """What JSON can hold: bytes in hexadecimal."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return "0x" + value.hex() if isinstance(value, bytes) else value
