"""The envelope of a message: msgpack, versioned, signed by its sender's account over all that it must not leave.

    [version, sender (20 bytes), time (microseconds since 1970), body, signature (65 bytes)]

The signature is EIP-712: domain {name "Refute messages", version "1", chainId, verifyingContract}, type
`Message(string topic,uint64 time,bytes32 body)` with the keccak hash of the body's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgpack
from eth_account import Account
from eth_account.messages import SignableMessage
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError

from contracts.messages.topics import LARGEST, Topics
from contracts.signers import Signer
from prover.errors import RefuteError
from prover.merkle import keccak

VERSION = 1
SIGNATURE = 65
PARITIES = (27, 28)
"""What the last byte of a signature may be."""
MOST_MEMBERS = 512
_DOMAIN = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))
_MESSAGE = (("topic", "string"), ("time", "uint64"), ("body", "bytes32"))
_BITS = 64


class Reason(StrEnum):
    """Why a message is refused."""

    OVERSIZED = "oversized"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    UNKNOWN_VERSION = "unknown_version"
    UNKNOWN_TOPIC = "unknown_topic"
    UNSIGNED = "unsigned"
    WRONG_SIGNATURE = "wrong_signature"
    WRONG_SENDER = "wrong_sender"
    STALE = "stale"
    REPLAYED = "replayed"
    TOO_MANY = "too_many"
    MALFORMED = "malformed"
    UNASKED = "unasked"


class Refused(RefuteError):
    """A message is not taken; nothing else follows from it."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Envelope:
    sender: str
    """Checksummed address; whether it signed is for `Domain.check` to say."""
    time: int
    body: bytes
    signature: bytes


@dataclass(frozen=True)
class Domain:
    """The deployment that messages are about: none can be passed off as one about another."""

    chain: int
    contract: str

    @cached_property
    def topics(self) -> Topics:
        return Topics(self.chain, self.contract)

    def seal(self, signer: Signer, topic: str, time: int, body: bytes) -> bytes:
        """A signed message as it is published; a RefuteError if the signer does not sign."""
        signature = bytes(signer.sign_typed_data(full_message=self.typed_data(topic, time, body)).signature)
        if len(signature) != SIGNATURE:
            raise RefuteError(
                f"what {signer.address} signs messages with gives {len(signature)} bytes, not {SIGNATURE}"
            )
        if signature[-1] < PARITIES[0]:  # as some signers give it
            signature = signature[:-1] + bytes([signature[-1] + PARITIES[0]])
        sealed: bytes = msgpack.packb([VERSION, _packed(signer.address), time, body, signature])
        return sealed

    def typed_data(self, topic: str, time: int, body: bytes) -> dict[str, Any]:
        """What is signed, as signers take it."""
        types = {"EIP712Domain": _DOMAIN, "Message": _MESSAGE}
        return {
            "types": {name: [{"name": n, "type": t} for n, t in members] for name, members in types.items()},
            "primaryType": "Message",
            "domain": {
                "name": "Refute messages",
                "version": str(VERSION),
                "chainId": self.chain,
                "verifyingContract": self.contract,
            },
            "message": {"topic": topic, "time": time, "body": keccak(body)},
        }

    def check(self, envelope: Envelope, topic: str) -> None:
        """Refused unless the sender has signed the envelope for this topic of this deployment."""
        if not envelope.signature:
            raise Refused(Reason.UNSIGNED)
        if envelope.signature[-1] not in PARITIES:
            raise Refused(Reason.WRONG_SIGNATURE, f"its last byte is {envelope.signature[-1]}")
        words = keccak(topic.encode()), envelope.time.to_bytes(32, "big"), keccak(envelope.body)
        message = SignableMessage(b"\x01", self._separator, keccak(_type_hash("Message", _MESSAGE), *words))
        try:
            signer = Account.recover_message(message, signature=envelope.signature)
        except (BadSignature, ValidationError, ValueError) as error:
            raise Refused(Reason.WRONG_SIGNATURE, str(error)[:100]) from error
        if signer != envelope.sender:
            raise Refused(Reason.WRONG_SIGNATURE, f"signed by {signer}")

    @cached_property
    def _separator(self) -> bytes:
        """Hash of the domain, made here since checking is what a flood makes us do most."""
        name, version = keccak(b"Refute messages"), keccak(str(VERSION).encode())
        words = self.chain.to_bytes(32, "big"), _packed(self.contract).rjust(32, b"\0")
        return keccak(_type_hash("EIP712Domain", _DOMAIN), name, version, *words)


def parse(payload: bytes) -> Envelope:
    """An envelope of which nothing is checked but its form; Refused if it has not got it."""
    values = unpack(payload)
    if not isinstance(values, list) or not values:
        raise Refused(Reason.GARBAGE, "no envelope")
    version = values[0]
    if type(version) is not int:
        raise Refused(Reason.GARBAGE, "no version")
    if version != VERSION:
        raise Refused(Reason.UNKNOWN_VERSION, str(version))
    if len(values) != 5:
        raise Refused(Reason.GARBAGE, f"{len(values)} members")
    _, sender, time, body, signature = values
    if not (isinstance(sender, bytes) and len(sender) == 20 and isinstance(body, bytes)):
        raise Refused(Reason.GARBAGE, "sender or body")
    if type(time) is not int or not 0 <= time < 1 << _BITS:
        raise Refused(Reason.GARBAGE, "time")
    if not isinstance(signature, bytes) or len(signature) not in (0, SIGNATURE):
        raise Refused(Reason.GARBAGE, "signature")
    return Envelope(to_checksum_address(sender), time, body, signature)


def unpack(data: bytes) -> Any:
    """The one value that `data` encodes; Refused if it encodes none, more than one, or anything of an own type."""
    unpacker = msgpack.Unpacker(
        raw=False, max_buffer_size=LARGEST, max_array_len=MOST_MEMBERS, max_ext_len=0, max_map_len=0
    )
    try:
        unpacker.feed(data)
        value = unpacker.unpack()
    except msgpack.OutOfData as error:
        raise Refused(Reason.TRUNCATED) from error
    except (msgpack.UnpackException, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Refused(Reason.GARBAGE, type(error).__name__) from error
    if unpacker.tell() != len(data):
        raise Refused(Reason.GARBAGE, "more than one value")
    return value


def _packed(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def _type_hash(name: str, members: tuple[tuple[str, str], ...]) -> bytes:
    return keccak(f"{name}({','.join(f'{type_} {member}' for member, type_ in members)})".encode())
