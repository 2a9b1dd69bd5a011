"""Fused transformer blocks: the expected steps, and the same bits as the interpreter and as plain torch kernels."""

from __future__ import annotations

import numpy as np
import pytest

from prover import validity
from prover.benchmarks import bert, llama
from prover.interpreter import Interpretation
from prover.kernels.fused.planning import KernelStep, ProductStep
from prover.program import Program, TensorRoot
from prover.runtime import Runtime
from prover.trace import Array

Block = tuple[Program, dict[TensorRoot, Array]]
TINY_BERT = bert.BertShape(tokens=9, width=32, heads=2, inner=40, blocks=1, table=4096)
TINY_LLAMA = llama.LlamaShape(tokens=6, width=32, heads=4, kv_heads=2, inner=48)


def kernels(block: Block) -> list[tuple[str, ...]]:
    """The operators of each fused kernel, in order."""
    steps = Runtime(*block, fused=True).execution(1).steps
    assert all(isinstance(step, KernelStep | ProductStep) for step in steps)
    names = [step.names for step in steps if isinstance(step, KernelStep)]
    return [tuple(name.split()[-1] for name in kernel) for kernel in names]


def test_a_bert_block_is_eleven_steps() -> None:
    norm = ("dot", "mul", "dot", "rsqrt", "mul", "mul")
    assert kernels(bert.encoder(bert.BertShape(tokens=32, blocks=1))) == [
        ("mul",),
        ("dot", "dot", "dot"),
        ("dot", "reduce_max", "table", "dot", "recip", "dot"),
        ("dot", "mul", *norm),
        ("dot", "table"),
        ("dot", "mul", *norm),
    ]
    steps = Runtime(*bert.encoder(bert.BertShape(tokens=32, blocks=2)), fused=True).execution(1).steps
    assert len(steps) == 2 * 11 + 1  # the second block's kernels find the digits of their input written


def test_a_llama_block_is_a_few_steps() -> None:
    found = kernels(llama.block(llama.LlamaShape(tokens=32, width=128, heads=4, kv_heads=2, inner=256)))
    assert ("dot", "reduce_max", "table", "dot", "recip", "dot") in found
    assert ("dot", "table", "dot", "mul", "reduce_absmax", "recip", "mul") in found
    assert ("dot", "mul", "mul") in found
    assert len(found) <= 10


def test_blocks_of_one_structure_share_their_kernels() -> None:
    steps = Runtime(*bert.encoder(bert.BertShape(tokens=32, blocks=4)), fused=True).execution(1).steps
    shared = {step.lowered.kernel for step in steps if isinstance(step, KernelStep)}
    assert len(shared) == 1 + 5 + 1  # the first, those of a block, and the last, which writes no digits


def extremes(program: Program, kind: str) -> list[Array]:
    rng = np.random.default_rng(3)
    inputs: list[Array] = []
    for spec in program.inputs:
        lo, hi = spec.dtype.lo, spec.dtype.hi
        values = {
            "random": rng.integers(lo, hi, spec.shape, endpoint=True),
            "lowest": np.full(spec.shape, lo),
            "highest": np.full(spec.shape, hi),
            "alternating": np.where(np.arange(np.prod(spec.shape)).reshape(spec.shape) % 2, lo, hi),
            "zero": np.zeros(spec.shape),
        }[kind]
        inputs.append(values.astype(f"<i{spec.dtype.size}"))
    return inputs


@pytest.mark.parametrize("kind", ["random", "lowest", "highest", "alternating", "zero"])
@pytest.mark.parametrize("block", [bert.encoder(TINY_BERT), llama.block(TINY_LLAMA)], ids=["bert", "llama"])
def test_blocks_have_the_interpreters_trace(block: Block, kind: str) -> None:
    program, weights = block
    validity.check(program, weights)
    inputs = extremes(program, kind)
    expected = Interpretation(program, weights, tuple(inputs)).trace.root
    assert Runtime(program, weights, fused=True).run(inputs).trace.root == expected


@pytest.mark.parametrize(
    "block",
    [
        bert.encoder(bert.BertShape(tokens=130, width=96, heads=3, inner=176, blocks=2, table=4096)),
        bert.encoder(bert.BertShape(tokens=600, width=32, heads=2, inner=32, blocks=1, table=4096)),
        llama.block(llama.LlamaShape(tokens=70, width=128, heads=4, kv_heads=1, inner=240)),
        llama.block(llama.LlamaShape(tokens=33, width=72, heads=6, kv_heads=3, inner=100, row_scales=False)),
    ],
    ids=["bert", "bert, long", "llama", "llama, odd"],
)
def test_larger_blocks_agree_with_plain_int64(block: Block) -> None:
    program, weights = block
    fused, plain = Runtime(program, weights, fused=True), Runtime(program, weights, backend="int64")
    for kind in ("random", "alternating"):
        inputs = extremes(program, kind)
        assert fused.run(inputs).trace.root == plain.run(inputs).trace.root
