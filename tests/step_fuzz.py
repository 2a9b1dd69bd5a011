"""Differential fuzzing of whole steps: the scalar specification against the contract, and damage against the rules.

`fuzz(seed, elements)` draws valid programs (every operator, dtype, source and kind of view, with extreme values) and
compares elements of each operator. What differs is reduced and written under `tests/vectors/found/`.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from contracts import calls
from prover import encoding
from prover.game.moves import Step
from prover.game.position import Position
from prover.interpreter import Interpretation
from prover.operators import row_of
from tests import cases
from tests.cases import Case
from tests.contracts.machine import Refused
from tests.damage import damaged, damaged_record
from tests.records import HARNESS, chain_rule, loader_rule
from tests.steps import DISPUTE, REFEREE, REFUTED, Place, by_the_rules, on_chain
from tests.strategies import random_program

DECLARED = {entry["name"] for entry in HARNESS.artifact_errors()}
ELEMENTS_OF_AN_OPERATOR = 24
NO_REASON = "NoReason"
"""What the compiler's decoder of calldata answers; it comes before any rule."""


@dataclass
class Findings:
    """What a campaign did and what it found.

    Attributes:
        elements: steps whose value was compared, by operator.
        malformed: damaged records, moves and calldata that were tried.
        mismatches: descriptions of what differed; `files` are the reduced cases.
    """

    seed: int
    elements: Counter[str] = field(default_factory=Counter)
    malformed: int = 0
    mismatches: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def fuzz(seed: int, elements: int, folder: Path = cases.FOUND) -> Findings:
    """Compare at least `elements` elements; everything drawn follows from `seed`."""
    findings = Findings(seed)
    rng = random.Random(seed)
    while findings.elements.total() < elements:
        program, weights, inputs = random_program(rng.getrandbits(32))
        case = Case(program, weights, tuple(inputs), Place(0, 0, 0, 0, 1))
        run = Interpretation(program, weights, case.inputs)
        steps = cases.Steps(run)
        for number, layer in enumerate(program.layers):
            for index, operator in enumerate(layer.operators):
                _compare_records(findings, encoding.encode_operator(operator), number, index, rng)
                for _ in range(ELEMENTS_OF_AN_OPERATOR):
                    place = steps.draw(number, index, rng)
                    position, step = steps.at(place)
                    if not _agrees(position, step, rng):
                        _keep(findings, replace(case, place=place), folder)
                    findings.elements[row_of(operator).name] += 1
                _compare_damage(findings, position, step, rng)
    return findings


def _agrees(position: Position, step: Step, rng: random.Random) -> bool:
    """Whether the contract computes the position's value: it refuses that one, and now and then, takes another."""
    if on_chain(position, step) != "StepAgrees":
        return False
    if rng.random() < 0.1:
        wrong = replace(position, value=position.value ^ 1 << rng.randrange(31))
        return on_chain(wrong, step) == REFUTED
    return True


def _keep(findings: Findings, case: Case, folder: Path) -> None:
    small = cases.reduce(case) if cases.differs(case) else case
    findings.files.append(cases.write(small, folder))
    findings.mismatches.append(f"{row_of(case.operator).name} at {case.place}: {findings.files[-1]}")


def _compare_records(findings: Findings, record: bytes, layer: int, index: int, rng: random.Random) -> None:
    """A damaged record breaks the same rule on chain as in the loader, or none in both."""
    for _ in range(4):
        changed = damaged_record(record, rng)
        findings.malformed += 1
        rule = chain_rule(changed, layer, index)
        if rule != loader_rule(changed, layer, index):
            findings.mismatches.append(f"record {changed.hex()} in {layer}, {index}: {rule!r} on chain")


def _compare_damage(findings: Findings, position: Position, step: Step, rng: random.Random) -> None:
    """A damaged step is refused under the name that the pure rules give; cut calldata by a name or by the decoder."""
    for move in damaged(step, rng, tries=4):
        assert isinstance(move, Step)
        findings.malformed += 1
        expected, got = by_the_rules(position, move), on_chain(position, move)
        if got != expected or got not in DECLARED:
            findings.mismatches.append(f"{got} on chain where the rules say {expected}: {position}, {move}")
    call = calls.answer(DISPUTE, position, step)
    data = REFEREE.abi.encode_call(call.function, call.arguments)
    findings.malformed += 1
    got = _sent(data[: rng.randrange(4, len(data))])
    if got not in DECLARED | {NO_REASON}:
        findings.mismatches.append(f"cut calldata: {got}, {position}, {step}")


def _sent(data: bytes) -> str:
    try:
        REFEREE.send(data)
    except Refused as refused:
        return refused.name
    return REFUTED
