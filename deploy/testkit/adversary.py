"""Adversaries by name. Each is an honest player with one thing patched, and a game that shows what it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts.client import Client
from deploy.testkit.books import Books
from deploy.testkit.stage import Stage


@dataclass(frozen=True)
class Played:
    """Who took part in a game that is over.

    Attributes:
        adversaries: accounts of the adversary; they may pay each other.
        honest: accounts of the others.
        loses: whether the adversary must have lost money, besides what it paid for gas; else it has gained none.
        allowed: wei that an honest party in its place would have earned.
    """

    adversaries: tuple[Client, ...]
    honest: tuple[Client, ...]
    loses: bool = True
    allowed: int = 0


@dataclass(frozen=True)
class Adversary:
    """A way to cheat.

    Attributes:
        name: of the test and of the row in docs/testing.md.
        summary: what it does, in half a sentence.
        play: plays a whole game on a fresh stage, to its end.
    """

    name: str
    summary: str
    play: Callable[[Stage], Played]

    def check(self, stage: Stage) -> None:
        """Play, and AssertionError unless the adversary has lost, or gained nothing, and no honest account has lost."""
        books = Books(stage)
        played = self.play(stage)
        books.require_just(adversaries=played.adversaries, honest=played.honest, allowed=played.allowed)
        change = books.change(*played.adversaries)
        assert change < 0 or not played.loses, f"{self.name} has lost nothing: {change} wei"


ADVERSARIES: dict[str, Adversary] = {}
"""Every adversary by its name."""


def adversary(name: str, summary: str) -> Callable[[Callable[[Stage], Played]], Adversary]:
    """Make the decorated game an adversary of the kit."""

    def register(play: Callable[[Stage], Played]) -> Adversary:
        assert name not in ADVERSARIES, name
        ADVERSARIES[name] = Adversary(name, summary, play)
        return ADVERSARIES[name]

    return register
