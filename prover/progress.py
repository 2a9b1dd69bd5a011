"""How far long work has come, told to whoever listens; by default nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import length_hint
from typing import TypeVar

Listener = Callable[[str, int, int], object]
"""Told what is done, how many of it are, and of how many; of 0 if that is not known."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
Item = TypeVar("Item")


@contextmanager
def told(listener: Listener) -> Iterator[None]:
    """Tell `listener` of the work that is done meanwhile in this context."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def tell(what: str, done: int, total: int) -> None:
    """So much of it is done."""
    listener = _listener.get()
    if listener is not None:
        listener(what, done, total)


def counted(what: str, items: Iterable[Item]) -> Iterator[Item]:
    """The items; that one is done is told when the next is asked for."""
    total = length_hint(items)
    tell(what, 0, total)
    for done, item in enumerate(items, 1):
        yield item
        tell(what, done, total)
