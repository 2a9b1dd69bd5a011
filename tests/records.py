"""The rule that an operator record breaks, as the contract says it and as the loader does."""

from __future__ import annotations

from prover import validity
from prover.errors import InvalidProgram
from prover.merkle import keccak
from tests.contracts.machine import machine

HARNESS = machine("Harness")
NAMES = {keccak(f"{e['name']}()".encode())[:4]: e["name"] for e in HARNESS.artifact_errors()}
"""The rules, which have no arguments, by selector."""
VALID = ""


def chain_rule(record: bytes, layer: int = 5, index: int = 5) -> str:
    """VALID if the contract finds nothing; a selector that is no rule's as it is, in hexadecimal."""
    rule: bytes = HARNESS.call("fault", record, layer, index)
    return VALID if rule == bytes(4) else NAMES.get(rule, rule.hex())


def loader_rule(record: bytes, layer: int = 5, index: int = 5) -> str:
    """VALID if the loader finds nothing."""
    try:
        validity.check_record(record, layer, index)
    except InvalidProgram as error:
        return error.rule
    return VALID
