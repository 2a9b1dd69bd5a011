"""Where keys come from, and that no message ever shows one."""

from __future__ import annotations

import json
import os
import pty
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from eth_account import Account

from contracts.errors import WrongSetup
from contracts.keys import address_of, create_keystore, load_account

KEY = "0x" + "4c0883a69102937d" * 4
ADDRESS = Account.from_key(KEY).address
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def keystore() -> str:
    return json.dumps(Account.encrypt(KEY, PASSWORD, kdf="pbkdf2", iterations=1))


def test_a_key_file_holds_the_digits(tmp_path: Path) -> None:
    file = tmp_path / "key"
    for text in (KEY, KEY.removeprefix("0x"), f"  {KEY}\n"):
        file.write_text(text)
        assert load_account(str(file), "watcher", tmp_path / "none").address == ADDRESS


def test_the_environment_may_hold_the_key_itself(tmp_path: Path) -> None:
    assert load_account(KEY, "watcher", tmp_path / "none").address == ADDRESS


def test_without_a_key_the_devnets_file_says_which_the_role_has(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"watcher": KEY}))
    assert load_account(None, "watcher", keys).address == ADDRESS
    assert load_account(str(keys), "watcher", tmp_path / "none").address == ADDRESS
    with pytest.raises(WrongSetup, match="has no key for 'executor'"):
        load_account(None, "executor", keys)


def test_a_keystore_opens_with_its_password(tmp_path: Path, keystore: str) -> None:
    file = tmp_path / "keystore.json"
    file.write_text(keystore)
    assert load_account(str(file), "watcher", file, {"REFUTE_PASSWORD": PASSWORD}).address == ADDRESS
    with pytest.raises(WrongSetup, match="needs its password in REFUTE_PASSWORD"):
        load_account(str(file), "watcher", file, {})
    with pytest.raises(WrongSetup, match="does not open with the password") as refused:
        load_account(str(file), "watcher", file, {"REFUTE_PASSWORD": "wrong horse"})
    assert "horse" not in str(refused.value)


DIGITS = KEY.removeprefix("0x")


@pytest.mark.parametrize(
    "content",
    [
        "",
        DIGITS[:-1],
        DIGITS + "0",
        DIGITS[:-1] + "g",
        "0" * 64,
        "f" * 64,
        "[]",
        json.dumps(KEY),
        json.dumps({"watcher": DIGITS[:-1]}),
        json.dumps({"watcher": 5}),
        json.dumps({"crypto": {}}),
        json.dumps({"crypto": 5, "version": 3}),
        json.dumps({"crypto": {"kdf": "scrypt", "cipher": None}, "version": 3}),
        json.dumps({"crypto": {"kdf": "rot13"}, "version": 3}),
        json.dumps({"crypto": {}, "version": "old"}),
        "\udcff\udcfe",
    ],
)
def test_what_is_no_key_is_refused_in_one_line_that_shows_none_of_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(WrongSetup) as refused:
        load_account(str(file), "watcher", file, {"REFUTE_PASSWORD": PASSWORD})
    assert "\n" not in str(refused.value)
    assert DIGITS[:16] not in str(refused.value)


@pytest.mark.parametrize("given", [DIGITS[:-1], "0x" + DIGITS + "00", "~nobody-of-this-name/key", "\0", "k" * 5000])
def test_what_is_neither_a_key_nor_a_file_is_not_repeated(tmp_path: Path, given: str) -> None:
    """It may be a mistyped key."""
    with pytest.raises(WrongSetup, match="neither a key nor a file that can be read; a key file holds") as refused:
        load_account(given, "watcher", tmp_path / "none")
    assert given not in str(refused.value)


def test_without_a_devnet_the_remedy_is_a_key_file(tmp_path: Path) -> None:
    with pytest.raises(WrongSetup, match=r"there is no devnet key file .*; give --key FILE"):
        load_account(None, "watcher", tmp_path / "none")
    (tmp_path / "garbage").write_text("not json")
    with pytest.raises(WrongSetup, match="give --key FILE"):
        load_account(None, "watcher", tmp_path / "garbage")


# New keystores


def test_a_new_keystore_is_for_its_owner_alone_and_opens_with_its_password_file(tmp_path: Path) -> None:
    password, file = tmp_path / "password", tmp_path / "new" / "keystore.json"
    password.write_text(f"{PASSWORD}\n")
    address = create_keystore(file, password, {})
    assert file.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in file.read_text()
    assert address_of(file) == address
    assert load_account(str(file), "watcher", file, {}, password).address == address


def test_a_new_key_is_never_written_over_a_file(tmp_path: Path) -> None:
    (file := tmp_path / "keystore.json").write_text("precious")
    with pytest.raises(WrongSetup, match="exists; a key is never written over"):
        create_keystore(file, None, {"REFUTE_PASSWORD": PASSWORD})
    assert file.read_text() == "precious"


def test_a_new_key_needs_a_password(tmp_path: Path) -> None:
    file = tmp_path / "keystore.json"
    with pytest.raises(WrongSetup, match="the password in REFUTE_PASSWORD is empty"):
        create_keystore(file, None, {"REFUTE_PASSWORD": ""})
    with pytest.raises(WrongSetup, match=r"the new keystore .* needs its password"):
        create_keystore(file, None, {}, ask=_ends)
    assert not file.exists()


def test_at_a_terminal_a_new_password_is_typed_twice(tmp_path: Path) -> None:
    """On a terminal of the operating system, whose other end this test is."""
    typed = tmp_path / "typed.json"
    assert "once more" in _at_terminal(typed, [PASSWORD, PASSWORD])
    assert json.loads(typed.read_text())["crypto"]
    other = tmp_path / "other.json"
    said = _at_terminal(other, [PASSWORD, "wrong horse"])
    assert "the two passwords differ; nothing was written" in said
    assert not other.exists()
    assert "horse" not in said


def _at_terminal(file: Path, typed: list[str]) -> str:
    """What making a keystore prints on a pseudo-terminal; each line is typed when a prompt stands there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REFUTE_")}
    make = f"from pathlib import Path; from contracts.keys import create_keystore; create_keystore(Path({str(file)!r}))"
    command = [sys.executable, "-c", make]
    child, terminal = pty.fork()
    if child == 0:
        try:
            os.execvpe(command[0], command, environment)
        finally:
            os._exit(127)
    said, prompts = b"", 0
    with suppress(OSError):  # what reading the terminal of a process that has ended gives
        while part := os.read(terminal, 1024):
            said += part
            if said.count(b": ") > prompts and prompts < len(typed) and part.rstrip(b" ").endswith(b":"):
                os.write(terminal, typed[prompts].encode() + b"\n")
                prompts += 1
    os.close(terminal)
    os.waitpid(child, 0)
    return said.decode()


def _ends(prompt: str) -> str:
    raise EOFError


@pytest.mark.parametrize("content", [None, "", "\nsecond line"])
def test_a_password_file_without_a_password_is_named(tmp_path: Path, keystore: str, content: str | None) -> None:
    (file := tmp_path / "keystore.json").write_text(keystore)
    password = tmp_path / "password"
    if content is not None:
        password.write_text(content)
    with pytest.raises(WrongSetup, match=f"password file {password} .*; it holds the password in its first line"):
        load_account(str(file), "watcher", file, {"REFUTE_PASSWORD": PASSWORD}, password)


def test_the_address_of_a_plain_key_file(tmp_path: Path) -> None:
    (file := tmp_path / "key").write_text(KEY)
    assert address_of(file) == ADDRESS
