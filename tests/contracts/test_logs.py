"""Logs that strangers have a hand in: whatever is in one, it is read or passed over, and nobody's agent ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_abi import encode
from structlog.testing import capture_logs

from contracts import calls
from contracts.abi import Abi, UndecodableLog, artifact, refute_abi
from contracts.observer import Observer
from prover.merkle import keccak
from tests.agents.stage import Stage

MODEL, SOMEBODY = bytes([7]) * 32, bytes(12) + bytes([9]) * 20
URI_ADDED = keccak(b"UriAdded(bytes32,address,string)")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "models")


def add_bytes_as_uri(stage: Stage, uri: bytes) -> None:
    """`addUri` with bytes where text belongs; both are encoded alike."""
    data = keccak(b"addUri(bytes32,string)")[:4] + encode(["bytes32", "bytes"], [bytes(stage.model.id), uri])
    assert stage.chain.transact(stage.other.signer, stage.deployment.refute, data, gas=300_000).succeeded


def test_a_uri_that_is_no_text_is_read_with_replacements(stage: Stage) -> None:
    running = stage.executor(), stage.watcher()
    request = stage.ask()
    stage.settle_down(*running)
    add_bytes_as_uri(stage, b"\xff\xfehttp://")
    stage.settle_down(*running, stage.executor(), stage.watcher())
    assert stage.claims_of(request)
    assert stage.look().models[bytes(stage.model.id)].uris[-1] == "\ufffd\ufffdhttp://"


@pytest.mark.parametrize("data", [b"", b"\xff" * 32, b"\xff" * 96, bytes(31) + b" " + b"\xff" * 32])
def test_a_log_that_does_not_decode_has_one_error(data: bytes) -> None:
    with pytest.raises(UndecodableLog, match="a log of UriAdded"):
        refute_abi().decode_log([URI_ADDED, MODEL, SOMEBODY], data)
    with pytest.raises(UndecodableLog, match="a log of UriAdded"):
        refute_abi().decode_log([URI_ADDED], data)


def test_a_log_that_does_not_decode_is_passed_over_with_what_follows_from_it(stage: Stage) -> None:
    """The node spoils the log of a request: what is asked for before and afterwards is seen all the same."""
    first, spoilt, last = stage.ask(1), stage.ask(2), stage.ask(3)
    stage.requester.transact(calls.cancel(spoilt))
    whole = stage.chain.logs

    def with_a_spoilt_log(*arguments: object) -> list[object]:
        logs = whole(*arguments)  # type: ignore[arg-type]
        return [
            {**log, "data": b"\xff" * 64} if log["topics"][1] == spoilt and len(log["data"]) else log for log in logs
        ]

    stage.chain.logs = with_a_spoilt_log  # type: ignore[assignment,method-assign]
    with capture_logs() as said:
        seen = Observer(stage.requester).observe()
    assert list(seen.requests) == [first, last]
    assert [entry["event"] for entry in said] == ["log_skipped", "event_skipped"]


def test_a_reason_that_is_no_text_is_read_too() -> None:
    reason = keccak(b"Error(string)")[:4] + encode(["bytes"], [b"\xff!"])
    assert Abi(artifact("Refute").abi).decode_error(reason) == ("Error", ("\ufffd!",))
