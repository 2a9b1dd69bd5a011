"""Layers: blocks, joined where hashing what they hand on would take too much of a run; keys and values are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from prover.compiler import CompiledModel, compile, lower
from prover.compiler.layers import joinable
from prover.operators import TABLE, row_of
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
    Operator,
    OutputSpec,
    Program,
    ResultRef,
    TensorRef,
    TensorSpec,
    View,
    WeightRef,
)
from prover.runtime import Runtime
from tests.prover.transformers_models import compiled, sample

I16 = DType.I16


def chain(counts: Sequence[int], tokens: int, width: int, terms: int = 0) -> Program:
    """Layers of so many operators over [tokens, width], i16; the first of each sums `terms` products per element."""
    shape, numel = (tokens, width), tokens * width
    layers: list[Layer] = []
    for number, count in enumerate(counts):
        source: TensorRef = CheckpointRef(number - 1, 0, 1) if number else InputRef(0)
        operators: list[Operator] = []
        for index in range(count):
            a = View(ResultRef(index - 1) if index else source, I16, numel, 0, (width, 1))
            row = TABLE["mul"]
            operands = (a, Immediate(1), Immediate(1), Immediate(0))
            made = Operator(row.opcode, row.variant, I16, shape, operands, I16.lo, I16.hi, 0, 0, 0, 0)
            if index == 0 and terms:
                row = TABLE["dot"]
                weight = View(WeightRef(bytes(32)), DType.I8, width * terms, 0, (0, terms, 1))  # type: ignore[arg-type]
                rows = View(a.source, I16, numel, 0, (width, 0, 0))
                operands = (rows, weight, Immediate(1), Immediate(0))
                made = Operator(row.opcode, row.variant, I16, (*shape, terms), operands, I16.lo, I16.hi, 1, 0, 0, 0)
            operators.append(made)
        layers.append(Layer(tuple(operators), (count - 1,)))
    output = OutputSpec(CheckpointRef(len(counts) - 1, 0, 1), I16, shape)
    return Program((TensorSpec(I16, shape),), tuple(layers), (output,))


MINILM = (38, 27, 27, 27, 27, 35)
"""Operators of the six blocks of all-MiniLM-L6-v2."""


@pytest.mark.parametrize(
    ("tokens", "width", "terms", "expected"),
    [
        (128, 384, 0, {2, 4}),  # 64 operators hold two blocks, but for the first and the last
        (128, 384, 1_000, {2, 4}),  # 98,304 bytes and 49 million multiply-adds
        (128, 384, 9_000, set()),  # as many bytes and 442 million
        (64, 384, 0, set()),  # 49,152 bytes
    ],
)
def test_blocks_are_joined_where_they_hand_on_much_for_their_work(
    tokens: int, width: int, terms: int, expected: set[int]
) -> None:
    assert joinable(chain(MINILM, tokens, width, terms), range(6)) == expected


def test_as_many_are_joined_as_a_layer_holds() -> None:
    assert joinable(chain((16,) * 9, 128, 384), range(9)) == {1, 2, 3, 5, 6, 7}
    assert joinable(chain((33,) * 3, 128, 384), range(3)) == set()
    assert joinable(chain((64, 64), 128, 384), range(2)) == set()


def test_a_block_of_several_layers_is_left_alone() -> None:
    assert joinable(chain((5, 64, 3, 5), 128, 384), (0, 1, 3)) == set()


class Mixer(nn.Module):
    """Three blocks on many rows of few numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.GELU()) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


def mixer(rows: int) -> CompiledModel:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Mixer().eval()
    samples = [(torch.randn(rows, 16, generator=generator),) for _ in range(4)]
    return compile(module, samples[0], samples, name="mixer")


def test_a_model_of_joined_layers_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    joined = mixer(2048)
    assert joined.program.names == ("blocks.0 + blocks.1 + blocks.2",)
    monkeypatch.setattr(lower, "joinable", lambda program, starts: frozenset())
    apart = mixer(2048)
    assert apart.program.names == ("blocks.0", "blocks.1", "blocks.2")
    inputs = joined.quantise(torch.randn(2048, 16, generator=torch.Generator().manual_seed(1)))
    runs = [Runtime(model.program, model.weights).run(inputs) for model in (joined, apart)]
    np.testing.assert_array_equal(runs[0].outputs[0], runs[1].outputs[0])
    assert [len(layer) for layer in runs[0].trace.roots] == [1]
    assert runs[0].trace.roots[0] == runs[1].trace.roots[-1]


def test_a_small_one_keeps_its_blocks_apart() -> None:
    assert mixer(64).program.names == ("blocks.0", "blocks.1", "blocks.2")


# Keys and values


def checkpoints(model: CompiledModel, layer: int) -> list[tuple[int, str]]:
    """(number of operator, its name) of what a layer commits."""
    held = model.program.layers[layer]
    return [(output, row_of(held.operators[output]).name) for output in held.outputs]


def read_by_attention(model: CompiledModel, layer: int) -> set[int]:
    """Operators of a layer whose results a product of two different activations takes as its second factor."""
    found = set()
    for operator in model.program.layers[layer].operators:
        if operator.opcode is Opcode.DOT and operator.terms > 2:  # rotary pairs have two
            sources = [x.source for x in operator.operands[:2] if isinstance(x, View)]
            if len(set(sources)) == 2 and all(isinstance(source, ResultRef) for source in sources):
                found.add(sources[1].operator)  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_keys_and_values_of_causal_attention_are_checkpoints_of_their_layer(name: str) -> None:
    model = compiled(name)
    for layer in (0, 1):
        kept = {output for output, _ in checkpoints(model, layer)}
        factors = read_by_attention(model, layer)
        assert factors
        assert factors < kept
    run = Runtime(model.program, model.weights).run(model.quantise(*sample(name, 7)))
    assert all(len(roots) >= 2 for roots in run.trace.roots[:2])


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_those_of_other_attention_are_not(name: str) -> None:
    model = compiled(name)
    for layer in range(len(model.program.layers)):
        assert not read_by_attention(model, layer) & {output for output, _ in checkpoints(model, layer)}
