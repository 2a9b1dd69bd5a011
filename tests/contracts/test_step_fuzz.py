"""A short run of the differential fuzzer, the cases it found before, and the fuzzer's own parts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from prover.interpreter import Interpretation
from prover.operators import TABLE, row_of
from prover.program import Immediate, View
from tests import cases, step_fuzz, steps
from tests.cases import Case
from tests.nightly.report import merge
from tests.step_fuzz import fuzz
from tests.steps import Steps, on_chain
from tests.strategies import random_program

ELEMENTS = 1250


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_contract_computes_what_the_specification_says(seed: int, tmp_path: Path) -> None:
    findings = fuzz(seed, ELEMENTS, tmp_path)
    assert findings.mismatches == []
    assert findings.elements.total() >= ELEMENTS
    assert set(findings.elements) == set(TABLE)
    assert findings.malformed > 300


def test_what_was_found_before() -> None:
    """The first of these came from contracts that were changed on purpose; a campaign adds what it finds."""
    paths = sorted(cases.FOUND.glob("*.json"))
    assert len(paths) >= 3
    assert not [path for path in paths if cases.differs(cases.read(path))]


def case_of(seed: int, name: str) -> Case:
    """An operator in the middle of a program: its operands are checkpoints and results too."""
    program, weights, inputs = random_program(seed)
    run = Interpretation(program, weights, tuple(inputs))
    for number, layer in enumerate(program.layers):
        for index, operator in enumerate(layer.operators):
            if row_of(operator).name == name:
                place = Steps(run).draw(number, index, random.Random(seed))
                return Case(program, weights, tuple(inputs), place)
    raise AssertionError(f"no {name} in program {seed}")


@pytest.mark.parametrize("name", TABLE)
def test_a_case_survives_its_file(name: str, tmp_path: Path) -> None:
    case = case_of(5, name)
    again = cases.read(cases.write(case, tmp_path))
    assert again.steps().at(again.place) == case.steps().at(case.place)
    assert not cases.differs(again)


@pytest.mark.parametrize("name", TABLE)
def test_a_reduction_keeps_a_step_that_can_be_compared(name: str) -> None:
    """Whatever is simplified away, the contract and the specification still compute the same operator."""
    small = cases.reduce(case_of(6, name), fails=lambda case: on_chain(*case.steps().at(case.place)) == "StepAgrees")
    assert row_of(small.operator).name == name
    assert len(small.program.layers) == len(small.program.layers[0].operators) == 1
    assert not any(isinstance(o, Immediate) and abs(o.value) > 1 for o in small.operator.operands)
    assert all(not array.any() for array in small.weights.values())
    assert not cases.differs(small)


def test_a_reduction_keeps_what_matters() -> None:
    """A fault that shows only at a negative sum of several terms: one term that is not zero is left of each operand."""

    def fails(case: Case) -> bool:
        position, _ = case.steps().at(case.place)
        whole = position.count == case.operator.terms
        return case.operator.shift > 3 and position.value < 0 and whole

    case = next(c for c in (case_of(seed, "dot") for seed in range(40)) if fails(c))
    small = cases.reduce(case, fails)
    assert fails(small)
    assert small.operator.shift == case.operator.shift
    views = [o for o in small.operator.operands if isinstance(o, View)]
    assert views
    assert sum((array != 0).sum() for array in small.weights.values()) <= len(views)


def test_a_wrong_contract_is_found_reduced_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the contract computed products wrong that are negative."""
    honest = steps.on_chain

    def wrong(position: steps.Position, step: steps.Step) -> str:
        return steps.REFUTED if step.record[:2] == bytes([2, 0]) and position.value < 0 else honest(position, step)

    monkeypatch.setattr(step_fuzz, "on_chain", wrong)
    monkeypatch.setattr(cases, "on_chain", wrong)
    findings = fuzz(8, 600, tmp_path)
    assert findings.files
    assert {row_of(cases.read(path).operator).name for path in findings.files} == {"mul"}
    assert all(cases.differs(cases.read(path)) for path in findings.files)
    monkeypatch.undo()
    assert not any(cases.differs(cases.read(path)) for path in findings.files)


def test_a_contract_that_names_no_rule_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(step_fuzz, "loader_rule", lambda record, layer, index: "")
    assert any("record" in mismatch for mismatch in fuzz(1, 1, tmp_path).mismatches)
    monkeypatch.undo()
    monkeypatch.setattr(step_fuzz, "_sent", lambda data: "Panic")
    assert any("cut calldata" in mismatch for mismatch in fuzz(1, 1, tmp_path).mismatches)
    monkeypatch.undo()
    monkeypatch.setattr(step_fuzz, "by_the_rules", lambda position, move: "WrongRecord")
    assert any("the rules say" in mismatch for mismatch in fuzz(1, 1, tmp_path).mismatches)


def test_figures_are_added_to_the_report(tmp_path: Path) -> None:
    path = tmp_path / "nightly.json"
    merge(path, other=1, fuzz_elements=2)
    merge(path, fuzz_elements=3)
    assert json.loads(path.read_text()) == {"other": 1, "fuzz_elements": 3}
