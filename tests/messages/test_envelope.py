"""Envelopes: what was sealed is read, and any change to it, its topic or its deployment is refused by name."""

from __future__ import annotations

from dataclasses import fields

import msgpack
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.messages import envelope, kinds
from contracts.messages.envelope import Domain, Envelope, Reason, Refused
from contracts.signers import RemoteSigner
from prover.errors import RefuteError
from tests.contracts.test_signers import ACCOUNT, honest, signer_at
from tests.messages.party import ACCOUNTS, DOMAIN

SIGNER, OTHER = ACCOUNTS[:2]
WORD = bytes(range(32))
MESSAGES = (
    kinds.Announcement("watcher", (WORD,), "0.1.0"),
    kinds.Claimed(WORD, WORD, WORD),
    kinds.Moved(WORD, WORD, "trace", "executor", 2**64 - 1, 0),
    kinds.Wanted("tree", WORD),
    kinds.Content("tensor", WORD, b"data"),
    kinds.Report((WORD, WORD)),
    kinds.Alert("claim_fallen", "error", '{"claim": "0x00"}'),
)


def refusal(call: object, *arguments: object) -> Reason:
    with pytest.raises(Refused) as refused:
        call(*arguments)  # type: ignore[operator]
    return refused.value.reason


def sealed(topic: str = "a/b", time: int = 5, body: bytes = b"body", domain: Domain = DOMAIN) -> bytes:
    return domain.seal(SIGNER, topic, time, body)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=40), st.integers(0, 2**64 - 1), st.binary(max_size=200))
def test_what_was_sealed_is_read(topic: str, time: int, body: bytes) -> None:
    held = envelope.parse(sealed(topic, time, body))
    assert (held.sender, held.time, held.body) == (SIGNER.address, time, body)
    DOMAIN.check(held, topic)


def test_the_hash_that_is_checked_is_the_standards() -> None:
    """Domain and struct are hashed here by hand; eth-account has its own way from the typed data."""
    typed = encode_typed_data(full_message=DOMAIN.typed_data("a/b", 5, b"body"))
    assert Account.recover_message(typed, signature=envelope.parse(sealed()).signature) == SIGNER.address


def test_a_remote_signer_seals_as_the_key_itself_would() -> None:
    with signer_at(honest) as url:
        held = envelope.parse(DOMAIN.seal(RemoteSigner(url), "a/b", 5, b"body"))
    assert held.sender == ACCOUNT.address
    DOMAIN.check(held, "a/b")


def test_a_signer_that_gives_no_signature_is_named() -> None:
    def empty(method: str, params: list[object]) -> object:
        return "0x" if method == "eth_signTypedData_v4" else honest(method, params)

    with signer_at(empty) as url, pytest.raises(RefuteError, match="gives 0 bytes, not 65"):
        DOMAIN.seal(RemoteSigner(url), "a/b", 5, b"body")


@pytest.mark.parametrize("field", ["time", "body", "sender", "signature"])
def test_a_changed_envelope_is_not_the_senders(field: str) -> None:
    held = envelope.parse(sealed())
    other = {"time": 6, "body": b"Body", "sender": OTHER.address, "signature": bytes(65)}[field]
    changed = Envelope(**{f.name: getattr(held, f.name) for f in fields(held)} | {field: other})
    assert refusal(DOMAIN.check, changed, "a/b") is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize("domain", [Domain(62, DOMAIN.contract), Domain(DOMAIN.chain, OTHER.address)])
def test_a_message_about_another_deployment_or_topic_is_not_taken(domain: Domain) -> None:
    held = envelope.parse(sealed())
    assert refusal(domain.check, held, "a/b") is Reason.WRONG_SIGNATURE
    assert refusal(DOMAIN.check, held, "a/c") is Reason.WRONG_SIGNATURE


