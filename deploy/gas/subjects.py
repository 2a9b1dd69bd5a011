"""What is measured: the models, and for each dispute the honest run and the liar's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from deploy import lies
from deploy.acts import sentences
from deploy.gas import decoder, wide
from deploy.gas.decoder import GPT3
from deploy.gas.wide import WINDOW, Shelf
from deploy.gas.windows import Lie, honest_and_liar
from prover.examples.digits_model import compile_digits
from prover.game.adversaries import Fault
from prover.model_folder import Model
from prover.program import Program
from prover.publication import publishable
from prover.runtime import Runtime
from prover.text_input import tokenised
from prover.trace import Execution

POSITIONS = 1_024
LINEAR = {768: 768, 4_096: 4_096, 12_288: 12_288, 53_248: 16_384}
"""Terms to columns of the linear layers that are measured: of GPT-2, Llama 7B, GPT-3 and Llama 3.1 405B."""
QUICK_LINEAR = (768, 4_096)

Pair = tuple[Execution, Execution]
"""An honest execution and the liar's."""


@cache
def _digits() -> tuple[Model, Execution]:
    compiled = compile_digits()
    return compiled.model, Runtime(compiled.model.program, compiled.model.weights).run(compiled.images[:1])


def digits(lie: Callable[..., Execution]) -> Pair:
    """The demo's network, trained here with a fixed seed, on its first held-out image."""
    model, honest = _digits()
    return honest, lie(model, honest.inputs)


@cache
def _minilm() -> Model:
    ((model, _),) = publishable(sentences.subject()).values()
    return model


def minilm() -> Pair:
    """The demo's sentence, embedded by all-MiniLM-L6-v2; the liar changes a score of a middle block's attention."""
    model = _minilm()
    inputs = tokenised(model, sentences.SENTENCE)
    return Runtime(model.program, model.weights).run(inputs), lies.changed_score(model, inputs)


def linear(terms: int) -> Pair:
    """One linear layer over 1,024 positions; the liar changes an element in the middle."""
    shelf, width = Shelf(), LINEAR[terms]
    whole, small = (wide.linear(shelf, terms, width, positions) for positions in (POSITIONS, WINDOW))
    return honest_and_liar(whole, small, shelf.weights, Lie(Fault(1, 0, 2 * width + width // 3), 0, 77))


def scattered() -> Pair:
    """The dearest step, over 1,024 positions of 12,288."""
    shelf, columns = Shelf(), 4_096
    whole, small = (wide.scattered(shelf, 12_288, columns, positions) for positions in (POSITIONS, WINDOW))
    return honest_and_liar(whole, small, shelf.weights, Lie(Fault(1, 1, 2 * columns + 1_234), 0, 77))


@cache
def _gpt3() -> tuple[Program, Program, Shelf]:
    shelf = Shelf()
    return GPT3.program(shelf), replace(GPT3, positions=WINDOW, blocks=1).program(shelf), shelf


def gpt3(layer: int, operator: int) -> Pair:
    """96 blocks of GPT-3's width over 1,024 positions; the liar changes an element in block 61."""
    whole, small, shelf = _gpt3()
    lie = Lie(Fault(layer, operator, 2 * GPT3.width + 7_001), 61, 77)
    return honest_and_liar(whole, small, shelf.weights, lie)


def disputes(quick: bool) -> dict[str, Callable[[], Pair]]:
    """The disputes that are measured, by figure; the quick ones take a few seconds together."""
    measured: dict[str, Callable[[], Pair]] = {
        "dispute_digits": lambda: digits(lies.changed_activation),
        "dispute_digits_sums": lambda: digits(lies.lying_sum),
    }
    for terms in QUICK_LINEAR if quick else LINEAR:
        measured[f"step_dot_{terms}"] = lambda terms=terms: linear(terms)  # type: ignore[misc]
    measured["step_dearest"] = scattered
    if not quick:
        measured["dispute_minilm"] = minilm
        measured["dispute_gpt3_projection"] = lambda: gpt3(1, decoder.PROJECTION)
        measured["dispute_gpt3_feed_forward"] = lambda: gpt3(2, decoder.DOWN)
    return measured
