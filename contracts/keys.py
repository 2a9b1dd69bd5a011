"""Private keys: from a file, a keystore, the environment, the devnet's key file, or with a signer that keeps its own.

No message ever shows a key or a password.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_address, to_checksum_address
from eth_utils.exceptions import ValidationError

from contracts.errors import WrongSetup
from contracts.signers import RemoteSigner, Signer

_HEX_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_REMEDY = (
    "a key file holds 64 hexadecimal digits, or is a JSON keystore whose password is in --password-file or "
    "REFUTE_PASSWORD"
)
_PASSWORD_REMEDY = "its password in REFUTE_PASSWORD or --password-file, or a terminal to ask for it"
OWNER_ONLY = 0o600

Ask = Callable[[str], str]
"""Asks a person for a password; the argument is the prompt."""


def is_key(text: str) -> bool:
    """Whether a text is a private key itself."""
    return _HEX_KEY.fullmatch(text.strip()) is not None


def is_remote(text: str) -> bool:
    """Whether a text names a signer by its URL."""
    return text.startswith(("http://", "https://"))


def load_signer(
    given: str | None,
    role: str,
    devnet_keys: Path,
    password_file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Signer:
    """Who signs for `role`: a signer behind a URL, or the account of a key.

    Raises:
        WrongSetup: there is no such key, or it does not open.
        ChainUnavailable: the remote signer does not answer.
    """
    if given is not None and is_remote(given):
        return RemoteSigner(given)
    return load_account(given, role, devnet_keys, environment, password_file)


def load_account(
    given: str | None,
    role: str,
    devnet_keys: Path,
    environment: Mapping[str, str] = os.environ,
    password_file: Path | None = None,
) -> LocalAccount:
    """The account that signs for `role`.

    `given` is a path, or the key itself (which belongs in the environment, not on a command line). Without it the
    devnet's key file says which key the role has.
    """
    if given is None:
        return _from_devnet(devnet_keys, role)
    if is_key(given):
        return _account(given.strip(), "the key given")
    try:
        path = Path(given).expanduser()
        text = path.read_text().strip()
    except (OSError, RuntimeError, ValueError) as error:
        # What does not name a file may be a mistyped key, so it is not repeated.
        raise WrongSetup(f"the key given is neither a key nor a file that can be read; {_REMEDY}") from error
    if is_key(text):
        return _account(text, f"key file {path}")
    return _from_json(path, text, role, environment, password_file)


def _from_devnet(path: Path, role: str) -> LocalAccount:
    try:
        keys = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WrongSetup(f"no key was given and there is no devnet key file {path}; give --key FILE") from error
    return _of_role(keys, role, path)


def _of_role(keys: Any, role: str, path: Path) -> LocalAccount:
    key = keys.get(role) if isinstance(keys, dict) else None
    if not isinstance(key, str):
        raise WrongSetup(f"key file {path} has no key for {role!r}; {_REMEDY}")
    if not _HEX_KEY.fullmatch(key):  # the library would pad one that lost a digit, and sign for nobody
        raise WrongSetup(f"the key of {role!r} in {path} is not a private key; {_REMEDY}")
    return _account(key, f"the key of {role!r} in {path}")


def _from_json(
    path: Path, text: str, role: str, environment: Mapping[str, str], password_file: Path | None
) -> LocalAccount:
    try:
        content = json.loads(text)
    except ValueError:
        raise WrongSetup(f"key file {path} holds no key; {_REMEDY}") from None
    if not isinstance(content, dict) or "crypto" not in {key.lower() for key in content}:
        return _of_role(content, role, path)
    password, origin = read_password(f"keystore {path}", environment, password_file)
    try:
        key = Account.decrypt(content, password)
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise WrongSetup(f"keystore {path} does not open with the password {origin}") from error
    return _account(key.hex(), f"keystore {path}")


def _account(key: str, what: str) -> LocalAccount:
    try:
        account: LocalAccount = Account.from_key(key)
    except (ValueError, ValidationError):
        # `from None`: the cause would show the key.
        raise WrongSetup(f"{what} is not a private key; {_REMEDY}") from None
    return account


# Passwords


def read_password(
    what: str,
    environment: Mapping[str, str] = os.environ,
    file: Path | None = None,
    ask: Ask | None = None,
) -> tuple[str, str]:
    """(password, where it is from): the file's first line, REFUTE_PASSWORD, or what a person types at the terminal."""
    if file is not None:
        try:
            lines = file.expanduser().read_text().splitlines()
        except (OSError, RuntimeError, ValueError) as error:
            raise WrongSetup(f"password file {file} cannot be read; it holds the password in its first line") from error
        if not lines or not lines[0]:
            raise WrongSetup(f"password file {file} is empty; it holds the password in its first line")
        return lines[0], f"in {file}"
    if (password := environment.get("REFUTE_PASSWORD")) is not None:
        return password, "in REFUTE_PASSWORD"
    if ask is None and not sys.stdin.isatty():
        raise WrongSetup(f"{what} needs {_PASSWORD_REMEDY}")
    try:
        return (ask or getpass.getpass)(f"password of {what}: "), "that was typed"
    except (EOFError, KeyboardInterrupt):
        raise WrongSetup(f"{what} needs {_PASSWORD_REMEDY}") from None


def _typed_twice(prompt: str) -> str:
    password = getpass.getpass(prompt)
    if password != getpass.getpass("once more: "):
        raise WrongSetup("the two passwords differ; nothing was written")
    return password


# Keystores


def create_keystore(
    path: Path, password_file: Path | None = None, environment: Mapping[str, str] = os.environ, ask: Ask | None = None
) -> str:
    """Write a new key's encrypted keystore, readable by its owner alone; its address. Never over a file."""
    refusal = WrongSetup(f"{path} exists; a key is never written over: give another name")
    if path.exists():
        raise refusal
    typed = ask or (_typed_twice if sys.stdin.isatty() else None)
    password, origin = read_password(f"the new keystore {path}", environment, password_file, typed)
    if not password:
        raise WrongSetup(f"the password {origin} is empty; anyone who reads the file would have the key")
    account: LocalAccount = Account.create()
    content = json.dumps(Account.encrypt(account.key, password)) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise refusal from None
    except OSError as error:
        raise WrongSetup(f"keystore {path} cannot be written: {error.strerror}; give another FILE") from error
    return account.address


def address_of(path: Path, role: str = "watcher") -> str:
    """The address of a key file; a keystore says its own without its password."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        content = None
    if isinstance(content, dict) and isinstance(stated := content.get("address"), str) and is_address(stated):
        return to_checksum_address(stated)
    return load_account(str(path), role, path).address