def test_an_unsigned_message_is_refused_as_such() -> None:
    held = envelope.parse(msgpack.packb([1, bytes(20), 5, b"body", b""]))
    assert refusal(DOMAIN.check, held, "a/b") is Reason.UNSIGNED


@pytest.mark.parametrize("version", [0, 2, 2**63])
def test_another_version_is_refused_whatever_follows(version: int) -> None:
    assert refusal(envelope.parse, msgpack.packb([version])) is Reason.UNKNOWN_VERSION
    assert refusal(envelope.parse, msgpack.packb([version, {1: 2}])) is Reason.GARBAGE, "maps are in no version"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_truncated_message_is_refused_as_such(data: st.DataObject) -> None:
    whole = sealed(body=data.draw(st.binary(max_size=70)))
    assert refusal(envelope.parse, whole[: data.draw(st.integers(0, len(whole) - 1))]) is Reason.TRUNCATED


GARBAGE = [
    b"\xc1",
    b"\x05",
    b"\x90",
    b"hello, broker",
    b"\x91" * 5_000,
    b"\xd8\x05" + bytes(16),  # an own type
    b"\xd7\xff" + b"\xff" * 8,  # a time that there is not
    b"\x81\x90\x05",  # a map whose key is a list
    b"\xdd\xff\xff\xff\xff",  # four thousand million members
    b"\xc6\xff\xff\xff\xff" + bytes(100),
    b"\x91\xa2\xff\xff",
    msgpack.packb([True, bytes(20), 5, b"", bytes(65)]),
    msgpack.packb([1, bytes(20), 5, b"", bytes(65), 0]),
    msgpack.packb([1, bytes(19), 5, b"", bytes(65)]),
    msgpack.packb([1, bytes(20), -1, b"", bytes(65)]),
    msgpack.packb([1, bytes(20), 5.0, b"", bytes(65)]),
    msgpack.packb([1, bytes(20), 5, "", bytes(65)]),
    msgpack.packb([1, bytes(20), 5, b"", bytes(64)]),
    sealed() + b"\x00",
]


@pytest.mark.parametrize("payload", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused(payload: bytes) -> None:
    assert refusal(envelope.parse, payload) in (Reason.GARBAGE, Reason.TRUNCATED)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(
            msgpack.packb,
            st.recursive(
                st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=70) | st.floats(),
                lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.binary(max_size=3), inner, max_size=2),
            ),
        ),
    )
)
def test_nothing_that_arrives_does_more_than_be_refused(payload: bytes) -> None:
    try:
        held = envelope.parse(payload)
    except Refused:
        return
    assert refusal(DOMAIN.check, held, "a/b") in (Reason.UNSIGNED, Reason.WRONG_SIGNATURE)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_wrong_byte_anywhere_is_refused(place: int, change: int) -> None:
    whole = bytearray(sealed())
    whole[place % len(whole)] ^= change

    def admit() -> None:
        DOMAIN.check(envelope.parse(bytes(whole)), "a/b")

    refusal(admit)


# Bodies


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_body_is_read_as_it_was_written(message: kinds.Message) -> None:
    assert kinds.decode(type(message), envelope.unpack(kinds.encode(message))) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_body_with_anything_else_in_a_field_is_malformed(message: kinds.Message) -> None:
    values = envelope.unpack(kinds.encode(message))
    for wrong in (None, True, -1, 2**64, 0.5, b"", "?" * 3_000, [bytes(32)] * 300, [5]):
        for place in range(len(values)):
            with pytest.raises(kinds.Malformed):
                kinds.decode(type(message), [*values[:place], wrong, *values[place + 1 :]])
    for size in (values[:-1], [*values, 0], b"", None):
        with pytest.raises(kinds.Malformed):
            kinds.decode(type(message), size)


def test_what_breaks_its_kinds_form_is_not_even_said() -> None:
    with pytest.raises(kinds.Malformed, match="Claimed: request"):
        kinds.encode(kinds.Claimed(WORD, b"short", WORD))
