"""What a compiled model promises about its numbers: rounding, ranges, layers, and how inputs become integers."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from prover.compiler import compile
from prover.errors import InvalidInput, UnsupportedModule
from prover.quantisation import Quantisation
from prover.runtime import Runtime
from tests.prover.small_modules import Calls, compiled, drawn, seeded
from tests.prover.test_compiler import ROUNDING, error


def test_rounding_weights_to_bytes_costs_no_more_than_theory_says() -> None:
    """Weights drawn evenly from -w to w are w / sqrt(3) on average, and rounded in steps of w / 127 at most."""
    torch.manual_seed(0)
    module, samples = nn.Linear(256, 64).eval(), drawn(((4, 256),))
    assert error(compiled(module, samples), module, samples) < 1.05 * (3 / 12) ** 0.5 / 127


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e9])
def test_precision_does_not_depend_on_the_scale_of_the_weights(scale: float) -> None:
    module, samples = seeded(lambda: nn.Linear(64, 8)), drawn(((4, 64),))
    with torch.no_grad():
        module.weight.mul_(scale)
        module.bias.mul_(scale)
    assert error(compiled(module, samples), module, samples) < ROUNDING


def test_a_pruned_channel_costs_the_others_no_precision() -> None:
    module, samples = seeded(lambda: nn.Linear(64, 8, bias=False)), drawn(((4, 64),))
    with torch.no_grad():
        module.weight.mul_(1e-7)
        module.weight[3] = 0
    assert error(compiled(module, samples), module, samples) < ROUNDING


def nearly_cancelling(remainder: float) -> nn.Module:
    module = Calls(lambda x, a, b: a(x) + b(x), *(nn.Linear(8, 8, bias=False) for _ in range(2)))
    a, b = module.layers
    with torch.no_grad():
        b.weight.copy_(a.weight * (remainder - 1))
    return module


def test_a_sum_a_thousand_times_smaller_than_its_summands_keeps_what_sixteen_bits_hold() -> None:
    module, samples = seeded(lambda: nearly_cancelling(1e-3)), drawn(((4, 8),))
    assert error(compiled(module, samples), module, samples) < 1000 * ROUNDING


def test_a_sum_that_sixteen_bits_cannot_hold_is_refused() -> None:
    with pytest.raises(UnsupportedModule, match=r"aten\.add at the module: the sum is .* smaller"):
        compiled(seeded(lambda: nearly_cancelling(1e-6)), drawn(((4, 8),)))


def test_values_beyond_the_calibrated_range_stop_at_a_quarter_more() -> None:
    samples = [(torch.tensor([[2.0, -2.0]]),)]
    model = compiled(nn.Identity().eval(), samples)
    run = Runtime(model.program, model.weights).run(model.quantise(torch.tensor([[40.0, -40.0]])))
    (result,) = model.dequantise(run.outputs)
    np.testing.assert_allclose(result, [[2.5, -2.5]])


def test_all_zero_calibration_compiles() -> None:
    module = seeded(lambda: nn.Linear(4, 3, bias=False))
    model = compiled(module, [(torch.zeros(1, 4),)])
    run = Runtime(model.program, model.weights).run(model.quantise(torch.zeros(1, 4)))
    assert not np.any(run.outputs[0])


def conv() -> nn.Module:
    return nn.Conv2d(4, 6, 3)


FREE: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.Sequential(conv(), nn.ReLU()),
    "batch norm and relu": lambda: nn.Sequential(conv(), nn.BatchNorm2d(6), nn.ReLU()),
    "dropout": lambda: nn.Sequential(conv(), nn.Dropout()),
}


@pytest.mark.parametrize("name", FREE)
def test_what_folds_into_a_convolution_adds_no_operator(name: str) -> None:
    samples = drawn(((1, 4, 5, 5),), count=2)
    alone = compiled(seeded(conv), samples).program
    assert compiled(seeded(FREE[name]), samples).program.operator_count == alone.operator_count


def test_compiling_twice_gives_the_same_model() -> None:
    samples = drawn(((1, 4, 5, 5),))
    first, again = compiled(seeded(conv), samples), compiled(seeded(conv), samples)
    assert first.id == again.id
    assert first.id != compiled(seeded(conv, seed=1), samples).id
    assert first.id != compiled(seeded(conv), samples[:1]).id, "scales come from the calibration"


def test_its_description_names_the_layers_and_gives_the_scales_back() -> None:
    module, samples = seeded(lambda: nn.Sequential(conv(), nn.Flatten(), nn.Linear(54, 2))), drawn(((1, 4, 5, 5),))
    model = compile(module, samples[0], iter(samples), name="named")
    described = json.loads(json.dumps(model.describe()))
    assert described["name"] == "named"
    assert described["layers"] == ["0", "2"]
    assert tuple(Quantisation.from_dict(form) for form in described["inputs"]) == model.inputs
    assert tuple(Quantisation.from_dict(form) for form in described["outputs"]) == model.outputs


REFUSED_INPUTS = {
    "takes 2 inputs, not 1": (np.zeros(3),),
    "shape (4,); the model takes (3,)": (np.zeros(3), np.zeros(4)),
    "NaN or infinite": (np.zeros(3), np.array([0, np.inf, 0])),
}


@pytest.mark.parametrize("message", REFUSED_INPUTS)
def test_inputs_that_are_no_reals_of_its_shape_are_refused(message: str) -> None:
    model = compiled(Calls(lambda x, y: x + y).eval(), drawn(((3,), (3,)), count=1))
    with pytest.raises(InvalidInput) as refused:
        model.quantise(*REFUSED_INPUTS[message])
    assert message in str(refused.value)
