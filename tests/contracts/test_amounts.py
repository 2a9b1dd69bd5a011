"""Amounts of money as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.amounts import format_amount, parse_amount, rounded_ether
from contracts.errors import WrongSetup

ETHER = 10**18


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("10eth", 10 * ETHER),
        ("0.5ether", ETHER // 2),
        (".5 ETH", ETHER // 2),
        ("500gwei", 500 * 10**9),
        ("1_000 gwei", 1000 * 10**9),
        ("12345", 12345),
        ("7wei", 7),
        ("0", 0),
        ("1.000000000000000001eth", ETHER + 1),
        ("98765432109.123456789123456789eth", 98765432109123456789123456789),
    ],
)
def test_an_amount_is_read_exactly(text: str, wei: int) -> None:
    assert parse_amount(text) == wei


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ten", "'ten' is not an amount; write a number and a unit, such as 10eth"),
        ("", "'' is not an amount"),
        ("-1", "'-1' is not an amount"),
        ("1e18", "unknown unit 'e'|not an amount"),
        ("0x10", "not an amount"),
        ("\u0661eth", "not an amount"),
        ("10 doge", "unknown unit 'doge'; the units are eth, ether, gwei and wei"),
        ("1.0000000000000000001eth", "not a whole number of wei; one ether has 18 decimal places"),
        ("1." + "0" * 40 + "1eth", "not a whole number of wei"),
        ("0.5wei", "not a whole number of wei"),
        ("1" * 40 + "eth", "more than there is"),
        ("9" * 5000, "not an amount"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(WrongSetup, match=reason) as refused:
        parse_amount(text)
    assert len(str(refused.value)) < 300


@given(st.integers(0, (1 << 128) - 1))
def test_what_is_shown_can_be_typed_in_again(wei: int) -> None:
    assert parse_amount(format_amount(wei)) == wei


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0 eth"), (10 * ETHER, "10 eth"), (ETHER // 2, "0.5 eth"), (500 * 10**9, "500 gwei"), (7, "7 wei")],
)
def test_an_amount_is_shown_in_the_unit_that_fits(wei: int, text: str) -> None:
    assert format_amount(wei) == text
    assert wei == 0 or format_amount(-wei) == f"-{text}"


@pytest.mark.parametrize(
    ("wei", "shown"),
    [
        (0, "0"),
        (10**18, "1"),
        (999_989_999_901 * 10**12, "999,989.9999"),
        (15 * 10**17, "1.5"),
        (12_345 * 10**14, "1.2345"),
    ],
)
def test_ether_to_be_looked_at_has_four_digits_behind_the_point(wei: int, shown: str) -> None:
    assert rounded_ether(wei) == shown
