"""A signer behind JSON-RPC: it plays for its account as a key in this process does, and is not believed blindly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import deploy
from contracts.errors import ChainUnavailable, WrongSetup
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider
from contracts.signers import RemoteSigner
from prover.game.position import Ground, Position

ACCOUNT: LocalAccount = Account.from_key(DEVNET_KEYS[2])
OTHER: LocalAccount = Account.from_key(DEVNET_KEYS[3])
Answer = Callable[[str, list[Any]], Any]


def honest(method: str, params: list[Any]) -> Any:
    """What web3signer does with ACCOUNT's key."""
    if method == "eth_accounts":
        return [ACCOUNT.address.lower()]
    if method == "eth_signTypedData_v4":
        assert params[0] == ACCOUNT.address
        return ACCOUNT.sign_typed_data(full_message=params[1]).signature.to_0x_hex()
    assert method == "eth_signTransaction"
    transaction = {**params[0], "to": to_checksum_address(params[0]["to"])}
    assert transaction.pop("from") == ACCOUNT.address
    return ACCOUNT.sign_transaction(transaction).raw_transaction.to_0x_hex()


@contextmanager
def signer_at(answer: Answer) -> Iterator[str]:
    """The URL of a server that answers with what `answer` returns; an error if it raises."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                said: dict[str, Any] = {"result": answer(asked["method"], asked["params"])}
            except PermissionError as refusal:
                said = {"error": {"code": -32000, "message": str(refusal)}}
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(LocalProvider(DevnetChain()))


def test_a_remote_signer_sends_transactions_and_signs_openings_as_the_key_itself_would(chain: Chain) -> None:
    deployed = deploy(chain, OTHER)
    position = Position.initial(Ground(3, bytes(32), bytes(32), bytes(32)))
    with signer_at(honest) as url:
        client = Client(chain, deployed, RemoteSigner(url))
        assert client.address == ACCOUNT.address
        client.transact(calls.deposit(5))
        signed = client.sign_opening(bytes([1]) * 32, position, bytes([2]) * 32)
    assert client.view("accountOf", ACCOUNT.address)[0] == 5
    assert signed == Client(chain, deployed, ACCOUNT).sign_opening(bytes([1]) * 32, position, bytes([2]) * 32)


def test_clef_says_its_transaction_beside_its_bytes(chain: Chain) -> None:
    def clef(method: str, params: list[Any]) -> Any:
        answer = honest(method, params)
        return {"raw": answer, "tx": {}} if method == "eth_signTransaction" else answer

    with signer_at(clef) as url:
        signer = RemoteSigner(url)
        assert chain.wait(_sent(chain, signer)).succeeded


def _sent(chain: Chain, signer: RemoteSigner) -> bytes:
    base_fee, nonce = chain.block().base_fee, chain.nonce(signer.address)
    return chain.send(signer, OTHER.address, b"", value=1, gas=0, nonce=nonce, base_fee=base_fee)


def test_of_several_accounts_one_is_named_after_the_url() -> None:
    with signer_at(lambda *_: [ACCOUNT.address, OTHER.address]) as url:
        assert RemoteSigner(f"{url}#{OTHER.address.lower()}").address == OTHER.address
        with pytest.raises(WrongSetup, match=rf"say which: --key {url}#ADDRESS"):
            RemoteSigner(url)
        with pytest.raises(WrongSetup, match="has no account"):
            RemoteSigner(f"{url}#{'0x' + '12' * 20}")
        with pytest.raises(WrongSetup, match="'me' after # is not an address"):
            RemoteSigner(f"{url}#me")


def test_a_signer_that_changes_what_it_signs_or_who_signs_is_not_believed(chain: Chain) -> None:
    def later(method: str, params: list[Any]) -> Any:
        if method == "eth_signTransaction":
            params[0]["nonce"] = hex(int(params[0]["nonce"], 16) + 1)
        return honest(method, params)

    def another(method: str, params: list[Any]) -> Any:
        if method != "eth_signTransaction":
            return honest(method, params)
        asked = {**params[0], "to": to_checksum_address(params[0]["to"])}
        del asked["from"]
        return OTHER.sign_transaction(asked).raw_transaction.to_0x_hex()

    for dishonest, said in ((later, "has changed the nonce"), (another, "signed with another key")):
        with signer_at(dishonest) as url, pytest.raises(WrongSetup, match=said):
            _sent(chain, RemoteSigner(url))


def test_a_signer_that_is_gone_or_refuses_is_waited_for(chain: Chain) -> None:
    """ChainUnavailable is what agents retry."""

    def locked(method: str, params: list[Any]) -> Any:
        if method == "eth_signTransaction":
            raise PermissionError("the account is locked")
        return honest(method, params)

    with signer_at(locked) as url:
        signer = RemoteSigner(url)
        with pytest.raises(ChainUnavailable, match=r"refuses eth_signTransaction: .*the account is locked"):
            _sent(chain, signer)
    with pytest.raises(ChainUnavailable, match="does not answer to eth_signTransaction"):
        _sent(chain, signer)


@pytest.mark.parametrize("accounts", [None, 5, ["me"], {"0x": 1}])
def test_what_is_no_signer_is_said_so(accounts: object) -> None:
    with signer_at(lambda *_: accounts) as url, pytest.raises(WrongSetup, match="is no signer"):
        RemoteSigner(url)
