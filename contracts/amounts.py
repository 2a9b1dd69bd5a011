"""Amounts of money as people write them: `10eth`, `0.5ether`, `500gwei`, or plain wei."""

from __future__ import annotations

import re
from fractions import Fraction

from contracts.errors import WrongSetup

UNITS = {"": 1, "wei": 1, "gwei": 10**9, "eth": 10**18, "ether": 10**18}

_FORM = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]*)\s*", re.ASCII)
_LARGEST = 1 << 128
_LONGEST = 100


def parse_amount(text: str) -> int:
    """Wei of an amount, exactly; WrongSetup says what is wrong with it."""
    match = _FORM.fullmatch(text)
    if match is None or len(text) > _LONGEST:
        shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
        raise WrongSetup(f"{shown!r} is not an amount; write a number and a unit, such as 10eth, 0.5ether or 500gwei")
    number, unit = match.groups()
    if unit.lower() not in UNITS:
        raise WrongSetup(f"{text!r} has the unknown unit {unit!r}; the units are eth, ether, gwei and wei")
    wei = Fraction(number.replace("_", "")) * UNITS[unit.lower()]
    if wei.denominator != 1:
        raise WrongSetup(f"{text!r} is not a whole number of wei; one ether has 18 decimal places")
    if wei >= _LARGEST:
        raise WrongSetup(f"{text!r} is more than there is; did you mean a smaller unit?")
    return int(wei)


def format_amount(wei: int) -> str:
    """An amount for people, exactly: in eth, or in gwei or wei where it is tiny."""
    unit = "eth" if wei == 0 or abs(wei) >= 10**14 else "gwei" if abs(wei) >= 10**5 else "wei"
    scale = UNITS[unit]
    whole, rest = divmod(abs(wei), scale)
    decimals = f"{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if wei < 0 else ''}{whole}{'.' if decimals else ''}{decimals} {unit}"


def rounded_ether(wei: int) -> str:
    """Ether to four digits behind the point, to be looked at."""
    return f"{wei / 1e18:,.4f}".rstrip("0").rstrip(".")
