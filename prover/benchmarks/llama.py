"""A Llama block, as the compiler would write it, with random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from prover.benchmarks.bert import WIDE, channels, linear, norm_weights, scaled
from prover.benchmarks.writing import I16, I32, ONE, Tensor, Writer
from prover.program import Immediate, Program, TensorRoot
from prover.trace import Array


@dataclass(frozen=True)
class LlamaShape:
    """Tokens, width, heads, key and value heads, feed-forward width; a scale per row into the down projection."""

    tokens: int = 128
    width: int = 2048
    heads: int = 32
    kv_heads: int = 8
    inner: int = 5632
    row_scales: bool = True

    @property
    def head(self) -> int:
        return self.width // self.heads


WIDE_LLAMA = LlamaShape()
LLAMA_7B = LlamaShape(width=4096, heads=32, kv_heads=32, inner=11008)


def block(shape: LlamaShape, seed: int = 0) -> tuple[Program, dict[TensorRoot, Array]]:
    """A valid program: residual i32 [S, D] to residual i32 [S, D]; keys and values are checkpoints, too."""
    w = Writer(np.random.default_rng(seed))
    x = w.input(I32, shape.tokens, shape.width)
    y = scaled(w, w.add("mul", I32, x.shape, x.along(0, 1), limits=WIDE), norm_weights(w, shape.width))
    context, kept = _attention(w, shape, y)
    x = w.add(
        "mul", I32, x.shape, x.along(0, 1), ONE, ONE, linear(w, context, shape.width, I32, 16).along(0, 1), limits=WIDE
    )
    y = scaled(w, x, norm_weights(w, shape.width))
    fed = _gated(w, shape, y)
    x = w.add("mul", I32, x.shape, x.along(0, 1), ONE, ONE, fed.along(0, 1), limits=WIDE)
    out, *_ = w.close(x, *kept)
    return w.finish(out), w.weights


def _attention(w: Writer, shape: LlamaShape, y: Tensor) -> tuple[Tensor, list[Tensor]]:
    """i16 [S, D], and the keys and values."""
    s, e, kv = shape.tokens, shape.head, shape.kv_heads
    group = shape.heads // kv
    rotary = _rotary_table(w, s, e)
    q = _rotated(w, _heads(w, y, shape.heads, e), rotary)
    k = _rotated(w, _heads(w, y, kv, e), rotary)
    v = _heads(w, y, kv, e, transposed=True)
    mask = w.weight(np.where(np.arange(2 * s - 1) >= s, -(1 << 20), 0), I32)
    scores = w.add(
        "dot",
        I16,
        (kv, group, s, s, e),
        q.view(group * s * e, s * e, e, 0, 1),
        k.view(s * e, 0, 0, e, 1),
        Immediate(700),
        mask.view(0, 0, -1, 1, offset=s - 1),
        reduced=1,
        shift=24,
        lift=20,
    )
    every = scores.along(0, 1, 2, 3)
    largest = w.add("reduce_max", I16, scores.shape, every, reduced=1)
    decay = w.table(32_767 * np.exp(np.linspace(0, -12, 4_096)))
    weights = w.add(
        "table", I16, scores.shape, every, decay.view(), Immediate(-1), largest.along(0, 1, 2, None), shift=2
    )
    total = w.add("dot", I32, scores.shape, weights.along(0, 1, 2, 3), reduced=1)
    share = w.add("recip", I32, total.shape, total.along(0, 1, 2), k=38, limits=(0, (1 << 24) - 1))
    views = (
        weights.view(s, group * s * s, s * s, 0, 1),
        v.view(0, e * s, 0, s, 1),
        share.view(1, group * s, s, 0),
    )
    context = w.add("dot", I16, (s, kv, group, e, s), *views, reduced=1, shift=38)
    return replace(context, shape=(s, shape.width)), [k, v]


def _heads(w: Writer, y: Tensor, heads: int, e: int, *, transposed: bool = False) -> Tensor:
    """A projection of y, [heads, S, e] or [heads, e, S]."""
    s, d = y.shape
    weight, pairs = w.matrix(heads * e, d), channels(w, heads * e)
    if transposed:
        shape, moves = (heads, e, s), ((0, 0, d), (e * d, d, 0), (2 * e, 2, 0))
    else:
        shape, moves = (heads, s, e), ((0, d, 0), (e * d, 0, d), (2 * e, 0, 2))
    rows, columns, channel = moves
    operands = (y.view(*rows, 1), weight.view(*columns, 1), pairs.view(*channel), pairs.view(*channel, offset=1))
    return w.add("dot", I16, (*shape, d), *operands, reduced=1, shift=25)


def _rotary_table(w: Writer, s: int, e: int) -> Tensor:
    """i16 [S, 2, e/2, 2]: what the two halves contribute to each half."""
    angles = np.outer(np.arange(s), 10_000 ** (-np.arange(0, e, 2) / e))
    cos, sin = np.cos(angles), np.sin(angles)
    return w.table(16_384 * np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1))


def _rotated(w: Writer, x: Tensor, table: Tensor) -> Tensor:
    """Each pair (i, i + e/2) turned by its position's angle: dots of two terms."""
    heads, s, e = x.shape
    shape = (heads, s, 2, e // 2, 2)
    operands = (table.view(0, 2 * e, e, 2, 1), x.view(s * e, e, 0, 1, e // 2))
    return replace(w.add("dot", I16, shape, *operands, reduced=1, shift=14), shape=(heads, s, e))


def _gated(w: Writer, shape: LlamaShape, y: Tensor) -> Tensor:
    """down(silu(gate(y)) * up(y)), i32 [S, D]."""
    gate = linear(w, y, shape.inner, I16, 25)
    silu = np.linspace(-8, 8, 1 << 16)
    table = w.table(4_000 * silu / (1 + np.exp(-silu)))
    active = w.add("table", I16, gate.shape, gate.along(0, 1), table.view(), ONE, Immediate(1 << 15))
    up = linear(w, y, shape.inner, I16, 25)
    if not shape.row_scales:
        product = w.add("mul", I16, up.shape, active.along(0, 1), up.along(0, 1), shift=12)
        return linear(w, product, shape.width, I32, 17)
    wide = w.add("mul", I32, up.shape, active.along(0, 1), up.along(0, 1), shift=4)
    largest = w.add("reduce_absmax", I32, wide.shape, wide.along(0, 1), reduced=1)
    inverse = w.add("recip", I32, largest.shape, largest.along(0), k=45)
    scaled_rows = w.add("mul", I16, wide.shape, wide.along(0, 1), inverse.along(0, None), shift=30)
    fed = linear(w, scaled_rows, shape.width, I32, 17)
    return w.add("mul", I32, fed.shape, fed.along(0, 1), largest.along(0, None), shift=22, limits=WIDE)
