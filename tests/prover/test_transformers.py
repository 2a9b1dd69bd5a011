"""Transformers as integer programs: close to float, the same on every route, and every operator of them disputable."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from prover.compiler import CompiledModel, compile, plan
from prover.errors import InvalidInput, UnsupportedModule
from prover.game.adversaries import Fault, LyingDefender
from prover.game.players import Challenger
from prover.game.position import Side
from prover.game.simulator import initial_position, play
from prover.interpreter import Interpretation
from prover.operators import row_of
from prover.runtime import Run, Runtime
from tests.prover.test_runtime import Faulty
from tests.prover.transformers_models import MODELS, compiled, module, sample

ROUNDING = 0.02
"""Byte weights of rows as short as these cost this much at most; wider ones cost far less (see the quality gates)."""


@pytest.mark.parametrize("name", MODELS)
def test_the_integers_follow_the_floats(name: str) -> None:
    model = compiled(name)
    runtime = Runtime(model.program, model.weights)
    for seed in range(100, 105):
        inputs = sample(name, seed)
        with torch.no_grad():
            real = module(name)(*inputs).numpy()
        found = model.dequantise(runtime.run(model.quantise(*inputs)).outputs)[0]
        assert np.linalg.norm(found - real) < ROUNDING * np.linalg.norm(real)


@cache
def interpreted(name: str) -> Interpretation:
    model = compiled(name)
    return Interpretation(model.program, model.weights, tuple(model.quantise(*sample(name, 7))))


@pytest.mark.parametrize("name", MODELS)
def test_the_runtime_has_the_interpreters_trace(name: str) -> None:
    model = compiled(name)
    inputs = model.quantise(*sample(name, 7))
    for backend in (None, "float64"):
        run = Runtime(model.program, model.weights, backend=backend).run(inputs)
        assert run.trace.root == interpreted(name).trace.root


SHARE = 0.9
"""Of the operator instances, at least these are disputed; the change of others is lost in masks and roundings."""
TRIES = 8
"""Wrong elements of an operator tried until one reaches a checkpoint: a mask, or a rounding, may hide some."""


def liar(model: CompiledModel, rng: random.Random, layer: int, operator: int, honest: Run) -> Run | None:
    """A run with one wrong element of an operator, and another trace for it; None if every try leaves it the same."""
    numel = model.program.operator(layer, operator).numel
    for _ in range(TRIES):
        fault = Fault(layer, operator, rng.randrange(numel), rng.choice([1 << 6, -(1 << 6), 1 << 20]))
        wrong = Faulty(model.program, model.weights, fault).run(honest.inputs)
        if wrong.trace.root != honest.trace.root:
            return wrong
    return None


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_element_of_any_operator_is_refuted(name: str) -> None:
    """One game for every operator instance whose change reaches a checkpoint."""
    model, rng = compiled(name), random.Random(name)
    program = model.program
    honest = Runtime(program, model.weights).run(model.quantise(*sample(name, 7)))
    disputed = set()
    for number, layer in enumerate(program.layers):
        for index, operator in enumerate(layer.operators):
            wrong = liar(model, rng, number, index, honest)
            if wrong is None:
                continue
            position = initial_position(program, wrong.trace.root, honest.inputs)
            outcome = play(position, LyingDefender(wrong), Challenger(honest))
            assert outcome.winner is Side.CHALLENGER, (row_of(operator).name, outcome.ending)
            disputed.add((number, index))
    operators = {
        (n, i): row_of(o).name for n, layer in enumerate(program.layers) for i, o in enumerate(layer.operators)
    }
    assert len(disputed) >= SHARE * len(operators)
    assert {"dot", "mul", "table", "rsqrt", "recip"} <= {operators[at] for at in disputed}


# What is particular to transformers


def test_padding_changes_nothing() -> None:
    """Ids behind the mask do not reach the embedding, not even by a bit."""
    model = compiled("bert")
    runtime = Runtime(model.program, model.weights)
    ids, mask = sample("bert", 1)
    other = torch.where(mask.bool(), ids, (ids + 11) % 40)
    runs = [runtime.run(model.quantise(i, mask)) for i in (ids, other)]
    assert np.array_equal(runs[0].outputs[0], runs[1].outputs[0])


def test_later_tokens_do_not_reach_earlier_logits() -> None:
    for name in ("llama", "gpt2"):
        model = compiled(name)
        runtime = Runtime(model.program, model.weights)
        (ids,) = sample(name, 2)
        changed = ids.clone()
        changed[0, 5] = (ids[0, 5] + 1) % 40
        first, second = (runtime.run(model.quantise(i)).outputs[0] for i in (ids, changed))
        assert np.array_equal(first[:, :5], second[:, :5])
        assert not np.array_equal(first[:, 5:], second[:, 5:])


def test_a_causal_mask_is_a_band_of_twice_the_length() -> None:
    sizes = {weight.size for weight in compiled("llama").weights.values()}
    assert 2 * 8 - 1 in sizes


@pytest.mark.parametrize("wrong", [40, -1])
def test_token_ids_outside_the_table_are_refused(wrong: int) -> None:
    ids, mask = sample("bert", 1)
    ids = ids.clone()
    ids[0, 3] = wrong
    with pytest.raises(
        InvalidInput, match=f"element 3 of an input is {wrong}; the model takes whole numbers from 0 to 39"
    ):
        compiled("bert").quantise(ids, mask)


# Outliers, as large language models have them


class Planted(nn.Module):
    """A gated block between norms, one channel or one token of which is many times larger than the rest."""

    def __init__(self, channel: float = 1.0, token: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.gate, self.up, self.down = (
            nn.LayerNorm(64),
            nn.Linear(64, 128),
            nn.Linear(64, 128),
            nn.Linear(128, 64),
        )
        self.last = nn.LayerNorm(64)
        self.boost = nn.Parameter(torch.ones(1, 32, 1))
        with torch.no_grad():
            self.norm.weight[9] = channel
            for layer in (self.gate, self.up):
                layer.weight[:, 9] /= channel
            self.boost[0, 5] = token

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x)
        result: torch.Tensor = self.last(self.down(nn.functional.silu(self.gate(y)) * self.up(y) * self.boost))
        return result


def planted_error(model: Planted) -> float:
    """Of all tokens but the planted one, relative to float."""
    generator = torch.Generator().manual_seed(1)
    samples = [(torch.randn(1, 32, 64, generator=generator),) for _ in range(24)]
    made = compile(model.eval(), samples[0], samples[:20])
    runtime = Runtime(made.program, made.weights)
    errors = []
    for (x,) in samples[20:]:
        with torch.no_grad():
            real = np.delete(model(x).numpy(), 5, axis=1)
        found = np.delete(made.dequantise(runtime.run(made.quantise(x)).outputs)[0], 5, axis=1)
        errors.append(np.linalg.norm(found - real) / np.linalg.norm(real))
    return float(np.mean(errors))


def test_smoothing_takes_up_an_outlier_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = planted_error(Planted())
    assert planted_error(Planted(channel=100)) < 1.3 * usual
    monkeypatch.setattr(plan, "smoothing_factors", lambda inputs, weights, exponent: np.ones(len(inputs)))
    assert planted_error(Planted(channel=100)) > 2 * usual


def test_scales_by_row_take_up_an_outlier_token(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = planted_error(Planted())
    assert planted_error(Planted(token=300)) < 1.3 * usual
    monkeypatch.setattr(plan, "UNEVEN_ROWS", float("inf"))
    assert planted_error(Planted(token=300)) > 2 * usual


# What cannot be compiled


class Widest(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, 0)


def test_a_softmax_over_another_axis_is_refused() -> None:
    x = torch.randn(4, 6)
    with pytest.raises(UnsupportedModule, match=r"aten\._softmax at the module: .*; apply softmax to the last axis"):
        compile(Widest().eval(), (x,), [(x,)])
