"""On a CUDA device: the same traces as on the CPU, by every backend that passes its self-test there."""

from __future__ import annotations

import pytest
import torch

from prover.kernels.matmul import BACKENDS
from prover.kernels.selection import select
from prover.kernels.worst_cases import why_inexact
from prover.runtime import Runtime
from tests.prover.transformers_models import MODELS, compiled, sample
from tests.strategies import random_program

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")

CUDA = torch.device("cuda")


def test_at_least_one_backend_is_exact_there() -> None:
    passed = [backend.name for backend in BACKENDS if why_inexact(backend, CUDA) is None]
    assert [backend.name for backend in select(device="cuda").backends] == passed


@pytest.mark.parametrize("seed", range(10))
def test_random_programs_have_the_cpus_trace(seed: int) -> None:
    program, weights, inputs = random_program(seed)
    expected = Runtime(program, weights).run(inputs).trace.root
    assert Runtime(program, weights, device="cuda").run(inputs).trace.root == expected


@pytest.mark.parametrize("name", MODELS)
def test_transformers_have_the_cpus_trace(name: str) -> None:
    model = compiled(name)
    inputs = model.quantise(*sample(name, 7))
    expected = Runtime(model.program, model.weights).run(inputs).trace.root
    for backend in select(device="cuda").backends:
        run = Runtime(model.program, model.weights, backend=backend.name, device="cuda").run(inputs)
        assert run.trace.root == expected
