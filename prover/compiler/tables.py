"""What is looked up: functions of one value from a table of them, and embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prover.compiler import layout
from prover.compiler.builder import Activation
from prover.compiler.graph import Node, refusal
from prover.compiler.lowering import Lowering
from prover.program import MAX_TABLE, DType
from prover.quantisation import LIMIT, Reals


def function(state: Lowering, node: Node) -> Activation:
    """refute.function: a table over the range of the value, no larger than its precision needs."""
    value, strides = state.plain(state.activation(node, "input"))
    form = state.form(node)
    lo, hi = value.tensor.lo, value.tensor.hi
    if hi - lo >= MAX_TABLE:
        raise refusal(node, f"a function of a value with {hi - lo + 1} levels", "apply it after a linear layer or norm")
    values, shift = _tabulated(node, value.scale, lo, hi, form.scale)
    table = state.constant(form.dtype, values / form.scale, form.lo, form.hi)
    order = sorted(range(len(strides)), key=lambda axis: -abs(strides[axis]))
    view = value.tensor.strided([strides[axis] for axis in order], value.offset)
    shape = [node.shape[axis] for axis in order]
    tensor = state.add("table", shape, (view, table.strided(()), 1, -lo), form.lo, form.hi, form.dtype, shift=shift)
    return Activation(tensor, layout.dense(node.shape, order), form.scale)


def _tabulated(node: Node, step: float, lo: int, hi: int, unit: float) -> tuple[Reals, int]:
    """(values, shift): entry i for the integers that (x - lo) >> shift rounds to i.

    The shift is the largest at which neighbours of an entry are off by at most half a unit of the result.
    """
    exact = _evaluate(node, np.arange(lo, hi + 1) * step)
    shift = 0
    while (hi - lo) >> (shift + 1) >= 256:
        wider = shift + 1
        entries = ((hi - lo + (1 << shift)) >> wider) + 1
        values = _evaluate(node, (np.arange(entries) * (1 << wider) + lo) * step)
        index = (np.arange(hi - lo + 1) + (1 << shift)) >> wider
        if np.abs(values[index] - exact).max() > unit / 2:
            break
        shift = wider
    entries = ((hi - lo + ((1 << shift) >> 1)) >> shift) + 1
    return _evaluate(node, (np.arange(entries) * (1 << shift) + lo) * step), shift


def _evaluate(node: Node, reals: NDArray[np.floating[Any]]) -> Reals:
    with torch.no_grad():
        result: Reals = node.call({"input": torch.from_numpy(reals)}).numpy()
    return np.nan_to_num(result)


def embedding(state: Lowering, node: Node) -> Activation:
    """aten.embedding: rows of a constant table [V, D] in i16."""
    weight = node.arguments["weight"]
    if not isinstance(weight, torch.Tensor):
        raise refusal(node, "its table depends on the input", "use a constant table")
    indices, strides = state.plain(state.raw(node, "indices"))
    reals = weight.detach().double().numpy()
    scale = float(np.abs(reals).max() or 1.0) / LIMIT
    table = state.constant(DType.I16, reals / scale, -LIMIT, LIMIT)
    rows, width = reals.shape
    index = indices.tensor.strided((*strides, 0), indices.offset)
    by_row = table.strided((*[0] * len(strides), 1, width))
    tensor = state.add("gather", node.shape, (index, by_row), -LIMIT, LIMIT, rows=rows)
    return Activation(tensor, layout.dense(node.shape), scale)
