"""An account that runs low is said long before a move cannot be paid, and not at every block."""

from __future__ import annotations

from dataclasses import replace

import structlog
from structlog.testing import capture_logs

from contracts.deployment import DEVNET_PARAMETERS
from contracts.fees import highest_price
from contracts.service.funds import REPEAT, RESERVE, Funds
from contracts.snapshot import AccountView, Snapshot

GAS = 2_000_000
BASE_FEE = 10**9
ONE = GAS * highest_price(BASE_FEE)
"""Wei that one dispute may need."""


def at(second: int, balance: int) -> Snapshot:
    empty = Snapshot(1, second, BASE_FEE, DEVNET_PARAMETERS, AccountView("0xme"))
    return replace(empty, account=AccountView("0xme", balance=balance))


def said(*notes: tuple[Snapshot, int]) -> list[tuple[str, str, int]]:
    funds = Funds(GAS, structlog.get_logger())
    with capture_logs() as logs:
        for snapshot, running in notes:
            funds.note(snapshot, running)
    return [(log["log_level"], log["event"], log["disputes"]) for log in logs]


def test_enough_for_the_running_disputes_and_a_reserve_is_enough() -> None:
    assert said((at(0, RESERVE * ONE), 0), (at(1, (RESERVE + 2) * ONE), 2)) == []


def test_less_is_one_warning_an_hour_of_chain_time() -> None:
    low = RESERVE * ONE
    times = (0, 1, REPEAT - 1, REPEAT, REPEAT + 1)
    assert said(*((at(second, low), 1) for second in times)) == [("warning", "balance_low", 1)] * 2


def test_it_is_said_at_once_when_it_happens_again() -> None:
    low, enough = at(1, 0), at(2, 10 * ONE)
    assert len(said((low, 1), (enough, 1), (replace(low, timestamp=3), 1))) == 2
