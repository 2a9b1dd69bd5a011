"""Batches: each query has the outputs and the trace that it has alone, in any position, fused or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prover.benchmarks import bert, llama
from prover.errors import InvalidInput
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
    Operand,
    Operator,
    OutputSpec,
    Program,
    TensorRoot,
    TensorSpec,
    View,
    WeightRef,
)
from prover.runtime import Runtime
from prover.trace import NUMPY_DTYPES, Array, array_root
from tests.strategies import Sample, programs, random_program

SMALL_BERT = bert.BertShape(tokens=20, width=48, heads=3, inner=80, blocks=2, table=4096)
SMALL_LLAMA = llama.LlamaShape(tokens=12, width=64, heads=4, kv_heads=2, inner=96)


def queries_for(program: Program, count: int, rng: np.random.Generator) -> list[list[Array]]:
    """Random inputs over the whole dtype, now and then all of one extreme."""

    def one(dtype: np.dtype, shape: Sequence[int]) -> Array:
        ends = np.iinfo(dtype)
        if rng.random() < 0.2:
            return np.full(shape, rng.choice([ends.min, ends.max, 0]), dtype)
        return rng.integers(ends.min, ends.max, shape, endpoint=True, dtype=dtype)

    return [[one(NUMPY_DTYPES[spec.dtype], spec.shape) for spec in program.inputs] for _ in range(count)]


def assert_same_as_alone(sample: tuple[Program, dict[TensorRoot, Array]], count: int, seed: int, fused: bool) -> None:
    program, weights = sample
    together, alone = Runtime(program, weights, fused=fused), Runtime(program, weights, fused=False)
    queries = queries_for(program, count, np.random.default_rng(seed))
    runs = together.run_batch(queries)
    assert len(runs) == count
    for query, run in zip(queries, runs, strict=True):
        own = alone.run(query)
        assert run.trace.root == own.trace.root
        for got, expected in zip(run.outputs, own.outputs, strict=True):
            np.testing.assert_array_equal(got, expected)
        for got, given_input in zip(run.inputs, query, strict=True):
            np.testing.assert_array_equal(got, given_input)


@given(sample=programs(), count=st.integers(2, 5), fused=st.booleans())
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_random_programs(sample: Sample, count: int, fused: bool) -> None:
    assert_same_as_alone(sample[:2], count, count, fused)


def reduced_to_one(shift: Operand) -> tuple[Program, dict[TensorRoot, Array]]:
    """A dot whose only axis is reduced: its scale, a weight, and its shift run along no axis, but are no tables."""
    scale = np.array([5, 3], np.int32)
    weights = {array_root(scale): scale}
    vector = View(InputRef(0), DType.I16, 6, 0, (1,))
    one = View(WeightRef(array_root(scale)), DType.I32, scale.size, 1, ())
    dot = Operator(Opcode.DOT, 0, DType.I32, (6,), (vector, vector, one, shift), -(1 << 31), (1 << 31) - 1, 1, 8)
    output = OutputSpec(CheckpointRef(0, 0, 1), DType.I32, ())
    return Program((TensorSpec(DType.I16, (6,)),), (Layer((dot,), (0,)),), (output,)), weights


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("shift", [Immediate(7), View(InputRef(0), DType.I16, 6, 2, ())])
def test_a_scale_that_runs_along_no_axis(count: int, fused: bool, shift: Operand) -> None:
    """The shift is the same for every query, or an element of each query's input."""
    assert_same_as_alone(reduced_to_one(shift), count, count, fused)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 32])
@pytest.mark.parametrize("fused", [True, False])
def test_a_bert_encoder(count: int, fused: bool) -> None:
    assert_same_as_alone(bert.encoder(SMALL_BERT), count, count, fused)


@pytest.mark.parametrize("count", [2, 7])
def test_a_llama_block(count: int) -> None:
    assert_same_as_alone(llama.block(SMALL_LLAMA), count, count, True)


def test_a_query_does_not_depend_on_its_position_or_its_neighbours() -> None:
    program, weights = bert.encoder(SMALL_BERT)
    runtime = Runtime(program, weights, fused=True)
    rng = np.random.default_rng(5)
    queries = queries_for(program, 9, rng)
    roots = [run.trace.root for run in runtime.run_batch(queries)]
    for size in (2, 5, 9):
        order = [int(i) for i in rng.permutation(9)[:size]]
        assert [run.trace.root for run in runtime.run_batch([queries[i] for i in order])] == [roots[i] for i in order]


def test_an_empty_batch_is_no_runs() -> None:
    program, weights, _ = random_program(2)
    assert Runtime(program, weights).run_batch([]) == []


def test_one_wrong_query_refuses_the_batch() -> None:
    program, weights, inputs = random_program(3)
    with pytest.raises(InvalidInput, match="of shape"):
        Runtime(program, weights).run_batch([inputs, [np.concatenate([inputs[0]] * 2), *inputs[1:]]])
