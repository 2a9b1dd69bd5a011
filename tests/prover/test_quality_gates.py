"""The quality gates, on the real examples with their shipped or published weights, on inputs they have not seen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from prover import quality
from prover.compiler import CompiledModel
from prover.examples import catalogue, minilm
from prover.program import TensorRoot
from prover.publication import Inputs, Subject, compile_subject
from prover.quality import Quality
from prover.quantisation import Reals
from prover.runtime import Runtime


def judged(subject: Subject) -> Quality:
    """The quality of a subject's only model on its held-out inputs."""
    ((name, model),) = compile_subject(subject).items()
    floats, integers = outputs(model, Runtime(model.program, model.weights), subject.held_out[name])
    return subject.judge[name](floats, integers)


def outputs(model: CompiledModel, runtime: Runtime, inputs: Sequence[Inputs]) -> tuple[list[Reals], list[Reals]]:
    floats, integers = [], []
    with torch.no_grad():
        for sample in inputs:
            floats.append(model.graph.evaluate(sample)[model.graph.outputs[0]].numpy())
            integers.append(model.dequantise(runtime.run(model.quantise(*sample)).outputs)[0])
    return floats, integers


@pytest.mark.parametrize("name", ["llama", "gpt2", "resnet18", "vit"])
def test_trained_models_pass_their_gates(name: str) -> None:
    found = judged(getattr(catalogue, name)())
    assert found.passes, found


def test_minilm_passes_its_gates_on_texts_of_every_length() -> None:
    """The five lengths are compiled together; each text goes through the shortest that holds it."""
    subject = catalogue.minilm()
    models = compile_subject(subject)
    runtimes = {name: Runtime(model.program, model.weights) for name, model in models.items()}
    shared = set.intersection(*(weights_of(model) for model in models.values()))
    assert all(len(weights_of(model) - shared) <= 6 for model in models.values()), "lengths share their weights"
    floats: list[Reals] = []
    integers: list[Reals] = []
    for text in minilm.held_out_texts():
        tokens = minilm.tokenise(text, truncate=True)
        name = f"minilm-{tokens[0].shape[1]}"
        real, integer = outputs(models[name], runtimes[name], [tokens])
        floats, integers = floats + real, integers + integer
    assert len(floats) >= 300
    found = quality.embedding(floats, integers)
    assert found.passes, found


def weights_of(model: CompiledModel) -> set[TensorRoot]:
    return set(model.program.weight_roots())
