"""The digits example: always the same model, as good as its float original, with a report that holds together."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from prover import model_folder, quality
from prover.errors import CorruptModel
from prover.examples.digits import Digits, smaller_digits
from prover.examples.digits_model import CompiledDigits
from prover.report import AccuracyReport
from prover.runtime import Runtime
from tests.prover.small_modules import compiled


def test_training_gives_the_same_model_in_another_process_with_other_threads(
    digits: CompiledDigits, folder: Path
) -> None:
    assert folder.name == digits.model.id.hex()
    assert model_folder.load(folder).report["accuracy"] == json.loads(json.dumps(digits.report.as_dict()))


@cache
def smaller() -> tuple[Digits, bool]:
    """The smaller network, and whether training it left torch's generator and threads as they were."""
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    held = smaller_digits()
    return held, torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads


def test_training_leaves_torchs_generator_and_threads_alone() -> None:
    assert smaller()[1]


def test_it_loses_less_than_half_a_point_on_the_fifth_it_has_not_seen(digits: CompiledDigits) -> None:
    runtime = Runtime(digits.model.program, digits.model.weights)
    right = [
        int(np.argmax(runtime.run([image]).outputs[0])) == label
        for image, label in zip(digits.images, digits.labels, strict=True)
    ]
    assert len(right) == -(-len(load_digits().images) // 5)
    assert digits.report.samples == len(right)
    assert digits.report.integer_accuracy == pytest.approx(np.mean(right))
    assert digits.report.float_accuracy > 0.98
    assert abs(digits.report.float_accuracy - np.mean(right)) <= 0.005
    assert digits.report.passes


def test_the_numbers_of_its_report_add_up(digits: CompiledDigits) -> None:
    report, program = digits.report, digits.model.program
    assert report.model == digits.model.id.hex()
    differing = 1 - report.figures["agreement"]
    assert abs(report.float_accuracy - report.integer_accuracy) <= differing + 1e-9
    assert report.lost_points == pytest.approx(100 * (report.float_accuracy - report.integer_accuracy))
    assert [layer.name for layer in report.by_layer] == list(program.names)
    assert sum(layer.operators for layer in report.by_layer) == program.operator_count
    for layer, held in zip(report.by_layer, program.layers, strict=True):
        assert layer.bytes_committed == sum(held.operators[output].nbytes for output in held.outputs)
        assert layer.error is not None
        assert 0 < layer.error < 0.02
        assert all(0 <= share < 0.01 for share in layer.clamped.values())
    dots = sum(operator.opcode.name == "DOT" for layer in program.layers for operator in layer.operators)
    assert sum(report.backends.values()) == dots


def test_its_report_comes_back_from_json(digits: CompiledDigits) -> None:
    assert AccuracyReport.from_dict(json.loads(json.dumps(digits.report.as_dict()))) == digits.report


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("samples", "many"),
        ("samples", True),
        ("by_layer", [{"name": 3, "operators": 1, "bytes_committed": 1, "error": None, "clamped": {}}]),
        (
            "by_layer",
            [{"name": "conv", "operators": 1, "bytes_committed": 1, "error": None, "clamped": {"0 dot": "x"}}],
        ),
        ("quality", {"kind": "classification", "figures": {"accuracy": None}, "gates": {}}),
        ("backends", {"int8": 1.5}),
        ("dearest", {"layer": "conv", "operator": "dot", "gas": "much", "bytes": 1}),
    ],
)
def test_a_report_with_a_field_of_another_kind_is_refused(digits: CompiledDigits, field: str, value: object) -> None:
    held = {**json.loads(json.dumps(digits.report.as_dict())), field: value}
    with pytest.raises(CorruptModel, match="publish the model anew"):
        AccuracyReport.from_dict(held)


@pytest.mark.parametrize("field", ["samples", "by_layer", "quality", "backends", "dearest"])
def test_a_report_without_a_field_is_refused(digits: CompiledDigits, field: str) -> None:
    held = digits.report.as_dict()
    del held[field]
    with pytest.raises(CorruptModel, match=field):
        AccuracyReport.from_dict(held)


def test_a_classifier_that_loses_more_than_half_a_point_does_not_pass() -> None:
    labels = [0] * 1000
    judge = quality.classification(labels)
    right, wrong = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert judge([right] * 1000, [right] * 995 + [wrong] * 5).passes
    assert not judge([right] * 1000, [right] * 994 + [wrong] * 6).passes


def test_the_smaller_model_has_as_many_layers_but_is_another_and_cheaper(digits: CompiledDigits) -> None:
    held, _ = smaller()
    cheaper, larger = compiled(held.module, list(held.calibration)), digits.model
    assert cheaper.program.names == larger.program.names
    assert [len(x.operators) for x in cheaper.program.layers] == [len(x.operators) for x in larger.program.layers]
    assert cheaper.program.inputs == larger.program.inputs
    assert cheaper.id != larger.id
    weights = [sum(w.nbytes for w in model.weights.values()) for model in (cheaper, larger)]
    assert 4 * weights[0] < weights[1]
    assert held.float_accuracy() > 0.9
