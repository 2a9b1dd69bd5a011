"""What agents say to each other: one frozen value per kind of message, each with the form its fields must have.

A body is a msgpack array of the kind's fields, in order. Nothing in it is believed: a message makes its receiver look
at the chain, or brings bytes that hash to what the chain says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import msgpack

Check = Callable[[Any], bool]

MOST_MODELS = 64
MOST_SOFTWARE = 40
MOST_CLAIMS = 256
MOST_EVENT = 60
MOST_DETAILS = 2000
MOST_CONTENT = 1 << 20
"""Bytes of a tensor, or of a list of hashes, that one message can carry."""


def _word(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def _number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 64


def _text(most: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= most


def _one_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _words(most: int) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(_word, value))


class Malformed(ValueError):
    """A body does not have the form of its kind."""


@dataclass(frozen=True)
class Announcement:
    """An agent is at work."""

    role: str
    """`executor` or `watcher`."""
    models: tuple[bytes, ...]
    """Ids of the models it serves or watches."""
    software: str
    """Its version of this software."""

    FORM: ClassVar = (_one_of("executor", "watcher"), _words(MOST_MODELS), _text(MOST_SOFTWARE))


@dataclass(frozen=True)
class Claimed:
    """An executor has posted a claim."""

    claim: bytes
    request: bytes
    model: bytes

    FORM: ClassVar = (_word, _word, _word)


@dataclass(frozen=True)
class Moved:
    """A dispute was opened, or a move was made in it; `side` is to move before `deadline`, a block timestamp."""

    dispute: bytes
    claim: bytes
    level: str
    side: str
    deadline: int
    block: int

    FORM: ClassVar = (_word, _word, _text(20), _one_of("executor", "challenger"), _number, _number)


@dataclass(frozen=True)
class Wanted:
    """The sender asks for what hashes to `root`: a `tree` (the 32-byte items of a keccak tree) or a `tensor`."""

    form: str
    root: bytes

    FORM: ClassVar = (_one_of("tree", "tensor"), _word)


@dataclass(frozen=True)
class Content:
    """What was asked for."""

    form: str
    root: bytes
    data: bytes

    FORM: ClassVar = (
        _one_of("tree", "tensor"),
        _word,
        lambda value: isinstance(value, bytes) and 0 < len(value) <= MOST_CONTENT,
    )


@dataclass(frozen=True)
class Report:
    """A worker of a group is at work, and agrees with these claims; the latest come last."""

    agreed: tuple[bytes, ...]

    FORM: ClassVar = (_words(MOST_CLAIMS),)


@dataclass(frozen=True)
class Alert:
    """Something that a person has to look at: a log event and its details, as text."""

    event: str
    level: str
    details: str

    FORM: ClassVar = (_text(MOST_EVENT), _one_of("warning", "error", "critical"), _text(MOST_DETAILS))


Message = Announcement | Claimed | Moved | Wanted | Content | Report | Alert
Kind = TypeVar("Kind", Announcement, Claimed, Moved, Wanted, Content, Report, Alert)


def encode(message: Message) -> bytes:
    """The body of a message; Malformed if a field of it breaks the kind's form."""
    values = [getattr(message, field.name) for field in fields(message)]
    values = [list(value) if isinstance(value, tuple) else value for value in values]
    _require(type(message), values)
    body: bytes = msgpack.packb(values)
    return body


def decode(kind: type[Message], values: Any) -> Message:
    """The message of a kind from the decoded array of its fields; Malformed if it is not one."""
    _require(kind, values)
    make: Callable[..., Message] = kind
    return make(*(tuple(value) if isinstance(value, list) else value for value in values))


def _require(kind: type[Message], values: Any) -> None:
    if not isinstance(values, list) or len(values) != len(kind.FORM):
        raise Malformed(f"{kind.__name__} has {len(kind.FORM)} fields")
    for field, check, value in zip(fields(kind), kind.FORM, values, strict=True):
        if not check(value):
            raise Malformed(f"{kind.__name__}: {field.name} does not have its form")
