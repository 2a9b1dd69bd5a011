"""Every ATen operator and variant that compiles: the integers follow the floats, and both executions agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from prover.compiler import CompiledModel
from prover.interpreter import Interpretation
from prover.runtime import Runtime
from tests.prover.small_modules import Calls, Inputs, Shapes, compiled, drawn, seeded

ROUNDING = 1.5e-4
"""Error over value, both as root mean square, of a value rounded once or twice to i16: a unit is 1.25 / 32,639 of the
largest value, its rounding error 1/sqrt(12) of that, and the largest value up to seven times the root mean square."""

IMAGE = (2, 4, 7, 6)
RAMP = torch.linspace(-1, 1, 4).reshape(4, 1, 1)


def _also_read(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A sum that is an output, too, and so is not folded into the next."""
    first = x + RAMP
    return first, first + RAMP


Case = tuple[Callable[[], nn.Module], Shapes]


def calls(function: Callable[..., object], *layers: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: Calls(function, *(make() for make in layers))


def in_turn(*layers: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*(make() for make in layers))


def conv(*arguments: object, **options: object) -> Callable[[], nn.Module]:
    return lambda: nn.Conv2d(*arguments, **options)


def same_conv() -> nn.Module:
    return nn.Conv2d(4, 4, 3, padding=1)


CASES: dict[str, Case] = {
    "linear": (lambda: nn.Linear(12, 7), ((3, 12),)),
    "linear without bias": (lambda: nn.Linear(12, 7, bias=False), ((3, 12),)),
    "linear on one vector": (lambda: nn.Linear(12, 7), ((12,),)),
    "linear over three axes": (in_turn(lambda: nn.Linear(12, 7), nn.ReLU), ((2, 3, 12),)),
    "a product with a constant": (calls(lambda x: x @ torch.eye(12)[:, :7]), ((2, 3, 12),)),
    "conv with padding": (conv(4, 6, 3, padding=1), (IMAGE,)),
    "conv with padding same": (conv(4, 6, 3, padding="same"), (IMAGE,)),
    "conv with stride": (conv(4, 6, 3, stride=2, bias=False), (IMAGE,)),
    "conv with dilation": (conv(4, 6, 3, dilation=2, padding=2), (IMAGE,)),
    "conv in groups": (conv(4, 6, 3, groups=2, padding=1), (IMAGE,)),
    "conv by channel": (conv(4, 8, 3, groups=4), (IMAGE,)),
    "conv 1x1": (conv(4, 6, 1), (IMAGE,)),
    "conv with a wide kernel": (conv(4, 6, (1, 3), padding=(1, 0), stride=(2, 1)), (IMAGE,)),
    "conv with an even kernel": (conv(4, 6, (4, 2), padding=(2, 1), dilation=(1, 3)), (IMAGE,)),
    "conv of one image": (conv(4, 6, 3, padding=1), (IMAGE[1:],)),
    "conv over one axis": (lambda: nn.Conv1d(4, 6, 3, padding=1, stride=2), ((2, 4, 9),)),
    "dilated conv over one axis, in groups": (lambda: nn.Conv1d(4, 6, 2, dilation=3, groups=2), ((2, 4, 9),)),
    "batch norm of a conv": (in_turn(conv(4, 6, 3), lambda: nn.BatchNorm2d(6)), (IMAGE,)),
    "plain batch norm": (in_turn(conv(4, 6, 3, bias=False), lambda: nn.BatchNorm2d(6, affine=False)), (IMAGE,)),
    "batch norm over one axis": (in_turn(lambda: nn.Conv1d(4, 6, 3), lambda: nn.BatchNorm1d(6)), ((2, 4, 9),)),
    "batch norm of a linear": (in_turn(lambda: nn.Linear(12, 7), lambda: nn.BatchNorm1d(7)), ((3, 12),)),
    "batch norm without bias": (in_turn(lambda: nn.Linear(12, 7, bias=False), lambda: nn.BatchNorm1d(7)), ((3, 12),)),
    "relu of a conv": (in_turn(conv(4, 6, 3), nn.ReLU), (IMAGE,)),
    "relu alone": (nn.ReLU, (IMAGE,)),
    "relu of a value that is also read": (calls(lambda x, c: (c(x), torch.relu(c(x))), same_conv), (IMAGE,)),
    "relu of a maximum": (in_turn(lambda: nn.MaxPool2d(2), nn.ReLU, nn.ReLU), (IMAGE,)),
    "maximum": (lambda: nn.MaxPool2d(2), (IMAGE,)),
    "maximum with padding": (lambda: nn.MaxPool2d(3, stride=2, padding=1), (IMAGE,)),
    "maximum with padding of negatives": (
        calls(lambda x, p: p(x + -2.0), lambda: nn.MaxPool2d(2, padding=1)),
        (IMAGE,),
    ),
    "maximum with dilation": (lambda: nn.MaxPool2d((3, 2), stride=(1, 2), dilation=(2, 1)), (IMAGE,)),
    "maximum over one axis": (lambda: nn.MaxPool1d(2, padding=1), ((2, 4, 9),)),
    "average": (lambda: nn.AvgPool2d((3, 2), stride=1), (IMAGE,)),
    "average with padding": (lambda: nn.AvgPool2d(3, stride=2, padding=1), (IMAGE,)),
    "average with another divisor": (lambda: nn.AvgPool2d(2, padding=1, divisor_override=3), (IMAGE,)),
    "average over one axis": (lambda: nn.AvgPool1d(2), ((2, 4, 9),)),
    "average to one": (in_turn(same_conv, lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten), (IMAGE,)),
    "mean over two axes": (calls(lambda x, c: torch.relu(c(x).mean((1, 3))), same_conv), (IMAGE,)),
    "mean that keeps its axis": (calls(lambda x: x.mean(2, keepdim=True)), (IMAGE,)),
    "mean of everything": (calls(lambda x: torch.relu(x).mean()), (IMAGE,)),
    "flatten before a linear": (in_turn(same_conv, nn.Flatten, lambda: nn.Linear(168, 5)), (IMAGE,)),
    "flatten last": (in_turn(same_conv, nn.Flatten), (IMAGE,)),
    "permuted output": (calls(lambda x: x.permute(3, 0, 2, 1)), (IMAGE,)),
    "a linear layer on what is not contiguous": (
        calls(lambda x, a, last: last(a(x.flatten(2).mT)), lambda: nn.Linear(4, 5), lambda: nn.Linear(5, 3)),
        (IMAGE,),
    ),
    "linear layers on several axes that are not contiguous": (
        calls(lambda x, a: torch.relu(a(x.permute(0, 2, 3, 1))), lambda: nn.Linear(4, 5)),
        (IMAGE,),
    ),
    "a linear layer whose bias is added by hand": (
        calls(lambda x, a: a(x) + torch.linspace(-1, 1, 5), lambda: nn.Linear(6, 5, bias=False)),
        (IMAGE,),
    ),
    "permuted and reshaped before a linear": (
        calls(lambda x, last: last(x.permute(0, 3, 2, 1).reshape(2, 6, 28)), lambda: nn.Linear(28, 5)),
        (IMAGE,),
    ),
    "a chain of permutes and reshapes": (
        calls(lambda x, c: c(x).permute(0, 2, 1, 3).reshape(2, 7, 24).mT.reshape(2, 2, 84).flatten(1), same_conv),
        (IMAGE,),
    ),
    "squeeze and unsqueeze": (calls(lambda x, c: c(x[None].squeeze(0)).unsqueeze(2).squeeze(2), same_conv), (IMAGE,)),
    "shuffled pixels": (lambda: nn.PixelShuffle(2), ((1, 8, 3, 3),)),
    "sum of inputs": (calls(lambda x, y: x + y), (IMAGE, IMAGE)),
    "sum with itself": (calls(lambda x: x + x), (IMAGE,)),
    "sum of different layouts": (calls(lambda x, y, c: c(x).permute(0, 2, 3, 1) + y, same_conv), (IMAGE, (2, 7, 6, 4))),
    "sum of different scales": (calls(lambda x, y, a: y + a(x + 9.0), lambda: nn.AvgPool2d(1)), (IMAGE, IMAGE)),
    "residual": (calls(lambda x, a, b: torch.relu(x + b(torch.relu(a(x)))), same_conv, same_conv), (IMAGE,)),
    "sum with a number": (calls(lambda x: 2.5 + x), (IMAGE,)),
    "sum with a constant per channel": (calls(lambda x, c: torch.relu(c(x) + RAMP), same_conv), (IMAGE,)),
    "sum with a constant per column": (calls(lambda x: x + torch.linspace(-3, 3, 6)), (IMAGE,)),
    "sums with constants in turn": (
        calls(lambda x, c: torch.relu(c(x) + RAMP + 2 * RAMP + 3 * RAMP), same_conv),
        (IMAGE,),
    ),
    "a sum that is also read before the next": (calls(lambda x: ((x + RAMP) + RAMP) * (x + RAMP)), (IMAGE,)),
    "a sum that is also read": (calls(lambda x, c: _also_read(c(x) + RAMP), same_conv), (IMAGE,)),
    "the input itself": (nn.Identity, (IMAGE,)),
    "one layer twice": (calls(lambda x, c: c(torch.relu(c(x))), same_conv), (IMAGE,)),
    "several outputs in a dictionary": (calls(lambda x, c: {"b": c(x), "a": x}, same_conv), (IMAGE,)),
    "an input that is not read": (calls(lambda x, y: x + 1.0), (IMAGE, (3,))),
    "dropout in evaluation": (in_turn(lambda: nn.Linear(6, 3), nn.Dropout), (IMAGE,)),
}


def error(model: CompiledModel, module: nn.Module, samples: list[Inputs]) -> float:
    """Root mean square of (integer - float) over that of float, over all outputs."""
    squared_error = squared = 0.0
    runtime = Runtime(model.program, model.weights)
    for inputs in samples:
        results = model.dequantise(runtime.run(model.quantise(*inputs)).outputs)
        with torch.no_grad():
            floats = module(*inputs)
        floats = floats.values() if isinstance(floats, dict) else floats if isinstance(floats, tuple) else [floats]
        for got, wanted in zip(results, (f.double().numpy() for f in floats), strict=True):
            assert got.shape == (wanted.shape or (1,))
            squared_error += float(np.square(got - wanted).sum())
            squared += float(np.square(wanted).sum())
    return (squared_error / squared) ** 0.5


@pytest.mark.parametrize("name", CASES)
def test_the_integers_follow_the_floats(name: str) -> None:
    make, shapes = CASES[name]
    module, samples = seeded(make), drawn(shapes)
    model = compiled(module, samples)
    assert error(model, module, samples) < ROUNDING
    inputs = model.quantise(*samples[0])
    run = Runtime(model.program, model.weights).run(inputs)
    assert run.trace.root == Interpretation(model.program, model.weights, tuple(inputs)).trace.root


def test_a_linear_layer_on_what_is_not_contiguous_is_one_operator() -> None:
    module = seeded(calls(lambda x, a: torch.relu(a(x.flatten(2).mT)), lambda: nn.Linear(4, 5)))
    assert compiled(module, drawn((IMAGE,))).program.operator_count == 1


def test_constants_added_in_turn_are_one_operator() -> None:
    turns = [lambda x: x + RAMP, lambda x: x + RAMP + RAMP + 3 * RAMP]
    models = [compiled(seeded(calls(turn)), drawn((IMAGE,))) for turn in turns]
    assert [model.program.operator_count for model in models] == [1, 1]
    assert compiled(seeded(calls(_also_read)), drawn((IMAGE,))).program.operator_count == 2
