"""Moves and records with something wrong in them, drawn from a generator: a field changed, cut, extended or swapped."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any

from prover.game.moves import EMPTY, Move, Opening


def damaged_record(record: bytes, rng: random.Random) -> bytes:
    """One or two bytes changed, most often by little; sometimes cut or extended."""
    data = bytearray(record)
    for _ in range(rng.randint(1, 2)):
        place = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(26, len(data)))
        data[place] = rng.choice([0, 1, 2, 3, 4, 5, 62, 63, 127, 128, 255, rng.randrange(256)])
    if rng.random() < 0.1:
        data = data[: rng.randrange(len(data))]
    if rng.random() < 0.05:
        data += b"\x00"
    return bytes(data)


def damaged(move: Move, rng: random.Random, tries: int) -> list[Move]:
    """The move with one field changed, at most `tries` times: a change that changes nothing is left out."""
    mutants: list[Move] = []
    for _ in range(tries):
        name = rng.choice([f.name for f in fields(move)])
        value = _change(getattr(move, name), rng)
        if name == "root":
            value = value[:32].ljust(32, b"\0")
        if value != getattr(move, name):
            mutants.append(replace(move, **{name: value}))  # type: ignore[type-var]
    return mutants


def _change(value: Any, rng: random.Random) -> Any:
    if isinstance(value, int):
        return rng.choice([value + 1, max(value - 1, 0), 0, 255, 1 << 40])
    if isinstance(value, bytes):
        return _change_bytes(value, rng)
    if isinstance(value, Opening):
        if rng.random() < 0.1:
            return EMPTY
        name = rng.choice([f.name for f in fields(value)])
        if name == "root":
            return replace(value, root=_change_bytes(value.root, rng)[:32].ljust(32, b"\0"))
        return replace(value, **{name: _change(getattr(value, name), rng)})
    return _change_tuple(value, rng)


def _change_bytes(value: bytes, rng: random.Random) -> bytes:
    data = bytearray(value)
    kind = rng.randrange(4)
    if kind == 0 or not data:
        return bytes(data + b"\x01")
    if kind == 1:
        return bytes(data[:-1])
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _change_tuple(value: tuple[Any, ...], rng: random.Random) -> tuple[Any, ...]:
    items = list(value)
    if items and isinstance(items[0], bytes):
        kind = rng.randrange(4)
        if kind == 0:
            return (*items, bytes(32))
        if kind == 1:
            return tuple(items[:-1])
        if kind == 2:
            return tuple(reversed(items))
    elif not items:
        return (bytes(32),)
    at = rng.randrange(len(items))
    items[at] = _change(items[at], rng)
    if isinstance(items[at], bytes):
        items[at] = items[at][:32].ljust(32, b"\0")
    return tuple(items)
