"""Where a broker is and how one gets in: mqtt:// or mqtts://, a user with a password, a CA of one's own."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from contracts.errors import WrongSetup

PORTS = {"mqtt": 1883, "mqtts": 8883}
PASSWORD = "REFUTE_BROKER_PASSWORD"
NONE = "none"
"""In the place of a URL: no broker at all."""
_REMEDY = "give one like mqtt://host:1883 or mqtts://user@host:8883"


@dataclass(frozen=True)
class Broker:
    """One broker; `url` shows no password."""

    url: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def read(
    url: str,
    password_file: Path | None = None,
    ca: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Broker:
    """The broker at a URL, with the password from a file's first line or REFUTE_BROKER_PASSWORD.

    Args:
        ca: certificates to trust instead of the system's.

    Raises:
        WrongSetup: anything of it is wrong; the message shows no password.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        # `from None`: the cause would show the URL, which may hold a password.
        raise WrongSetup(f"--broker: this is not a broker's URL; {_REMEDY}") from None
    if parts.password is not None:
        raise WrongSetup(
            f"--broker: a password in a URL is seen by everyone on this machine; put it into {PASSWORD} or "
            "--broker-password-file"
        )
    if scheme not in PORTS or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise WrongSetup(f"--broker: {url!r} is not a broker's URL; {_REMEDY}")
    if ca is not None and scheme != "mqtts":
        raise WrongSetup(f"--broker-ca is of no use with {url}: only mqtts:// is encrypted")
    user = unquote(parts.username) if parts.username else None
    password = _password(password_file, environment) if user is not None else None
    if user is None and password_file is not None:
        raise WrongSetup(f"--broker-password-file: {url} names no user; give mqtt{scheme[4:]}://user@{host}")
    tls = _tls(ca) if scheme == "mqtts" else None
    return Broker(url, host, PORTS[scheme] if port is None else port, user, password, tls)


def _password(file: Path | None, environment: Mapping[str, str]) -> str | None:
    if file is None:
        return environment.get(PASSWORD)
    try:
        lines = file.expanduser().read_text().splitlines()
    except (OSError, RuntimeError, ValueError) as error:
        raise WrongSetup(f"--broker-password-file: {file} cannot be read; its first line is the password") from error
    if not lines or not lines[0]:
        raise WrongSetup(f"--broker-password-file: {file} is empty; its first line is the password")
    return lines[0]


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise WrongSetup(f"--broker-ca: {ca} holds no certificates that can be read (PEM); {error}") from error
