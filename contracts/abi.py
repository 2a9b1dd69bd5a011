"""The contracts' interfaces from their compiled artifacts: encoding calls, decoding logs, results and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi import abi as codec
from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from eth_abi.exceptions import DecodingError
from eth_abi.registry import registry
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address

from prover.errors import RefuteError
from prover.merkle import keccak

ARTIFACTS = Path(__file__).parent / "artifacts"

PANIC = keccak(b"Panic(uint256)")[:4]
REASON = keccak(b"Error(string)")[:4]


def _lenient() -> ABICodec:
    """Decodes whatever a log or a refusal holds: the contract does not look into strings, so anyone may put bytes
    there that are not UTF-8."""
    lenient = registry.copy()  # type: ignore[no-untyped-call]
    lenient.unregister_decoder("string")
    replacing = StringDecoder(handle_string_errors="replace")  # type: ignore[no-untyped-call]
    lenient.register_decoder("string", replacing, label="string")
    return ABICodec(lenient)


_LENIENT = _lenient()


class UndecodableLog(RefuteError):
    """A log that claims to be an event of this contract and is not encoded like one."""


@dataclass(frozen=True)
class Event:
    """One decoded log of the contract: its name and its arguments by name."""

    name: str
    arguments: Mapping[str, Any]


def _types(parameters: Sequence[Mapping[str, Any]]) -> list[str]:
    return [collapse_if_tuple(dict(parameter)) for parameter in parameters]


def _signature(entry: Mapping[str, Any]) -> bytes:
    return keccak(f"{entry['name']}({','.join(_types(entry['inputs']))})".encode())


class Abi:
    """Encodes and decodes for one contract; refusals of the contracts it asks are decoded too."""

    def __init__(self, entries: Sequence[Mapping[str, Any]], refusals: Sequence[Mapping[str, Any]] = ()) -> None:
        self._functions = {e["name"]: e for e in entries if e["type"] == "function"}
        self._selectors: dict[bytes, str] = {_signature(e)[:4]: name for name, e in self._functions.items()}
        self._constructor = [p for e in entries if e["type"] == "constructor" for p in e["inputs"]]
        self._events = {_signature(e): e for e in entries if e["type"] == "event"}
        self._errors = {_signature(e)[:4]: e for e in (*refusals, *entries) if e["type"] == "error"}

    def encode_call(self, function: str, arguments: Sequence[Any]) -> bytes:
        """The calldata of a call."""
        entry = self._functions[function]
        return _signature(entry)[:4] + codec.encode(_types(entry["inputs"]), list(arguments))

    def function_of(self, data: bytes) -> str:
        """The name of the function that calldata calls; KeyError if it is none of this contract's."""
        return self._selectors[data[:4]]

    def encode_constructor(self, arguments: Sequence[Any]) -> bytes:
        return codec.encode(_types(self._constructor), list(arguments))

    def decode_result(self, function: str, data: bytes) -> Any:
        """What a view returned: one value, or a tuple."""
        values = codec.decode(_types(self._functions[function]["outputs"]), data)
        return values[0] if len(values) == 1 else values

    def decode_log(self, topics: Sequence[bytes], data: bytes) -> Event | None:
        """The event of a log; None if this contract declares no such event; UndecodableLog if it is not encoded so."""
        entry = self._events.get(bytes(topics[0])) if topics else None
        if entry is None:
            return None
        indexed = [p for p in entry["inputs"] if p["indexed"]]
        plain = [p for p in entry["inputs"] if not p["indexed"]]
        try:
            values = dict(zip((p["name"] for p in plain), _LENIENT.decode(_types(plain), data), strict=True))
            for parameter, topic in zip(indexed, topics[1:], strict=True):
                values[parameter["name"]] = _LENIENT.decode(_types([parameter]), bytes(topic))[0]
        except (DecodingError, ValueError, OverflowError) as error:
            raise UndecodableLog(f"a log of {entry['name']} cannot be decoded: {error}") from error
        for parameter in entry["inputs"]:
            if parameter["type"] == "address":
                values[parameter["name"]] = to_checksum_address(values[parameter["name"]])
        return Event(entry["name"], values)

    def decode_error(self, data: bytes) -> tuple[str, tuple[Any, ...]]:
        """(name, arguments) of a refusal's revert data."""
        selector, body = data[:4], data[4:]
        entry = self._errors.get(selector)
        try:
            if entry is not None:
                return entry["name"], tuple(_LENIENT.decode(_types(entry["inputs"]), body))
            if selector == PANIC:
                return "Panic", tuple(_LENIENT.decode(["uint256"], body))
            if selector == REASON:
                return "Error", tuple(_LENIENT.decode(["string"], body))
        except DecodingError:
            return "Unreadable", (data,)
        return ("Unknown", (data,)) if data else ("NoReason", ())


@dataclass(frozen=True)
class Artifact:
    """A compiled contract."""

    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes


@cache
def artifact(name: str) -> Artifact:
    """A contract's artifact by its name."""
    content = json.loads((ARTIFACTS / f"{name}.json").read_text())
    return Artifact(tuple(content["abi"]), bytes.fromhex(content["bytecode"].removeprefix("0x")))


@cache
def refute_abi() -> Abi:
    """The interface of Refute, with the refusals of the contracts that decide moves, which it hands on."""
    rules = [entry for name in ("Walk", "Referee", "Commitments") for entry in artifact(name).abi]
    return Abi(artifact("Refute").abi, rules)
