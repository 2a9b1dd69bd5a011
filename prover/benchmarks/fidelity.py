"""How faithful the example models are to float, on inputs that calibration has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from prover import quality
from prover.compiler import CompiledModel
from prover.examples import catalogue, minilm
from prover.publication import Inputs, Subject, compile_subject
from prover.quality import Quality
from prover.quantisation import Reals
from prover.runtime import Runtime


@dataclass(frozen=True)
class Outputs:
    """The first outputs of both models, one per input."""

    floats: list[Reals]
    integers: list[Reals]


def outputs(model: CompiledModel, runtime: Runtime, inputs: Sequence[Inputs]) -> Outputs:
    """Run the float graph and the integer program on each input."""
    found = Outputs([], [])
    with torch.no_grad():
        for sample in inputs:
            found.floats.append(model.graph.evaluate(sample)[model.graph.outputs[0]].numpy())
            found.integers.append(model.dequantise(runtime.run(model.quantise(*sample)).outputs)[0])
    return found


def judged(subject: Subject) -> Quality:
    """The quality of a subject's only model on its held-out inputs."""
    ((name, model),) = compile_subject(subject).items()
    found = outputs(model, Runtime(model.program, model.weights), subject.held_out[name])
    return subject.judge[name](found.floats, found.integers)


def sentences(models: dict[str, CompiledModel]) -> Outputs:
    """all-MiniLM-L6-v2 over every held-out text, each by the model of the shortest length that holds it."""
    runtimes = {name: Runtime(model.program, model.weights) for name, model in models.items()}
    found = Outputs([], [])
    for text in minilm.held_out_texts():
        tokens = minilm.tokenise(text, truncate=True)
        name = f"minilm-{tokens[0].shape[1]}"
        one = outputs(models[name], runtimes[name], [tokens])
        found.floats.extend(one.floats)
        found.integers.extend(one.integers)
    return found


def embedded() -> Quality:
    """The quality of all-MiniLM-L6-v2 at all its lengths together."""
    found = sentences(compile_subject(catalogue.minilm()))
    return quality.embedding(found.floats, found.integers)


FIDELITY: dict[str, Callable[[], Quality]] = {
    "minilm": embedded,
    "llama": lambda: judged(catalogue.llama()),
    "gpt2": lambda: judged(catalogue.gpt2()),
    "resnet18": lambda: judged(catalogue.resnet18()),
    "vit": lambda: judged(catalogue.vit()),
}
