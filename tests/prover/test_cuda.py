"""On a CUDA device: the same outputs and traces as on the CPU, by every backend that passes its self-test there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch

from prover.benchmarks import cuda
from prover.benchmarks.llama import WIDE_LLAMA
from prover.compiler import CompiledModel
from prover.compiler.compiled import compile_shapes
from prover.examples import catalogue
from prover.kernels.matmul import BACKENDS
from prover.kernels.selection import RACED, select
from prover.kernels.worst_cases import why_inexact
from prover.runtime import Run, Runtime
from prover.trace import Array
from tests.prover.transformers_models import MODELS, compiled, sample
from tests.strategies import random_program

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")

CUDA = torch.device("cuda")
EXAMPLES = ("digits", "minilm", "llama", "gpt2", "resnet18", "vit")
LENGTH = 128


# The self-test


def test_what_is_offered_is_what_passes_the_self_test_there() -> None:
    passed = {backend.name for backend in BACKENDS if why_inexact(backend, CUDA) is None}
    offered = [backend.name for backend in select(device="cuda").backends]
    assert set(offered) == passed
    assert set(RACED) & passed, "neither int8 nor bf16 is exact on this device"
    assert offered[0] in RACED


# Traces


@pytest.mark.parametrize("seed", range(10))
def test_random_programs_have_the_cpus_trace(seed: int) -> None:
    program, weights, inputs = random_program(seed)
    expected = Runtime(program, weights).run(inputs).trace.root
    assert Runtime(program, weights, device="cuda").run(inputs).trace.root == expected


@pytest.mark.parametrize("name", MODELS)
def test_transformers_have_the_cpus_trace_on_every_backend(name: str) -> None:
    model = compiled(name)
    inputs = model.quantise(*sample(name, 7))
    expected = Runtime(model.program, model.weights).run(inputs).trace.root
    for backend in select(device="cuda").backends:
        run = Runtime(model.program, model.weights, backend=backend.name, device="cuda").run(inputs)
        assert run.trace.root == expected, backend.name


@cache
def example(name: str) -> tuple[CompiledModel, list[Sequence[Array]]]:
    """An example at one length, calibrated on few inputs, with held-out inputs for it."""
    if name == "minilm":
        subject = catalogue.minilm(LENGTH)
        key = f"minilm-{LENGTH}"
        calibration = list(subject.held_out[key][:40])
    else:
        subject = getattr(catalogue, name)()
        key = name
        calibration = list(subject.calibration[key][:40])
    model = compile_shapes(subject.module, {key: subject.examples[key]}, {key: calibration})[key]
    return model, [model.quantise(*inputs) for inputs in subject.held_out[key][40:45]]


def assert_same(got: Run, expected: Run) -> None:
    assert got.trace.root == expected.trace.root
    for mine, other in zip(got.outputs, expected.outputs, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_have_the_cpus_trace_alone_and_in_a_batch(name: str) -> None:
    model, queries = example(name)
    expected = Runtime(model.program, model.weights).run_batch(queries)
    device = Runtime(model.program, model.weights, device="cuda")
    assert_same(device.run(queries[0]), expected[0])
    for got, wanted in zip(device.run_batch(queries), expected, strict=True):
        assert_same(got, wanted)


def test_a_layer_is_computed_again_there_for_a_dispute() -> None:
    model, queries = example("digits")
    on_cpu = Runtime(model.program, model.weights).run(queries[0])
    there = Runtime(model.program, model.weights, device="cuda").run(queries[0])
    for layer in range(len(model.program.layers)):
        for got, wanted in zip(there.results(layer), on_cpu.results(layer), strict=True):
            np.testing.assert_array_equal(got, wanted)


# Memory


def test_a_wide_block_takes_no_more_memory_than_in_float32_and_has_the_cpus_root() -> None:
    found = cuda.measure("cuda", WIDE_LLAMA, repetitions=3)
    assert cuda.same_roots(found)
    assert found["exact"]["chosen"]["peak_mib"] <= found["float"]["float32"]["peak_mib"]
