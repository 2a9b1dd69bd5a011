"""Every refusal that a transaction can meet has words for whoever sent it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contracts import refusals
from contracts.errors import ContractRefused
from contracts.refusals import RACES, is_race, refusal

SOURCES = Path("contracts/src")
GIVING = "\n".join(p.read_text() for p in SOURCES.glob("*.sol") if p.name != "Errors.sol")


def declared(interface: str) -> dict[str, list[str]]:
    """Errors of an interface in Errors.sol that a contract gives, with the types of their arguments."""
    source = (SOURCES / "Errors.sol").read_text()
    (body,) = re.findall(rf"interface {interface}\b[^{{]*{{(.*?)\n}}", source, re.S)
    found = [(n, a) for n, a in re.findall(r"error (\w+)\(([^)]*)\);", body) if re.search(rf"\b{n}\b", GIVING)]
    return {name: [argument.split()[0] for argument in arguments.split(",") if argument] for name, arguments in found}


OWN = declared("Errors")
RULES = {**declared("RecordErrors"), **declared("MoveErrors")}
EXAMPLES = {"address": "0x" + "11" * 20, "bytes32": bytes(32), "uint64": 1_700_000_000, "uint256": 10**18}


def test_every_error_about_money_time_and_authority_says_what_it_means() -> None:
    assert len(OWN) > 40
    for name, types in OWN.items():
        text = str(refusal(name, tuple(EXAMPLES[t] for t in types)))
        assert text.startswith(f"{name}("), name
        assert "breaks this rule" not in text, f"{name} has no words of its own"
        assert "{" not in text, name


def test_every_rule_of_records_and_moves_is_named_and_explained() -> None:
    assert len(RULES) > 40
    for name in RULES:
        assert re.fullmatch(rf"{name}\(\): \w.*", str(refusal(name, ()))), name


def test_amounts_are_shown_as_money_and_ids_as_hexadecimal() -> None:
    text = str(refusal("FreeStakeTooLow", (5 * 10**17, 10**18)))
    assert text.endswith("the free stake is 0.5 eth, 1 eth are needed; deposit more or wait until some is unlocked")
    assert "0x" + "00" * 32 in str(refusal("UnknownModel", (bytes(32),)))


def test_what_the_contract_does_not_declare_is_shown_as_it_came() -> None:
    assert str(refusal("Unknown", (b"\x12\x34",))) == "Unknown(0x1234)"
    assert "out of gas" in str(refusal("NoReason", ()))
    assert "assertion" in str(refusal("Panic", (1,)))


def test_words_and_races_are_about_errors_that_exist() -> None:
    names = {*OWN, *RULES, "Error", "NoReason", "Overtaken", "Panic", "Unreadable"}
    assert set(refusals._TEXTS) <= names
    assert names >= RACES


@pytest.mark.parametrize(("name", "race"), [("RequestNotOpen", True), ("StalePosition", True), ("StepAgrees", False)])
def test_a_race_is_told_from_a_mistake(name: str, race: bool) -> None:
    assert is_race(ContractRefused(name)) is race
