"""The devnet's JSON-RPC: whatever is sent to it, it answers, and the chain goes on."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.devnet_files import DevnetFiles
from contracts.errors import ContractRefused
from contracts.keys import load_account
from deploy.devnet import Devnet
from deploy.rpc_server import MAX_BODY
from prover.progress import told
from tests.commands.conftest import Commands

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, BAD_PARAMS = -32700, -32600, -32601, -32602


def post(devnet: Devnet, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    host, port = devnet.server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("POST", "/", body, headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def ask(devnet: Devnet, method: object, params: object = (), **members: object) -> Any:
    status, answer = post(devnet, json.dumps({"jsonrpc": "2.0", "id": 5, "method": method, "params": params}).encode())
    assert status == 200
    return answer


def code(answer: Any) -> int:
    return int(answer["error"]["code"])


def test_a_call_is_answered_under_its_id(devnet: Devnet) -> None:
    assert ask(devnet, "eth_chainId") == {"jsonrpc": "2.0", "id": 5, "result": hex(devnet.deployment.chain)}


def test_its_start_tells_how_far_it_is(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    with told(lambda *said: heard.append(said)):
        held = Devnet(DevnetFiles(tmp_path), port=0)
    held.server.start()
    held.server.close()
    assert heard[:5] == [("deploying contracts", done, 4) for done in range(5)]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xfd", b"[" * 1_000])
def test_what_is_no_json_is_a_parse_error(devnet: Devnet, body: bytes) -> None:
    status, answer = post(devnet, body)
    assert (status, answer["id"], code(answer)) == (200, None, PARSE_ERROR)


@pytest.mark.parametrize("body", [b"5", b"[]", b"null", b"{}", b'{"id": 1}', b'{"method": 5}', b"[" * 100_000])
def test_what_is_no_request_is_an_invalid_one(devnet: Devnet, body: bytes) -> None:
    assert code(post(devnet, body)[1]) == INVALID_REQUEST


def test_an_unknown_method_and_bad_parameters_are_named(devnet: Devnet) -> None:
    unknown = ask(devnet, "eth_mining")
    assert (code(unknown), "eth_mining" in unknown["error"]["message"]) == (NO_METHOD, True)
    for params in ({"block": 1}, 5, "text", [], [[]], ["0xzz", {}]):
        assert code(ask(devnet, "eth_getBalance", params)) == BAD_PARAMS
    assert code(ask(devnet, "evm_increaseTime", [])) == BAD_PARAMS


def test_a_batch_is_answered_one_by_one(devnet: Devnet) -> None:
    batch = [{"id": 1, "method": "eth_chainId"}, 5, {"id": 3, "method": "eth_nothing"}]
    _, answers = post(devnet, json.dumps(batch).encode())
    assert [answer["id"] for answer in answers] == [1, None, 3]
    assert ["result" in answer for answer in answers] == [True, False, False]


def test_a_body_that_is_too_large_is_refused_unread(devnet: Devnet) -> None:
    for length in (MAX_BODY + 1, 10**30):
        status, answer = post(devnet, b"", {"Content-Length": str(length)})
        assert (status, code(answer)) == (413, INVALID_REQUEST)


@pytest.mark.parametrize("length", ["-1", "many", "\u0661", ""])
def test_a_body_of_no_length_is_refused(devnet: Devnet, length: str) -> None:
    assert post(devnet, b"", {"Content-Length": length.encode("utf-8").decode("latin-1")})[0] == 411


def test_time_passes_as_on_anvil(devnet: Devnet) -> None:
    chain = Chain.connect(devnet.server.url)
    before = chain.block()
    assert ask(devnet, "evm_increaseTime", [3600])["result"] == hex(3600)
    ask(devnet, "evm_mine")
    assert before.timestamp + 3600 <= chain.block().timestamp <= before.timestamp + 3660
    assert chain.block().number == before.number + 1


@pytest.mark.parametrize("seconds", [-5, -(10**9), 10**30, "0xffffffffffffffffff", "soon", None])
def test_a_time_the_chain_could_not_go_on_from_is_refused(devnet: Devnet, seconds: object) -> None:
    assert code(ask(devnet, "evm_increaseTime", [seconds])) == BAD_PARAMS
    number = Chain.connect(devnet.server.url).block().number
    ask(devnet, "evm_mine")
    assert Chain.connect(devnet.server.url).block().number == number + 1


def test_warp_lets_time_pass(commands: Commands) -> None:
    url = commands.devnet.server.url
    before = Chain.connect(url).block()
    assert f"block {before.number + 1}, chain time " in commands.done("refute", "warp", "100", "--chain", url)
    assert Chain.connect(url).block().timestamp >= before.timestamp + 100


def test_the_reason_of_a_refusal_arrives_with_its_arguments(devnet: Devnet) -> None:
    """Through HTTP and web3, from a simulated call and from a transaction that was mined."""
    account = load_account(None, "requester", devnet.files.keys)
    client = Client(Chain.connect(devnet.server.url), devnet.deployment, account)
    with pytest.raises(ContractRefused) as refused:
        client.transact(calls.accept(bytes([9]) * 32))
    assert (refused.value.name, refused.value.arguments) == ("UnknownRequest", (bytes([9]) * 32,))
    with pytest.raises(ContractRefused) as refused:
        client.transact(calls.start_withdrawal(5))
    assert (refused.value.name, refused.value.arguments) == ("FreeStakeTooLow", (0, 5))


def test_a_port_in_use_gives_one_line_and_no_files(commands: Commands, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = commands.refused("refute", "devnet", "--no-model", "--port", port, "--directory", tmp_path / "new")
    assert f"port {port} on 127.0.0.1 cannot be opened" in line
    assert "stop what listens there or choose --port" in line
    assert not (tmp_path / "new").exists()


def test_a_devnet_leaves_whole_files(tmp_path: Path) -> None:
    files = DevnetFiles(tmp_path / "devnet")
    made = Devnet(files, port=0)
    made.server.start()
    made.server.close()
    assert sorted(path.name for path in files.directory.iterdir()) == ["deployment.json", "keys.json"]
    assert files.read_url() is None
