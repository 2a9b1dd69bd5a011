"""What a person gets wrong about the chain, the key and the deployment file: one line, whatever the command."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from eth_account import Account

from contracts.chain import Chain
from contracts.provider import DevnetChain
from deploy.rpc_server import RpcServer
from tests.commands.conftest import Commands, assert_shows_no_key

KEY = "4c0883a69102937d" * 4
WATCH = ("watcher", "--stake", "10eth")
SERVE = ("executor",)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of this machine where nothing listens, kept from others while it is needed."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


# The chain


@pytest.mark.parametrize("command", [WATCH, SERVE], ids=["watcher", "executor"])
def test_a_chain_that_does_not_answer(commands: Commands, command: tuple[str, ...], silent_port: int) -> None:
    url = f"http://127.0.0.1:{silent_port}"
    line = commands.refused(*command, *commands.options(chain=url))
    assert f"no chain answers at {url}; start one (`refute devnet`) or give another with --chain" in line


def test_every_command_that_needs_a_chain_says_so(commands: Commands, silent_port: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{silent_port}"
    keys, file = commands.devnet.files.keys, tmp_path / "deployment.json"
    assert f"no chain answers at {url}" in commands.refused("refute", "warp", "5", "--chain", url)
    line = commands.refused("refute", "deploy", "--file", file, "--chain", url, "--key", keys)
    assert f"no chain answers at {url}" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["localhost:8545", "ftp://127.0.0.1", "", "10eth"])
def test_a_chain_that_is_no_url(commands: Commands, url: str) -> None:
    line = commands.refused(*WATCH, *commands.options(chain=url))
    assert f"{url!r} is not a chain's URL; give one that starts with http:// or https://" in line


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999", "http://[", "http://127.0.0.1:port"])
def test_a_url_that_leads_nowhere(commands: Commands, url: str) -> None:
    assert f"no chain answers at {url}" in commands.refused(*WATCH, *commands.options(chain=url))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"5", b"{}", b'{"result": "many"}', b'{"result": null}', b""])
def test_a_server_that_is_no_chain(commands: Commands, body: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert f"no chain answers at {url}" in commands.refused(*WATCH, *commands.options(chain=url))
        server.shutdown()


# The deployment file


def test_a_deployment_file_that_is_missing(commands: Commands, tmp_path: Path) -> None:
    line = commands.refused(*WATCH, *commands.options(deployment=tmp_path / "none.json"))
    assert "there is no deployment file" in line
    assert "start a devnet (`refute devnet`) or give one with --deployment" in line


@pytest.mark.parametrize("content", ["", "garbage", "{}", "[]", "\x00\x01"])
def test_a_deployment_file_that_is_garbage(commands: Commands, tmp_path: Path, content: str) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(content)
    line = commands.refused(*WATCH, *commands.options(deployment=file))
    assert f"{file} is not a deployment file that can be read" in line


def test_a_deployment_file_of_another_chain(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps({**asdict(commands.devnet.deployment), "chain": 1}))
    line = commands.refused(*WATCH, *commands.options(deployment=file))
    assert f"deployment file {file} is for chain 1, but the chain at {commands.devnet.server.url} is" in line


def test_a_chain_that_was_started_anew(commands: Commands) -> None:
    server = RpcServer(DevnetChain().handle, 0)
    server.start()
    line = commands.refused(*WATCH, *commands.options(chain=server.url))
    server.close()
    assert f"there is no contract at {commands.devnet.deployment.refute}, where deployment file" in line
    assert "the chain was started anew: deploy again" in line


def test_a_deployment_is_not_written_over(commands: Commands) -> None:
    files = commands.devnet.files
    before = files.deployment.read_bytes()
    options = ("--chain", commands.devnet.server.url, "--key", files.keys)
    line = commands.refused("refute", "deploy", "--file", files.deployment, *options)
    assert "exists; give another name, or move it away to deploy again" in line
    assert files.deployment.read_bytes() == before


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ('{"clock": 5}', "ClockTooShort(): clock is at least 12 * moveTime"),
        ("{", "cannot be read"),
        ('{"widow": 5}', "'widow'"),
    ],
)
def test_parameters_that_will_not_do(commands: Commands, tmp_path: Path, parameters: str, reason: str) -> None:
    (tmp_path / "parameters.json").write_text(parameters)
    options = ("--chain", commands.devnet.server.url, "--key", commands.devnet.files.keys)
    chosen = ("--parameters", tmp_path / "parameters.json")
    assert reason in commands.refused("refute", "deploy", "--file", tmp_path / "out.json", *chosen, *options)
    assert [path.name for path in tmp_path.iterdir()] == ["parameters.json"]


# The key


def test_a_key_file_that_is_missing(commands: Commands, tmp_path: Path) -> None:
    line = commands.refused(*WATCH, *commands.options(key=tmp_path / "none"))
    assert "the key given is neither a key nor a file that can be read; a key file holds 64 hexadecimal digits" in line


@pytest.mark.parametrize("content", ["", "not a key", KEY[:-1], KEY + "0", f'{{"watcher": "{KEY[:-1]}"}}', "{}"])
def test_a_key_file_without_a_key(commands: Commands, tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    line = commands.refused(*WATCH, *commands.options(key=file))
    assert str(file) in line
    assert KEY[:16] not in line


def test_a_keystore_with_the_wrong_password(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keystore.json"
    file.write_text(json.dumps(Account.encrypt(KEY, "right", kdf="pbkdf2", iterations=1)))
    assert "needs its password in REFUTE_PASSWORD" in commands.refused(*WATCH, *commands.options(key=file))
    monkeypatch.setenv("REFUTE_PASSWORD", "wrong")
    line = commands.refused(*WATCH, *commands.options(key=file))
    assert f"keystore {file} does not open with the password in REFUTE_PASSWORD" in line
    monkeypatch.setenv("REFUTE_PASSWORD", "right")
    said = commands.call(*WATCH, *commands.options(key=file))
    assert "has 0 eth; 10 eth are needed" in said.err
    assert KEY not in said.out + said.err


@pytest.mark.parametrize("mistyped", [KEY[:-1], KEY + "0", "0x" + KEY[:-1] + "g"])
def test_a_mistyped_key_is_not_repeated(commands: Commands, mistyped: str) -> None:
    assert mistyped not in commands.refused(*WATCH, *commands.options(key=mistyped))


def test_a_key_in_the_environment_is_in_no_output(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUTE_KEY", KEY)
    said = commands.call(*WATCH, *commands.options(key=None))
    assert "has 0 eth; 10 eth are needed" in said.err
    helped = commands.call("watcher", "--help")
    assert "REFUTE_KEY" in helped.out
    assert KEY not in said.out + said.err + helped.out + helped.err
    assert_shows_no_key(helped.out)


def test_what_was_deployed_is_checked(commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--chain", commands.devnet.server.url, "--key", commands.devnet.files.keys)
    said = commands.done("refute", "deploy", "--file", tmp_path / "right.json", *options)
    assert said.splitlines()[-1] == "its code is that of the artifacts"
    code = Chain.code
    monkeypatch.setattr(Chain, "code", lambda chain, address: code(chain, address)[:-1])
    line = commands.refused("refute", "deploy", "--file", tmp_path / "wrong.json", *options)
    assert "Walk, Referee, Commitments, Refute: the chain shows another code than was deployed" in line
