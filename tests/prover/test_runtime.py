"""The torch runtime against the interpreter: the same trace on every backend and thread count, liars included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from prover.errors import InvalidInput
from prover.game.adversaries import Fault, FaultyInterpretation
from prover.interpreter import Interpretation
from prover.program import Program, TensorRoot
from prover.runtime import Runtime
from prover.trace import Array, Execution
from tests.strategies import Sample, programs, random_program


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@given(sample=programs())
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_run_has_the_interpreters_trace(sample: Sample) -> None:
    program, weights, inputs = sample
    run: Execution = Runtime(program, weights).run(inputs)
    living = Interpretation(program, weights, tuple(inputs))
    assert run.trace.root == living.trace.root
    for got, expected in zip(run.outputs, living.outputs, strict=True):
        assert got.shape == expected.shape
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("backend", ["int8", "float32", "float64", "int64"])
@pytest.mark.parametrize("seed", range(5))
def test_the_trace_does_not_depend_on_backend_or_threads(seed: int, backend: str, threads: int) -> None:
    program, weights, inputs = random_program(seed)
    expected = Interpretation(program, weights, tuple(inputs)).trace.root
    assert Runtime(program, weights, backend=backend).run(inputs).trace.root == expected


@pytest.mark.parametrize("seed", range(10))
def test_a_layer_re_run_from_checkpoints_has_the_same_results(seed: int) -> None:
    program, weights, inputs = random_program(seed)
    run = Runtime(program, weights).run(inputs)
    living = Interpretation(program, weights, tuple(inputs))
    for number, layer in enumerate(program.layers):
        results = run.results(number)
        for got, expected in zip(results, living.results(number), strict=True):
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)
        for slot, output in enumerate(layer.outputs):
            np.testing.assert_array_equal(results[output], run.trace.checkpoints[number][slot])


class Faulty(Runtime):
    """A machine that gets one element wrong."""

    def __init__(self, program: Program, weights: Mapping[TensorRoot, Array], fault: Fault) -> None:
        super().__init__(program, weights)
        self.fault = fault

    def evaluate(self, layer: int, operator: int, result: Array) -> Array:
        return self.fault.apply(layer, operator, result)


def faults(program: Program, random: np.random.Generator) -> Iterator[Fault]:
    for number, layer in enumerate(program.layers):
        index = int(random.integers(len(layer.operators)))
        element = int(random.integers(layer.operators[index].numel))
        yield Fault(number, index, element, int(random.choice([1, -1, 1 << 7, 12345])))


@pytest.mark.parametrize("seed", range(8))
def test_a_liar_is_consistent_after_its_lie(seed: int) -> None:
    """Checkpoints and re-run layers follow from the changed element, also when it left its clamp."""
    program, weights, inputs = random_program(seed)
    honest = Runtime(program, weights).run(inputs)
    for fault in faults(program, np.random.default_rng(seed)):
        run = Faulty(program, weights, fault).run(inputs)
        living = FaultyInterpretation(program, weights, tuple(inputs), fault)
        assert run.trace.root == living.trace.root
        for got, expected in zip(run.results(fault.layer), living.results(fault.layer), strict=True):
            np.testing.assert_array_equal(got, expected)
        changed = run.results(fault.layer)[fault.operator] != honest.results(fault.layer)[fault.operator]
        assert np.flatnonzero(changed).tolist() == [fault.element]


def changed_inputs(inputs: Sequence[Array]) -> dict[str, list[Array]]:
    first, rest = inputs[0], list(inputs[1:])
    return {
        f"takes {len(inputs)} inputs, not {len(inputs) + 1}": [first, *rest, first],
        "input 0 is float64": [first.astype(np.float64), *rest],
        "of shape": [np.concatenate([first, first]), *rest],
    }


@pytest.mark.parametrize("case", range(3))
def test_inputs_of_another_form_are_refused(case: int) -> None:
    program, weights, inputs = random_program(3)
    message, given_inputs = list(changed_inputs(inputs).items())[case]
    with pytest.raises(InvalidInput, match=message) as refused:
        Runtime(program, weights).run(given_inputs)
    assert "\n" not in str(refused.value)


def test_read_only_weights_and_reversed_inputs_are_fine() -> None:
    """As they come from a memory-mapped file, or from slicing."""
    program, weights, inputs = random_program(4)
    held = {root: weight.copy() for root, weight in weights.items()}
    for weight in held.values():
        weight.flags.writeable = False
    strided = [array[..., ::-1].copy()[..., ::-1] for array in inputs]
    assert Runtime(program, held).run(strided).trace.root == Runtime(program, weights).run(inputs).trace.root
