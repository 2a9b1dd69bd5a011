"""Fused kernels against the interpreter: random programs, every operator alone, on one and two threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prover.interpreter import Interpretation
from prover.kernels.fused.planning import LoneStep
from prover.operators import TABLE
from prover.runtime import WORTH_FUSING, Runtime, work
from tests.strategies import Sample, lone_operators, programs, random_program

QUICK = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def assert_agreement(sample: Sample) -> Runtime:
    """The fused run has the interpreter's checkpoints."""
    program, weights, inputs = sample
    runtime = Runtime(program, weights, fused=True)
    got = runtime.run(inputs)
    living = Interpretation(program, weights, tuple(inputs))
    for number, layer in enumerate(living.trace.checkpoints):
        for slot, expected in enumerate(layer):
            held = got.checkpoints[number][slot]
            assert (held.dtype, held.shape) == (expected.dtype, expected.shape)
            np.testing.assert_array_equal(held, expected, f"layer {number}, slot {slot}")
    assert got.trace.root == living.trace.root
    return runtime


@given(sample=programs())
@QUICK
def test_random_programs(sample: Sample) -> None:
    assert_agreement(sample)


@pytest.mark.parametrize("name", TABLE)
@given(data=st.data())
@settings(QUICK, max_examples=15)
def test_every_operator(name: str, data: st.DataObject) -> None:
    runtime = assert_agreement(data.draw(lone_operators(name)))
    alone = [step for step in runtime.execution(1).steps if isinstance(step, LoneStep)]
    assert bool(alone) == (name in ("place", "reduce_argmax"))


@pytest.mark.parametrize("seed", range(3))
def test_the_number_of_threads_changes_nothing(seed: int, threads: int) -> None:
    assert_agreement(random_program(seed))


def test_small_programs_are_not_compiled_unless_asked() -> None:
    program, weights, _ = random_program(1)
    assert work(program) < WORTH_FUSING
    assert not Runtime(program, weights).fused
    assert Runtime(program, weights, fused=True).fused


def test_a_second_route_avoids_fused_kernels() -> None:
    program, weights, _ = random_program(1)
    runtime = Runtime(program, weights, backend="int64", fused=True)
    assert not runtime.fused
    assert all(isinstance(step, LoneStep) for step in runtime.execution(1).steps)
