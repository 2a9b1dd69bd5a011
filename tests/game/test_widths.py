"""The referee at any width: operators of large models, disputed on a chain down trees of their full depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from deploy.gas import decoder, wide
from deploy.gas.decoder import GPT3, Decoder
from deploy.gas.wide import WINDOW, Shelf, Weights, checkpoint, complete, dot, largest, result
from deploy.gas.windows import Lie, honest_and_liar
from deploy.lies import FaultyRuntime
from prover import validity
from prover.benchmarks.writing import I8
from prover.game.adversaries import Fault, LyingDefender
from prover.game.players import Challenger
from prover.game.position import Phase, Side
from prover.program import Layer, Program
from prover.runtime import Runtime
from prover.trace import Execution
from tests.game.arena import Arena, Walked

MOST_GAS, MOST_BYTES = 2_000_000, 16_384
SMALL = Decoder(width=256, heads=4, hidden=1_024, positions=16, blocks=3)


@dataclass(frozen=True)
class Widths:
    """A whole decoder, the one block and window of it that is run, and the weights of both."""

    whole: Program
    small: Program
    weights: Weights


def widths(decoder: Decoder) -> Widths:
    shelf = Shelf()
    small = replace(decoder, positions=WINDOW, blocks=1)
    return Widths(decoder.program(shelf), small.program(shelf), shelf.weights)


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena()


@pytest.fixture(scope="module")
def gpt3() -> Widths:
    """GPT-3's width over 1,024 positions and 96 blocks."""
    return widths(GPT3)


def dispute(arena: Arena, honest: Execution, liar: Execution) -> Walked:
    """Play to the end; the challenger wins by the step, no move is too large."""
    program = liar.program
    walked = arena.play(arena.claim(liar), program, LyingDefender(liar), Challenger(honest))
    assert (walked.winner, walked.ending) == (Side.CHALLENGER, "step")
    assert max(walked.gas) <= MOST_GAS
    assert walked.largest <= MOST_BYTES
    return walked


def test_a_linear_layer_of_53248_terms(arena: Arena) -> None:
    """Llama 3.1 405B's down projection, over 1,024 positions."""
    shelf = Shelf()
    whole, small = (wide.linear(shelf, 53_248, 16_384, positions) for positions in (1_024, WINDOW))
    lie = Lie(Fault(1, 0, 16_384 + 5), 0, 200)
    walked = dispute(arena, *honest_and_liar(whole, small, shelf.weights, lie))
    assert walked.phases.count(Phase.TERMS_OPEN) == 1


@pytest.mark.parametrize(
    ("layer", "operator"),
    [(1, decoder.PROJECTION), (2, decoder.DOWN)],
    ids=["attention projection", "feed-forward product"],
)
def test_a_block_of_gpt3_in_a_program_of_96_over_1024_positions(
    arena: Arena, gpt3: Widths, layer: int, operator: int
) -> None:
    lie = Lie(Fault(layer, operator, 2 * GPT3.width + 7_001), block=61, window=77)
    walked = dispute(arena, *honest_and_liar(gpt3.whole, gpt3.small, gpt3.weights, lie))
    assert walked.phases.count(Phase.TRACE_OPEN) == 2, "194 layers"
    assert walked.phases.count(Phase.TENSOR_OPEN) == 3, "24 MiB of activations"
    assert walked.phases.count(Phase.TERMS_OPEN) == 1


def test_the_program_of_gpt3_is_valid(gpt3: Widths) -> None:
    """Every rule, on the block that is run; on the whole, those that depend on its size."""
    roots = gpt3.small.weight_roots()
    validity.check(gpt3.small, {root: gpt3.weights[root] for root in roots})
    for number, layer in enumerate(gpt3.whole.layers):
        for index, operator in enumerate(layer.operators):
            validity.check_operator(operator, number, index)
            nbytes, gas = validity.dearest_move(gpt3.whole, number, operator)
            assert nbytes <= validity.MAX_MOVE_BYTES
            assert gas <= validity.MAX_MOVE_GAS


@pytest.mark.parametrize("lie", [Lie(Fault(1, decoder.PROJECTION, 300), 1, 2), Lie(Fault(2, decoder.DOWN, 5), 0, 3)])
def test_copies_of_a_window_are_what_a_run_of_the_whole_gives(lie: Lie) -> None:
    """The executions that the large disputes are played with, against runs of all positions and blocks."""
    held = widths(SMALL)
    numel = held.small.operator(lie.fault.layer, lie.fault.operator).numel
    layer = SMALL.attention_layer(lie.block) + lie.fault.layer - 1
    fault = replace(lie.fault, layer=layer, element=lie.window * numel + lie.fault.element)
    honest, liar = honest_and_liar(held.whole, held.small, held.weights, lie)
    runs = Runtime(held.whole, held.weights), FaultyRuntime(held.whole, held.weights, fault)
    for copied, run in zip((honest, liar), (runtime.run(honest.inputs) for runtime in runs), strict=True):
        assert copied.trace.root == run.trace.root
        assert copied.outputs[0].tolist() == run.outputs[0].tolist()
        for number in range(len(held.whole.layers)):
            for mine, theirs in zip(copied.results(number), run.results(number), strict=True):
                np.testing.assert_array_equal(mine, theirs)
    assert honest.trace.root != liar.trace.root


def test_a_weight_that_lies_across_the_terms(arena: Arena) -> None:
    """49,152 terms, each in a chunk of its own: the walk goes down to a single one."""
    terms, width = 49_152, 1_024
    shelf = Shelf()
    given = checkpoint(0, (WINDOW, terms), (terms, 0, 1))
    matrix = shelf.random(5, terms * width, I8, (0, 1, width))
    product = Layer((dot(given, matrix, (WINDOW, width, terms), shift=26),), (0,))
    program = complete(WINDOW, [shelf.embedding(WINDOW, terms), product, largest(1, (WINDOW, width))])
    walked = dispute(arena, *both(program, shelf.weights, Fault(1, 0, width + 77)))
    assert walked.phases.count(Phase.TERMS_OPEN) == 3


def test_attention_values_over_256_positions(arena: Arena) -> None:
    """Shares of 256 positions by their values, of which each position's are in other chunks."""
    positions, width = 256, 1_024
    shelf = Shelf()
    rows = checkpoint(0, (positions, width), (width, 0, 1))
    scores = dot(rows, checkpoint(0, (positions, width), (0, width, 1)), (positions, positions, width), shift=24)
    shares = result(0, (positions, positions), (positions, 0, 1))
    values = checkpoint(0, (positions, width), (0, 1, width))
    attended = dot(shares, values, (positions, width, positions), shift=14)
    layers = shelf.embedding(positions, width), Layer((scores, attended), (1,)), largest(1, (positions, width))
    program = complete(positions, layers)
    walked = dispute(arena, *both(program, shelf.weights, Fault(1, 1, 100 * width + 9)))
    assert walked.phases.count(Phase.TERMS_OPEN) == 2


def both(program: Program, weights: Weights, fault: Fault) -> tuple[Execution, Execution]:
    """An honest and a faulty run of a valid program."""
    validity.check(program, weights)
    (spec,) = program.inputs
    ids = [np.arange(spec.shape[0], dtype="<i1") % np.int8(WINDOW)]
    return Runtime(program, weights).run(ids), FaultyRuntime(program, weights, fault).run(ids)
