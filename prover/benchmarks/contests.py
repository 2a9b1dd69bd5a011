"""What is raced against float: torch modules, compiled as any user would, with batches of inputs for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from prover.compiler import CompiledModel
from prover.compiler.compiled import compile_shapes
from prover.model_folder import Model

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Contest:
    """A float module and its integer model.

    Args:
        name: of the model, and of what has to be compiled but once.
        module: makes the float32 module, in eval mode.
        samples: count to that many inputs of the module, each a batch of one.
        few: calibration samples; neither speed nor memory depends on them.
    """

    name: str
    module: Callable[[], torch.nn.Module]
    samples: Callable[[int], Sequence[Tensors]]
    few: int

    def compile(self, module: torch.nn.Module) -> CompiledModel:
        """The integer model of what `module` made."""
        few = self.samples(self.few)
        return compile_shapes(module, {self.name: few[0]}, {self.name: few})[self.name]

    @staticmethod
    def published(made: CompiledModel) -> Model:
        """What is written to a folder, so that a fresh process can load it; not measured, so not to be served."""
        return Model(made.program, made.weights, made.describe())


def together(samples: Sequence[Tensors]) -> Tensors:
    """One batch of several samples."""
    return tuple(torch.cat(column) for column in zip(*samples, strict=True))


def _sentences(count: int) -> list[Tensors]:
    from prover.examples import minilm

    texts = minilm.calibration_texts()
    return [minilm.tokenise(text, truncate=True, length=128) for text in texts[:count]]


def _sentence_encoder() -> torch.nn.Module:
    from prover.examples import minilm

    return minilm.encoder()


def _hidden_states(count: int) -> list[Tensors]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(1, 128, 2048, generator=generator),) for _ in range(count)]


def _llama_block() -> torch.nn.Module:
    from prover.examples import language

    return language.llama_block()


MINILM = Contest("minilm-128", _sentence_encoder, _sentences, few=60)
"""all-MiniLM-L6-v2 with its weights, 128 tokens."""
LLAMA_BLOCK = Contest("llama-block-2048", _llama_block, _hidden_states, few=8)
"""One block of width 2,048 with random weights, 128 tokens."""

CONTESTS = {contest.name: contest for contest in (MINILM, LLAMA_BLOCK)}
