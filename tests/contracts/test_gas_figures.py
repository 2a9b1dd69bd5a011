"""The gas figures: what a check refuses, what the page shows, and that taking them twice gives the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.gas import figures, page, parts, wide
from deploy.gas.figures import FIGURES
from deploy.gas.games import Dispute, Game, Sent, calldata_gas
from deploy.gas.measure import Measurement
from deploy.gas.wide import WINDOW, Shelf
from deploy.gas.windows import Lie, honest_and_liar
from prover.errors import RefuteError
from prover.game.adversaries import Fault


@pytest.mark.parametrize(("value", "refused"), [(99, False), (102, False), (103, True)])
def test_a_figure_may_grow_by_two_percent(value: int, refused: bool) -> None:
    lines = figures.grown({"one": 100, "two": 100}, {"one": value, "two": 100})
    assert len(lines) == refused
    assert all("one: 100 -> 103" in line for line in lines)


def test_a_figure_that_the_snapshot_lacks_is_refused() -> None:
    (line,) = figures.grown({}, {"one": 1})
    assert "make gas" in line


def test_the_snapshot_has_every_figure() -> None:
    held = figures.load()
    assert list(held.figures) == [figure.name for figure in FIGURES]
    assert all(value > 0 for value in held.figures.values())


def test_a_check_takes_what_the_page_says_and_none_of_it_has_grown() -> None:
    taken = Measurement(lambda name: None).take(quick=True)
    assert figures.grown(figures.load().figures, taken.figures) == []
    assert list(taken.figures) == [figure.name for figure in FIGURES if figure.quick]


def test_the_parts_of_every_dispute_sum_to_its_receipts() -> None:
    held = figures.load()
    for name, moves in held.moves.items():
        assert sum(held.parts[name].get(part, 0) for part in page.PARTS) == sum(move["gas"] for move in moves)


def test_the_page_shows_the_snapshot() -> None:
    held = figures.load()
    assert page.stale(held) == []
    (line,) = page.stale(replace(held, figures={**held.figures, "blake3_block": 1}))
    assert "make gas" in line


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(RefuteError, match="figures"):
        page.rendered(figures.load(), "no marks")


def played() -> tuple[Game, Dispute]:
    """A small dispute that goes through every level."""
    shelf = Shelf()
    whole, small = (wide.linear(shelf, 1_536, 64, positions) for positions in (64, WINDOW))
    game = Game()
    game.register(whole)
    return game, game.dispute(*honest_and_liar(whole, small, shelf.weights, Lie(Fault(1, 0, 100), 0, 7)))


def test_the_same_dispute_is_the_same_transactions_at_the_same_times() -> None:
    (first, dispute), (second, again) = played(), played()
    assert first.recorded.mined == second.recorded.mined
    assert dispute.sent == again.sent
    assert {sent.function for sent in dispute.sent} >= {"challengeAt", "openTensor", "openChunk", "openTerms", "step"}


def test_the_cost_of_an_instruction_leaves_out_what_it_calls() -> None:
    """A call of 40 gas of its own, in which two instructions cost 3 and 5 and another call, of 7, costs 11 inside."""
    trace = [
        (1, 1000, 2, "PUSH1"),
        (1, 998, 700, "STATICCALL"),
        (2, 600, 3, "ADD"),
        (2, 597, 400, "DELEGATECALL"),
        (3, 300, 11, "RETURN"),
        (2, 579, 5, "RETURN"),
        (1, 932, 1, "POP"),
        (1, 931, 4, "STOP"),
    ]
    steps = [dict(zip(("depth", "gas", "gasCost", "op"), step, strict=True)) for step in trace]
    assert parts.own_costs(steps) == [2, 40, 3, 7, 11, 5, 1, 4]


def test_parts_that_do_not_make_up_the_receipt_are_refused() -> None:
    data = b"\x00\x01"
    stop = {"depth": 1, "gas": 900, "gasCost": 500, "op": "KECCAK256"}
    spent = 21_000 + calldata_gas(data) + 500
    assert parts.parts(Sent("move", data, spent, 1), [stop])["keccak"] == 500
    for wrong in (spent + 1, spent // 2):
        with pytest.raises(RefuteError, match="move"):
            parts.parts(Sent("move", data, wrong, 1), [stop])
