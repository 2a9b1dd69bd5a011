"""URLs as messages may show them."""

from __future__ import annotations

import re

_URL = re.compile(r"(\w+://)(?:[^\s/@]*@)?([^\s/?#,;]+)[^\s,;]*")


def without_secrets(text: str) -> str:
    """A URL without its user and password; anything else as it is."""
    before, separator, rest = text.partition("://")
    place, slash, path = rest.partition("/")
    return f"{before}{separator}***@{place.rsplit('@', 1)[1]}{slash}{path}" if "@" in place else text


def hosts_only(text: str) -> str:
    """A text whose URLs end with the host: many providers put a key into the path, and strangers read pages."""
    return _URL.sub(r"\1\2", text)
