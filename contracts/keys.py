"""Private keys: from a file, a keystore, the environment, or the devnet's key file. No message ever shows one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.exceptions import ValidationError

from contracts.errors import WrongSetup

_HEX_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_REMEDY = "a key file holds 64 hexadecimal digits, or is a JSON keystore whose password is in REFUTE_PASSWORD"


def load_account(
    given: str | None, role: str, devnet_keys: Path, environment: Mapping[str, str] = os.environ
) -> LocalAccount:
    """The account that signs for `role`.

    `given` is a path, or the key itself (which belongs in the environment, not on a command line). Without it the
    devnet's key file says which key the role has.
    """
    if given is None:
        return _from_devnet(devnet_keys, role)
    if _HEX_KEY.fullmatch(given.strip()):
        return _account(given.strip(), "the key given")
    try:
        path = Path(given).expanduser()
        text = path.read_text().strip()
    except (OSError, RuntimeError, ValueError) as error:
        # What does not name a file may be a mistyped key, so it is not repeated.
        raise WrongSetup(f"the key given is neither a key nor a file that can be read; {_REMEDY}") from error
    if _HEX_KEY.fullmatch(text):
        return _account(text, f"key file {path}")
    return _from_json(path, text, role, environment)


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


def _from_json(path: Path, text: str, role: str, environment: Mapping[str, str]) -> LocalAccount:
    try:
        content = json.loads(text)
    except ValueError:
        raise WrongSetup(f"key file {path} holds no key; {_REMEDY}") from None
    if not isinstance(content, dict) or "crypto" not in {key.lower() for key in content}:
        return _of_role(content, role, path)
    password = environment.get("REFUTE_PASSWORD")
    if password is None:
        raise WrongSetup(f"keystore {path} needs its password in REFUTE_PASSWORD")
    try:
        key = Account.decrypt(content, password)
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise WrongSetup(f"keystore {path} does not open with the password in REFUTE_PASSWORD") from error
    return _account(key.hex(), f"keystore {path}")


def _account(key: str, what: str) -> LocalAccount:
    try:
        account: LocalAccount = Account.from_key(key)
    except (ValueError, ValidationError):
        # `from None`: the cause would show the key.
        raise WrongSetup(f"{what} is not a private key; {_REMEDY}") from None
    return account
