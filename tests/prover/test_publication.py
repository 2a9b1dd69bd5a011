"""What a publisher hands in: a subject whose parts do not belong together is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from prover import quality
from prover.errors import RefuteError
from prover.publication import MissesItsGate, Subject, publishable

ROW = (torch.linspace(-1, 1, 4)[None],)
ROWS = [ROW, (-ROW[0],), (ROW[0] ** 2,)]
NAN = (torch.full((1, 4), torch.nan),)


def linear() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Linear(4, 2).eval()


def subject(**changed: Any) -> Subject:
    with torch.no_grad():
        labels = [int(linear()(*row).argmax()) for row in ROWS]
    return replace(Subject.single("mine", linear(), ROWS, ROWS, quality.classification(labels)), **changed)


FAULTS: dict[str, tuple[Callable[[], Subject], str]] = {
    "no module": (lambda: subject(module=abs), "its module is a builtin_function_or_method; give a torch.nn.Module"),
    "half precision": (lambda: subject(module=linear().half()), "weight is torch.float16; give a float32 module: call"),
    "a model that is not there": (lambda: subject(wanted=["other"]), "no example inputs of 'other'; it has some of: m"),
    "calibration of another": (lambda: subject(calibration={"other": ROWS}), "no example inputs of 'other'"),
    "nothing held out": (lambda: subject(held_out={}), "mine has no held-out inputs to measure it on; give some"),
    "an empty list held out": (
        lambda: Subject.single("mine", linear(), ROWS, [], quality.classification([])),
        "mine has no held-out inputs to measure it on; give some",
    ),
    "no judge": (lambda: subject(judge={}), "mine has no judge; give one of prover.quality"),
    "too few labels": (
        lambda: subject(judge={"mine": quality.classification([1])}),
        "1 labels for 3 held-out inputs; give one for each",
    ),
    "too few targets": (
        lambda: subject(judge={"mine": quality.language([[1]])}),
        "1 rows of targets for 3 held-out inputs; give one for each",
    ),
    "another shape held out": (
        lambda: subject(held_out={"mine": [ROW, (torch.ones(1, 3),)]}),
        "held-out input 1 of mine has shapes (1, 3); give tuples of inputs shaped as the examples: (1, 4)",
    ),
    "two inputs held out": (lambda: subject(held_out={"mine": [ROW, ROW * 2]}), "has shapes (1, 4), (1, 4); give tup"),
    "another type held out": (
        lambda: subject(held_out={"mine": [ROW, (ROW[0].double(),)]}),
        "held-out input 1 of mine is torch.float64; give torch.float32, as in the examples",
    ),
    "no number held out": (
        lambda: subject(held_out={"mine": [ROW, NAN]}),
        "held-out input 1 of mine: an input contains NaN or infinite values; replace them",
    ),
    "another type to calibrate with": (
        lambda: subject(calibration={"mine": [(ROW[0].double(),)]}),
        "calibration item 0 is torch.float64; give torch.float32, as in the examples",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_subject_whose_parts_do_not_belong_together_is_refused(fault: str) -> None:
    make, expected = FAULTS[fault]
    with pytest.raises(RefuteError) as refused:
        publishable(make())
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_that_misses_its_gate_is_not_made() -> None:
    seldom = subject(calibration={"mine": [(ROW[0] / 1e4,)]})
    with pytest.raises(MissesItsGate, match=r"mine misses its gate, at most 0.5 points .*: calibrate with more inputs"):
        publishable(seldom)


def test_a_subject_that_is_whole_is_published() -> None:
    ((model, report),) = publishable(subject()).values()
    assert report.passes
    assert model.report["accuracy"]["samples"] == len(ROWS)
