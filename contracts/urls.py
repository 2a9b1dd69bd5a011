"""URLs as messages may show them."""

from __future__ import annotations


def without_secrets(text: str) -> str:
    """A URL without its user and password; anything else as it is."""
    before, separator, rest = text.partition("://")
    place, slash, path = rest.partition("/")
    return f"{before}{separator}***@{place.rsplit('@', 1)[1]}{slash}{path}" if "@" in place else text
