"""What has no exact integer form is refused in one line: which operator, where in the module, and what to do."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from prover.compiler import compile
from prover.errors import UnsupportedModule
from prover.program import MAX_TERMS
from tests.prover.small_modules import Calls, Inputs, Shapes, compiled, drawn, seeded

IMAGE = (1, 4, 6, 6)
ROWS = (2, 6)


def refusal(module: nn.Module, samples: list[Inputs], calibration: list[Inputs] | None = None) -> str:
    with pytest.raises(UnsupportedModule) as refused:
        compile(module, samples[0], samples if calibration is None else calibration)
    message = str(refused.value)
    assert "\n" not in message
    return message


class Deep(nn.Module):
    """A part deep in a module, at `stages.1.part`."""

    def __init__(self, part: nn.Module, before: nn.Module | None = None) -> None:
        super().__init__()
        self.stages = nn.Sequential(before or nn.Identity(), nn.Sequential())
        self.stages[1].add_module("part", part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.stages(x)
        return result


OPERATORS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str, str]] = {
    "unknown": (lambda: Calls(lambda x: x.cumsum(1)), ROWS, "aten.cumsum", "rewrite it with"),
    "second result": (lambda: Calls(lambda x: x.topk(2)[1]), ROWS, "aten.topk", ""),
    "indices of a maximum": (
        lambda: Calls(lambda x: nn.functional.max_pool2d(x, 2, return_indices=True)[1]),
        IMAGE,
        "aten.max_pool2d_with_indices",
        "",
    ),
    "random": (lambda: Calls(lambda x: x + torch.rand(6)), ROWS, "aten.rand", "pass it as an input"),
    "transposed convolution": (
        lambda: nn.ConvTranspose2d(4, 6, 3),
        IMAGE,
        "aten.convolution",
        "use a plain convolution with constant weights",
    ),
    "maximum with cut windows": (
        lambda: nn.MaxPool2d(4, ceil_mode=True),
        IMAGE,
        "aten.max_pool2d_with_indices",
        "use ceil_mode=False",
    ),
    "average with cut windows": (
        lambda: nn.AvgPool2d(4, ceil_mode=True),
        IMAGE,
        "aten.avg_pool2d",
        "use ceil_mode=False",
    ),
    "average over what is no padding": (
        lambda: nn.AvgPool2d(3, padding=1, count_include_pad=False),
        IMAGE,
        "aten.avg_pool2d",
        "use count_include_pad=True",
    ),
    "average to some size": (lambda: nn.AdaptiveAvgPool2d(4), IMAGE, "aten._adaptive_avg_pool2d", "use AvgPool2d"),
    "more terms than a reduction has": (
        lambda: nn.Linear(MAX_TERMS + 1, 1),
        (1, MAX_TERMS + 1),
        "aten.addmm",
        f"{MAX_TERMS + 1} terms",
    ),
    "a constant matrix for each of a batch": (
        lambda: Calls(lambda x: x @ torch.linspace(0, 1, 30).reshape(2, 3, 5)),
        (2, 4, 3),
        "aten.bmm",
        "use a linear layer for each matrix",
    ),
    "constant matrices on the left": (
        lambda: Calls(lambda x: torch.linspace(0, 1, 12).reshape(3, 4) @ x),
        (2, 4, 5),
        "aten.bmm",
        "multiply from the other side",
    ),
    "a bias per row": (
        lambda: Calls(lambda x: torch.addmm(torch.ones(2, 3), x, torch.ones(6, 3))),
        ROWS,
        "aten.addmm",
        "add it in a separate step",
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_without_integer_form_is_named_with_its_place_and_a_remedy(name: str) -> None:
    make, shape, operator, remedy = OPERATORS[name]
    message = refusal(seeded(lambda: Deep(make())), drawn((shape,), count=1))
    assert message.startswith(f"{operator} at stages.1.part: ")
    assert remedy in message
    assert "; " in message, "what is wrong; what to do"


BEFORE_A_NORM: dict[str, Callable[[], nn.Module]] = {
    "nothing": nn.Identity,
    "a pooling": lambda: nn.MaxPool2d(2),
    "a transposed convolution": lambda: nn.ConvTranspose2d(4, 6, 3),
    "another norm": lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)),
    "a linear layer of another axis": lambda: Calls(lambda x, a: a(x.mT), nn.Linear(6, 6)),
    "a convolution that is also read": lambda: Calls(lambda x, c: c(x) + torch.relu(c(x)), nn.Conv2d(4, 6, 3)),
}


@pytest.mark.parametrize("name", BEFORE_A_NORM)
def test_a_batch_norm_follows_a_convolution(name: str) -> None:
    before = BEFORE_A_NORM[name]
    channels = 4 if name in ("nothing", "a pooling", "a linear layer of another axis") else 6
    message = refusal(seeded(lambda: Deep(nn.BatchNorm2d(channels), before())), drawn((IMAGE,), count=1))
    assert "batch norm that does not directly follow a" in message
    assert "at stages.1.part: " in message


def with_state(part: nn.Module) -> nn.Module:
    part.register_buffer("seen", torch.zeros(6))
    return part


def count(x: torch.Tensor, part: nn.Module) -> torch.Tensor:
    part.seen += x.mean(0)
    return x + 1.0


def change(x: torch.Tensor) -> torch.Tensor:
    x.add_(1.0)
    return x


MODULES: dict[str, tuple[Callable[[], nn.Module], Shapes, str]] = {
    "branch on a value": (lambda: Calls(lambda x: x if x.sum() > 0 else x + 1), (ROWS,), "control flow and shapes"),
    "shape from a value": (lambda: Calls(lambda x: x[: int(x.sum())]), (ROWS,), "control flow and shapes"),
    "selection by a value": (lambda: Calls(lambda x: x[x > 0]), (ROWS,), "; "),
    "no torch": (lambda: Calls(lambda x: torch.from_numpy(x.numpy())), (ROWS,), "torch.export cannot trace Calls"),
    "a generator": (
        lambda: Calls(lambda x: x + torch.rand(6, generator=torch.Generator().manual_seed(0))),
        (ROWS,),
        "which is no tensor; compute it before and keep it as a buffer",
    ),
    "wrong input": (lambda: nn.Linear(5, 2), (ROWS,), "torch.export cannot trace Linear"),
    "state": (lambda: Calls(count, with_state(nn.Identity())), (ROWS,), "changes layers.0.seen when it runs; return"),
    "changed input": (lambda: Calls(change), (ROWS,), "when it runs; return"),
    "constant": (lambda: Calls(lambda x: (x, torch.ones(3))), (ROWS,), "does not depend on its inputs; return"),
    "weight": (lambda: Calls(lambda x, a: a.weight, nn.Linear(6, 2)), (ROWS,), "does not depend on its inputs; return"),
    "number": (lambda: Calls(lambda x: (x, 3)), (ROWS,), "does not depend on its inputs; return"),
    "nothing": (lambda: Calls(lambda x: ()), (ROWS,), "returns nothing; return"),
    "nine outputs": (lambda: Calls(lambda x: tuple(x + float(i) for i in range(9))), (ROWS,), "9 outputs; "),
    "nine inputs": (lambda: Calls(lambda *inputs: inputs[0] + 1.0), (ROWS,) * 9, "9 inputs; "),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_that_is_no_fixed_function_of_its_inputs_is_refused(name: str) -> None:
    make, shapes, expected = MODULES[name]
    assert expected in refusal(seeded(make), drawn(shapes, count=1))


def test_a_branch_on_a_value_is_named_with_its_line_and_nothing_else_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    make, shapes, _ = MODULES["branch on a value"]
    message = refusal(seeded(make), drawn(shapes, count=1))
    assert re.search(rf"\(at {re.escape(__file__)} line \d+: .*if x.sum\(\) > 0", message)
    assert capfd.readouterr() == ("", "")
    assert not logging.root.manager.disable


@pytest.mark.parametrize("part", [nn.Dropout(), nn.BatchNorm1d(3), nn.Identity()])
def test_training_mode_is_refused_wherever_it_is(part: nn.Module) -> None:
    module = seeded(lambda: Deep(part, nn.Linear(6, 3)))
    module.stages[1].part.train()
    assert "stages.1.part is in training mode; call the module's eval() first" in refusal(module, drawn((ROWS,)))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_named(value: float) -> None:
    module = seeded(lambda: Deep(nn.Linear(6, 3)))
    with torch.no_grad():
        module.stages[1].part.weight[1, 2] = value
    assert refusal(module, drawn((ROWS,))).startswith("stages.1.part.weight contains NaN or infinite values; ")


def test_a_constant_that_is_no_number_is_refused() -> None:
    assert "NaN or infinite" in refusal(seeded(lambda: Calls(lambda x: x + torch.nan)), drawn((ROWS,)))


GOOD = torch.ones(ROWS)
CALIBRATIONS: dict[str, tuple[list[Inputs], str]] = {
    "none": ([], "there are no calibration inputs; give at least one"),
    "NaN": ([(GOOD,), (GOOD * torch.nan,)], "NaN or infinite on calibration"),
    "one NaN among numbers": ([(GOOD,), (torch.where(torch.eye(2, 6) > 0, torch.nan, GOOD),)], "NaN or infinite on"),
    "infinite": ([(GOOD * torch.inf,), (GOOD,)], "NaN or infinite on calibration"),
    "another batch": ([(GOOD,), (GOOD[:1],)], "calibration item 1 has shapes (1, 6); give"),
    "another width": ([(torch.ones(2, 7),)], "calibration item 0 has shapes (2, 7); give"),
    "more inputs": ([(GOOD, GOOD)], "calibration item 0 has shapes (2, 6), (2, 6); give"),
    "tensors for tuples": ([GOOD, GOOD], "calibration item 0 has shapes (6,), (6,); give"),  # type: ignore[list-item]
}


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_calibration_inputs_must_be_like_the_examples(name: str) -> None:
    calibration, expected = CALIBRATIONS[name]
    assert expected in refusal(seeded(lambda: nn.Linear(6, 3)), [(GOOD,)], calibration)


def test_the_same_module_without_the_fault_compiles() -> None:
    assert compiled(seeded(lambda: Deep(nn.Linear(6, 3))), drawn((ROWS,))).program.layers


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        (torch.ones(ROWS, dtype=torch.float64), "torch.float64; give torch.float32"),
        (torch.ones(ROWS, dtype=torch.complex64), "torch.complex64; give torch.float32"),
        (torch.ones(0, 6), "no elements"),
        ([1.0, 2.0], "a list; give tensors"),
    ],
)
def test_an_example_that_no_program_takes(example: Any, problem: str) -> None:
    assert problem in refusal(nn.Linear(6, 3).eval(), [(example,)])


def test_a_calibration_item_that_is_no_tensor() -> None:
    given: Any = [1.0]
    assert "holds a list; give tuples of tensors" in refusal(nn.Linear(6, 3).eval(), [(torch.ones(ROWS),)], [(given,)])
