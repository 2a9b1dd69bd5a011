"""The quality gates, on the real examples with their shipped or published weights, on inputs they have not seen."""

from __future__ import annotations

import pytest

from prover import quality
from prover.benchmarks.fidelity import judged, sentences
from prover.compiler import CompiledModel
from prover.examples import catalogue
from prover.program import TensorRoot
from prover.publication import compile_subject


@pytest.mark.parametrize("name", ["llama", "gpt2", "resnet18", "vit"])
def test_trained_models_pass_their_gates(name: str) -> None:
    found = judged(getattr(catalogue, name)())
    assert found.passes, found


def test_minilm_passes_its_gates_on_texts_of_every_length() -> None:
    """The five lengths are compiled together; each text goes through the shortest that holds it."""
    models = compile_subject(catalogue.minilm())
    shared = set.intersection(*(weights_of(model) for model in models.values()))
    assert all(len(weights_of(model) - shared) <= 6 for model in models.values()), "lengths share their weights"
    found = sentences(models)
    assert len(found.floats) >= 300
    judgement = quality.embedding(found.floats, found.integers)
    assert judgement.passes, judgement


def weights_of(model: CompiledModel) -> set[TensorRoot]:
    return set(model.program.weight_roots())
