"""Two watchers of one operator on a mosquitto with shared subscriptions: each claim is verified by one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from contracts.messages.kinds import Claimed
from contracts.provider import DEVNET_KEYS
from prover.game.players import Defender
from tests.agents.stage import PARAMETERS, interpret
from tests.messages.mosquitto import Mosquitto
from tests.messages.party import eventually
from tests.messages.table import OTHER, WATCHER, Table
from watcher.service import WatcherService
from watcher.team import Group

CLAIMS = 6


class Workers:
    """An honest executor's claims, and two workers that are stepped by the test."""

    def __init__(self, table: Table) -> None:
        self.table = table
        addresses = {n: Account.from_key(DEVNET_KEYS[n]).address for n in (WATCHER, OTHER)}
        groups = [Group.of("ops", set(addresses.values()) - {me}, me) for me in addresses.values()]
        self.watchers = [
            table.watcher(number=number, group=group, inline=True)
            for number, group in zip(addresses, groups, strict=True)
        ]
        self.logs = [seat.log for seat in table.seats]
        self.executor = table.executor(interpret, Defender, inline=True)

    def claim(self) -> None:
        for seed in range(CLAIMS):
            self.table.stage.ask(seed)
        stakes = 50 // 10
        self.table.stage.settle_down(self.executor, until=lambda: len(self.table.stage.look().claims) >= stakes)

    def verified(self) -> list[list[object]]:
        """By worker, the claims that it agrees with."""
        return [[event["claim"] for event in log.all("claim_agrees")] for log in self.logs]

    def step(self, *watchers: WatcherService, until: int) -> None:
        """Rounds until so many verdicts have been given in all."""

        def enough() -> bool:
            for watcher in watchers:
                watcher.round()
            return sum(map(len, self.verified())) >= until

        eventually(enough)


@pytest.fixture
def workers(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Workers]:
    table = Table(tmp_path / "models", mosquitto.url)
    yield Workers(table)
    table.leave()


def test_each_claim_is_verified_by_one_worker(workers: Workers) -> None:
    workers.claim()
    claims = len(workers.table.stage.look().claims)
    workers.step(*workers.watchers, until=claims)
    for watcher in workers.watchers:
        watcher.round()
    first, second = workers.verified()
    assert len(first) + len(second) == len({*first, *second}) == claims
    assert min(len(first), len(second)) == claims // 2, "the broker takes turns"


def test_what_a_dead_worker_was_given_the_other_one_verifies(workers: Workers) -> None:
    """When it has been silent for a while, or, as here, when half of the window is over."""
    workers.claim()
    claims = len(workers.table.stage.look().claims)
    alive = workers.watchers[0]
    workers.step(alive, until=claims // 2)
    alive.round()
    assert len(workers.verified()[0]) < claims
    workers.table.stage.pass_time(PARAMETERS.window // 2)
    workers.step(alive, until=claims)
    assert [len(claims) for claims in workers.verified()] == [claims, 0]


def test_a_claim_that_the_executor_does_not_tell_of_is_verified_all_the_same(workers: Workers) -> None:
    published = workers.executor._bus.publish
    workers.executor._bus.publish = lambda m, to=None: None if isinstance(m, Claimed) else published(m, to)  # type: ignore[method-assign]
    workers.claim()
    claims = len(workers.table.stage.look().claims)
    for watcher in workers.watchers:
        watcher.round()
    assert workers.verified() == [[], []]
    workers.table.stage.pass_time(PARAMETERS.window // 2)
    workers.step(*workers.watchers, until=claims)
    first, second = workers.verified()
    assert len({*first, *second}) == claims
