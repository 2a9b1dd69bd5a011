"""A BERT encoder, as the compiler would write it, with random weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from prover.benchmarks.writing import I16, I32, ONE, Tensor, Writer
from prover.program import DType, Immediate, Program, TensorRoot
from prover.trace import Array


@dataclass(frozen=True)
class BertShape:
    """Tokens, width, heads, feed-forward width, blocks, and the entries of the GELU table."""

    tokens: int = 128
    width: int = 384
    heads: int = 12
    inner: int = 1536
    blocks: int = 6
    table: int = 65_536

    @property
    def head(self) -> int:
        return self.width // self.heads


MINILM = BertShape()
WIDE = (-(1 << 24), 1 << 24)
"""A clamp for 24 bits of content."""


def encoder(shape: BertShape, seed: int = 0) -> tuple[Program, dict[TensorRoot, Array]]:
    """A valid program: embedded tokens i16 [S, D] and a mask i32 [S] (0 or -2^20) to i16 [S, D]."""
    writer = Writer(np.random.default_rng(seed))
    y = writer.input(I16, shape.tokens, shape.width)
    mask = writer.input(I32, shape.tokens)
    (y,) = writer.close(writer.add("mul", I16, y.shape, y.along(0, 1)))  # into the clamp that two i8 passes need
    for _ in range(shape.blocks):
        y = _block(writer, shape, y, mask)
    return writer.finish(y), writer.weights


def _block(w: Writer, shape: BertShape, y: Tensor, mask: Tensor) -> Tensor:
    s, d = shape.tokens, shape.width
    context = _attention(w, shape, y, mask)
    y = layer_norm(w, residual(w, y, linear(w, context, d, I32, 16)))
    hidden = linear(w, y, shape.inner, I16, 24)
    gelu = w.table(4_000 * _gelu(np.linspace(-8, 8, shape.table)))
    step = 16 - int(math.log2(shape.table))
    centred = (ONE, Immediate(1 << 15))
    active = w.add("table", I16, hidden.shape, hidden.along(0, 1), gelu.view(), *centred, shift=step)
    y = layer_norm(w, residual(w, y, linear(w, active, d, I32, 16)))
    assert y.shape == (s, d)
    (kept,) = w.close(y)
    return kept


def _attention(w: Writer, shape: BertShape, y: Tensor, mask: Tensor) -> Tensor:
    """i16 [S, D] from the heads' values, each weighted by softmax of its scores."""
    s, d, h, e = shape.tokens, shape.width, shape.heads, shape.head
    q, k = (_heads(w, y, (h, s, e), (e * d, 0, d), (0, d, 0), (e, 0, 1)) for _ in range(2))
    v = _heads(w, y, (h, e, s), (e * d, d, 0), (0, 0, d), (e, 1, 0))
    scores = w.add(
        "dot",
        I16,
        (h, s, s, e),
        q.along(0, 1, None, 2),
        k.along(0, None, 1, 2),
        Immediate(1_000),
        mask.view(0, 0, 1),
        reduced=1,
        shift=24,
        lift=20,
    )
    largest = w.add("reduce_max", I16, scores.shape, scores.along(0, 1, 2), reduced=1)
    decay = w.table(32_767 * np.exp(np.linspace(0, -12, 4_096)))
    difference = (Immediate(-1), largest.along(0, 1, None))
    weights = w.add("table", I16, scores.shape, scores.along(0, 1, 2), decay.view(), *difference, shift=2)
    total = w.add("dot", I32, scores.shape, weights.along(0, 1, 2), reduced=1)
    share = w.add("recip", I32, (h, s), total.along(0, 1), k=38, limits=(0, (1 << 24) - 1))
    values = (weights.along(1, 0, None, 2), v.along(None, 0, 1, 2), share.along(1, 0, None))
    context = w.add("dot", I16, (s, h, e, s), *values, reduced=1, shift=38)
    return replace(context, shape=(s, d))


def _heads(
    w: Writer,
    y: Tensor,
    shape: tuple[int, int, int],
    weight_strides: tuple[int, int, int],
    row_strides: tuple[int, int, int],
    channel_strides: tuple[int, int, int],
) -> Tensor:
    """A projection of y, its heads laid out as `shape`."""
    d = y.shape[1]
    weight, pairs = w.matrix(d, d), channels(w, d)
    m, c = (pairs.view(*(2 * stride for stride in channel_strides), offset=side) for side in (0, 1))
    operands = (y.view(*row_strides, 1), weight.view(*weight_strides, 1), m, c)
    return w.add("dot", I16, (*shape, d), *operands, reduced=1, shift=24)


def channels(w: Writer, count: int) -> Tensor:
    """Multiplier and addend of each channel, interleaved i32 [count, 2]."""
    pairs = [w.rng.integers(10_000, 20_000, count), w.rng.integers(-(1 << 28), 1 << 28, count)]
    return w.weight(np.stack(pairs, 1), I32)


def linear(w: Writer, x: Tensor, outputs: int, dtype: DType, shift: int) -> Tensor:
    """x [S, K] times i8 weights [outputs, K]: [S, outputs]."""
    s, k = x.shape
    weight, pairs = w.matrix(outputs, k), channels(w, outputs)
    operands = (x.view(k, 0, 1), weight.view(0, k, 1), pairs.view(0, 2), pairs.view(0, 2, offset=1))
    return w.add("dot", dtype, (s, outputs, k), *operands, reduced=1, shift=shift)


def residual(w: Writer, y: Tensor, added: Tensor) -> Tensor:
    """y, scaled up to the i32 scale of what is added."""
    return w.add("mul", I32, y.shape, y.along(0, 1), ONE, Immediate(256), added.along(0, 1), limits=WIDE)


def layer_norm(w: Writer, x: Tensor) -> Tensor:
    """i16 [S, D]."""
    d = x.shape[1]
    mean = Immediate(-round((1 << 24) / d))
    nmean = w.add("dot", I32, x.shape, x.along(0, 1), ONE, mean, reduced=1, shift=24, limits=WIDE)
    centred = w.add("mul", I32, x.shape, x.along(0, 1), ONE, ONE, nmean.along(0, None), limits=WIDE)
    return scaled(w, centred, norm_weights(w, d))


def norm_weights(w: Writer, d: int) -> Tensor:
    """gamma and beta, i32 [2, D]."""
    return w.weight(np.stack([w.rng.integers(2_000, 4_000, d), w.rng.integers(-1_000, 1_000, d)]), I32)


def scaled(w: Writer, x: Tensor, weights: Tensor) -> Tensor:
    """x divided by its root mean square over each row, times gamma, plus beta: i16."""
    d = x.shape[1]
    variance = w.add("dot", I32, x.shape, x.along(0, 1), x.along(0, 1), reduced=1, shift=20, limits=(0, I32.hi))
    inverse = w.add("rsqrt", I32, (x.shape[0],), variance.along(0), k=31)
    unit = w.add("mul", I32, x.shape, x.along(0, 1), inverse.along(0, None), shift=22, limits=WIDE)
    gamma, beta = weights.view(0, 1), weights.view(0, 1, offset=d)
    return w.add("mul", I16, x.shape, unit.along(0, 1), ONE, gamma, beta, shift=14, lift=14)


def _gelu(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return y
