"""Products of two activations, and softmax.

A softmax is kept as exponentials e, 15 bits below the largest of the row, and one over their sum; the product with the
values divides by it in its own finish, so that no probability is rounded and none is stored:

    largest = max(scores);  e = table[(largest - scores) >> shift];  total = 2^k / sum(e)
    context = (sum(e * v) * total) >> k

Keys and values of causal attention are checkpointed: a generation that goes on from here reads them.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from prover.compiler import layout
from prover.compiler.builder import Activation, Reciprocal, Stored, Strided
from prover.compiler.graph import Node, Ref, refusal
from prover.compiler.layout import Factor
from prover.compiler.lowering import Lowering, check_form
from prover.compiler.orders import stored_order
from prover.compiler.quantise import SumTooLarge, single
from prover.program import DType
from prover.quantisation import LIMIT
from prover.views import contiguous

ONE = (1 << 15) - 1
"""exp(0)."""
VANISHED = math.log(2 * ONE)
"""exp(-x) rounds to 0 from here on."""
TABLE_ENTRIES = 1 << 14
HIDING = 1 << 17
"""What a hidden score is lowered by, in units of the result: below any i16."""
MASK_SHIFT = 44
"""Largest shift of a masked product: HIDING << shift stays small against an int64."""


def matmul(state: Lowering, node: Node) -> Activation:
    """a @ b over equal leading axes, both activations; a may be a softmax."""
    if not isinstance(node.arguments["a"], Ref):
        raise refusal(node, "its first factor is constant", "multiply from the other side, (x.mT @ w.mT).mT")
    if not isinstance(node.arguments["b"], Ref):
        raise refusal(node, "its constant matrix differs along the batch", "use a linear layer for each matrix")
    a, b = state.raw(node, "a"), state.activation(node, "b")
    if a.total is None:
        a = state.activation(node, "a")
    if a.shape[:-2] != b.shape[:-2] or len(a.shape) < 2:
        raise refusal(node, f"shapes {a.shape} and {b.shape}", "expand both to the same leading axes")
    still = Factor(a.shape[-2], 0), Factor(b.shape[-1], 0)
    for attempt in range(3):
        total = a.total.axes if a.total is not None else tuple((Factor(n, 0),) for n in a.shape[:-1])
        outer = layout.refined(
            [*a.axes[:-1], (still[1],)], [*b.axes[:-2], (still[0],), b.axes[-1]], [*total, (still[1],)]
        )
        inner = layout.refined([a.axes[-1]], [b.axes[-2]])
        if outer is not None and inner is not None:
            break
        if attempt == 0:
            b = state.copied(b)
        else:
            a = state.copied(a)
    assert outer is not None
    assert inner is not None
    order = stored_order(state.graph, node)
    loops = [loop for axis in order for loop in outer[axis]]
    terms = sorted(inner[0], key=lambda loop: -abs(loop[1][0]))
    shape = [extent for extent, _ in loops] + [extent for extent, _ in terms]
    check_form(node, shape, len(terms))
    operands = (
        a.tensor.strided([steps[0] for _, steps in (*loops, *terms)], a.offset),
        b.tensor.strided([steps[1] for _, steps in (*loops, *terms)], b.offset),
    )
    visible = state.plan.visible.get(node.name)
    if a.total.causal if a.total is not None else _is_causal(visible):
        state.builder.keep(b.tensor)
    if a.total is not None:
        m = a.total.tensor.strided([steps[2] for _, steps in loops])
        shift = a.total.exponent
        tensor = state.add(
            "dot", shape, (*operands, m, 0), -b.tensor.magnitude, b.tensor.magnitude, b.tensor.dtype,
            reduced=len(terms), shift=shift,
        )  # fmt: skip
        return Activation(tensor, layout.dense(node.shape, order), a.scale * b.scale)
    form = state.form(node)
    accumulator = a.tensor.magnitude * b.tensor.magnitude * math.prod(extent for extent, _ in terms)
    try:
        most = 62 if visible is None else MASK_SHIFT
        factor, shift = single(a.scale * b.scale / form.scale, accumulator, most)
    except SumTooLarge as error:
        raise refusal(node, str(error), "split the reduction") from error
    c: Strided | int = 0
    if visible is not None:
        lengths = [[extent for extent, _ in outer[axis]] for axis in range(len(node.shape))]
        c = _hiding(state, node, visible, lengths, order)
    tensor = state.add(
        "dot", shape, (*operands, factor, c), form.lo, form.hi, form.dtype,
        reduced=len(terms), shift=shift, lift=shift if visible is not None else 0,
    )  # fmt: skip
    return Activation(tensor, layout.dense(node.shape, order), form.scale)


# Masks


def _is_causal(visible: Ref | torch.Tensor | None) -> bool:
    """Whether a constant mask shows each row itself and nothing after it."""
    if not isinstance(visible, torch.Tensor) or visible.dim() < 2 or visible.shape[-1] != visible.shape[-2]:
        return False
    mask = visible.to(torch.bool)
    return visible.shape[-1] > 1 and torch.equal(mask, mask.tril()) and bool(mask.diagonal(dim1=-2, dim2=-1).all())


def _hiding(
    state: Lowering, node: Node, visible: Ref | torch.Tensor, lengths: list[list[int]], order: tuple[int, ...]
) -> Strided:
    """0 where something is visible, -HIDING where not, as an operand over the loops of a product of scores."""
    if isinstance(visible, Ref):
        stored, axes, offset = _hidden_activation(state, node, visible)
    else:
        stored, axes, offset = _hidden_constant(state, visible, node.shape)
    steps: list[int] = []
    for axis in order:
        strides = layout.cut(axes[axis], lengths[axis])
        if strides is None:
            raise refusal(node, "its mask lies across the heads", "expand the mask to all heads")
        steps += strides
    return stored.strided(steps, offset)


def _hidden_activation(state: Lowering, node: Node, visible: Ref) -> tuple[Stored, layout.Axes, int]:
    """Made once for all layers, over what is stored, not over what is shown."""
    value = state.values[visible.name]
    if value.tensor not in state.hidden:
        view = value.tensor.strided((1,))
        operands = (view, HIDING, 1, -HIDING)
        state.hidden[value.tensor] = state.add("mul", (value.tensor.numel,), operands, -HIDING, 0, DType.I32)
    axes = value.axes
    missing = len(node.shape) - len(axes)
    full = [*[()] * missing, *axes]
    for axis, extent in enumerate(node.shape):
        if layout.extent(full[axis]) != extent:
            full[axis] = (Factor(extent, 0),)
    return state.hidden[value.tensor], tuple(full), value.offset


def _hidden_constant(state: Lowering, visible: torch.Tensor, shape: tuple[int, ...]) -> tuple[Stored, layout.Axes, int]:
    """A constant mask as the smallest tensor whose view it is: one row, a band along the diagonals, or all of it."""
    full = visible.to(torch.bool).expand(shape)
    hidden = np.where(full.numpy(), 0, -HIDING).astype(np.int64)
    plane = hidden.reshape(-1, *shape[-2:])
    rows, columns = shape[-2:]
    if not (plane == plane[0]).all():
        return state.builder.add_weight(DType.I32, hidden), layout.dense(shape), 0
    leading = tuple((Factor(extent, 0),) for extent in shape[:-2])
    matrix = plane[0]
    if (matrix == matrix[0]).all():
        stored = state.builder.add_weight(DType.I32, matrix[0])
        return stored, (*leading, (Factor(rows, 0),), (Factor(columns, 1),)), 0
    if all((np.diagonal(matrix, d) == np.diagonal(matrix, d)[0]).all() for d in range(1 - rows, columns)):
        band = np.array([np.diagonal(matrix, d)[0] for d in range(1 - rows, columns)])
        stored = state.builder.add_weight(DType.I32, band)
        return stored, (*leading, (Factor(rows, -1),), (Factor(columns, 1),)), rows - 1
    stored = state.builder.add_weight(DType.I32, matrix)
    return stored, (*leading, (Factor(rows, columns),), (Factor(columns, 1),)), 0


# Softmax


def softmax(state: Lowering, node: Node) -> Activation:
    """Over the last axis. Its result waits to be divided by the sums of its rows."""
    scores = _masked_scores(state, node)
    scores, strides = state.plain(scores)
    outer = sorted(range(len(strides) - 1), key=lambda axis: -abs(strides[axis]))
    order = (*outer, len(strides) - 1)
    shape = [scores.shape[axis] for axis in order]
    rows, length = shape[:-1], shape[-1]
    view = scores.tensor.strided([strides[axis] for axis in order], scores.offset)
    lo, hi, dtype = scores.tensor.lo, scores.tensor.hi, scores.tensor.dtype
    largest = state.add("reduce_max", shape, (view,), lo, hi, dtype, reduced=1)
    by_row = (*contiguous(rows), 0)
    table, shift = _exponentials(state, scores.scale)
    operands = (view, table.strided(()), -1, largest.strided(by_row))
    exponentials = state.add("table", shape, operands, 0, ONE, shift=shift)
    whole = exponentials.strided(contiguous(shape))
    total = state.add("dot", shape, (whole, 1, 1, 0), 0, min(ONE * length, DType.I32.hi), DType.I32, reduced=1)
    # The product with the values sums `length` terms of 30 bits and multiplies by this; that fits in 62 bits.
    exponent = min(45, 62 - 30 - (length - 1).bit_length() + 14)
    top = min((1 << exponent) // ONE + 1, DType.I32.hi)
    inverse = state.add("recip", rows, (total.strided(contiguous(rows)),), 0, top, DType.I32, k=exponent)
    axes = layout.dense([scores.shape[axis] for axis in range(len(strides))], order)
    over = layout.dense(node.shape[:-1], outer)
    causal = _is_causal(node.arguments["visible"])
    return Activation(exponentials, axes, 1.0, total=Reciprocal(inverse, over, exponent, causal))


def _masked_scores(state: Lowering, node: Node) -> Activation:
    """The scores with what is hidden lowered; the product that made them has done it where it could."""
    scores, visible = state.activation(node, "scores"), node.arguments["visible"]
    # A product has its mask under its own name, and only numbers stand between it and the softmax.
    if visible is None or node.arguments["scores"].name not in state.plan.visible:
        return scores
    scores = state.copied(scores)
    lengths = [[extent] for extent in scores.shape]
    c = _hiding(state, node, visible, lengths, tuple(range(len(lengths))))
    view = scores.tensor.strided(contiguous(scores.shape))
    tensor = state.add("mul", scores.shape, (view, 1, 1, c), DType.I16.lo, LIMIT)
    return Activation(tensor, layout.dense(scores.shape), scores.scale)


def _exponentials(state: Lowering, step: float) -> tuple[Stored, int]:
    """(table of exp(-i * step * 2^shift), shift); its last entry is 0."""
    shift = 0
    while VANISHED / (step * (1 << shift)) + 2 > TABLE_ENTRIES:
        shift += 1
    entries = math.ceil(VANISHED / (step * (1 << shift))) + 2
    values = np.rint(np.exp(-np.arange(entries) * step * (1 << shift)) * ONE)
    values[-1] = 0
    return state.builder.add_weight(DType.I16, values.astype(np.int64)), shift
