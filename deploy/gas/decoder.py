"""A decoder of GPT-3's width as an integer program: normalisation, attention, projection, feed-forward, residuals.

The blocks stand side by side: each reads the embedding, so that one run gives the results of all. What a dispute
opens and hashes is what it is in a chain of blocks; only the numbers would be others. Attention is within windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deploy.gas.wide import (
    EMBED,
    WINDOW,
    Shelf,
    checkpoint,
    complete,
    dot,
    largest,
    result,
)
from prover.benchmarks.writing import I16, I32, ONE, ZERO
from prover.program import Immediate, Layer, Opcode, Operator, Program, View

NORMED, QUERIES, KEYS, VALUES, SCORES, LARGEST, POWERS, TOTALS, SHARES, ATTENDED, PROJECTION = range(2, 13)
"""Operators of an attention layer, from the third on."""
UP, ACTIVE, DOWN = range(3, 6)
"""Operators of a feed-forward layer, likewise."""
_POWERS, _ACTIVATIONS = 1 << 12, 1 << 12
_MASKED = -(1 << 15)


@dataclass(frozen=True)
class Decoder:
    """The extents of a decoder. Positions are a multiple of WINDOW."""

    width: int
    heads: int
    hidden: int
    positions: int
    blocks: int

    def attention_layer(self, block: int) -> int:
        """Number of the layer with a block's attention; its feed-forward layer is the next."""
        return 1 + 2 * block

    def program(self, shelf: Shelf) -> Program:
        """Its integer program; the weights come to the shelf."""
        layers = [shelf.embedding(self.positions, self.width)]
        for block in range(self.blocks):
            layers += self._attention(shelf), self._feed_forward(shelf, self.attention_layer(block))
        layers.append(largest(len(layers) - 1, (self.positions, self.width)))
        return complete(self.positions, layers)

    def _normed(self, layer: int) -> list[Operator]:
        """The root mean square over the width scaled to 2^9."""
        rows, width = shape = self.positions, self.width
        given = checkpoint(layer, shape, (width, 1))
        squares = Operator(
            Opcode.DOT, 0, I32, (rows, width), (given, given, ONE, ZERO), 0, I32.hi, reduced=1, shift=width.bit_length()
        )
        inverse = Operator(Opcode.MAP, 2, I32, (rows,), (result(0, (rows,), (1,), I32),), 0, I32.hi, k=24)
        scaled = (given, result(1, (rows,), (1, 0), I32), ONE, ZERO)
        return [squares, inverse, Operator(Opcode.ZIP, 0, I16, shape, scaled, I16.lo, I16.hi, shift=15)]

    def _residual(self, layer: int, last: int) -> Operator:
        shape = self.positions, self.width
        added = result(last, shape, (self.width, 1))
        given = checkpoint(layer, shape, (self.width, 1))
        return Operator(Opcode.ZIP, 0, I16, shape, (given, ONE, ONE, added), I16.lo, I16.hi)

    def _attention(self, shelf: Shelf) -> Layer:
        rows, width, heads = self.positions, self.width, self.heads
        windows, size = rows // WINDOW, width // heads
        normed = result(NORMED, (rows, width), (width, 0, 1))
        products = [shelf.linear(normed, rows, width, width, seed=seed) for seed in (10, 20, 30)]

        def rows_of(operator: int, strides: tuple[int, ...]) -> View:
            return result(operator, (rows, width), strides)

        def scores_of(operator: int, strides: tuple[int, ...]) -> View:
            return result(operator, scored, strides)

        scored = (windows, heads, WINDOW, WINDOW)
        per_window, per_head = WINDOW * width, WINDOW * WINDOW
        mask = np.triu(np.full((WINDOW, WINDOW), _MASKED, "<i4"), 1).reshape(-1)
        scores = dot(
            rows_of(QUERIES, (per_window, size, width, 0, 1)),
            rows_of(KEYS, (per_window, size, 0, width, 1)),
            (*scored, size),
            shift=18,
            c=shelf.weight(mask << 14, I32, (0, 0, WINDOW, 1)),
        )
        along = scores_of(SCORES, (heads * per_head, per_head, WINDOW, 1))
        best = Operator(Opcode.REDUCE, 0, I16, scored, (along,), I16.lo, I16.hi, reduced=1)
        # Powers of what a score is below the largest of its row.
        table = shelf.weight(np.exp2(14 - np.arange(_POWERS) / 128).astype("<i2"), I16, ())
        subtracted = result(LARGEST, scored[:3], (heads * WINDOW, WINDOW, 1, 0))
        powers = Operator(Opcode.MAP, 0, I16, scored, (along, table, Immediate(-1), subtracted), 0, I16.hi)
        taken = scores_of(POWERS, (heads * per_head, per_head, WINDOW, 1))
        totals = Operator(Opcode.DOT, 0, I32, scored, (taken, ONE, ONE, ZERO), 0, I32.hi, reduced=1)
        divisor = result(TOTALS, scored[:3], (heads * WINDOW, WINDOW, 1, 0), I32)
        shares = Operator(Opcode.ZIP, 3, I16, scored, (taken, divisor, Immediate(1 << 14), ZERO), 0, I16.hi)
        attended = dot(
            scores_of(SHARES, (heads * per_head, WINDOW, per_head, 0, 1)),
            rows_of(VALUES, (per_window, 0, size, 1, width)),
            (windows, WINDOW, heads, size, WINDOW),
            shift=14,
        )
        # The queries' seed: one tensor in memory less.
        projection = shelf.linear(rows_of(ATTENDED, (width, 0, 1)), rows, width, width, seed=10)
        operators = (
            *self._normed(EMBED),
            *products,
            *(scores, best, powers, totals, shares, attended, projection),
            self._residual(EMBED, PROJECTION),
        )
        return Layer(operators, (len(operators) - 1,))

    def _feed_forward(self, shelf: Shelf, before: int) -> Layer:
        rows, width, hidden = self.positions, self.width, self.hidden
        up = shelf.linear(result(NORMED, (rows, width), (width, 0, 1)), rows, width, hidden, seed=50)
        steps = np.arange(_ACTIVATIONS) / 256 - 8
        gelu = (steps / (1 + np.exp(-1.702 * steps)) * 1024).astype("<i2")
        table = shelf.weight(gelu, I16, ())
        along = result(UP, (rows, hidden), (hidden, 1))
        half = Immediate(_ACTIVATIONS // 2)
        active = Operator(
            Opcode.MAP, 0, I16, (rows, hidden), (along, table, ONE, half), I16.lo, I16.hi, shift=4, lift=4
        )
        down = shelf.linear(result(ACTIVE, (rows, hidden), (hidden, 0, 1)), rows, hidden, width, seed=50)
        operators = (*self._normed(before), up, active, down, self._residual(before, DOWN))
        return Layer(operators, (len(operators) - 1,))


GPT3 = Decoder(width=12_288, heads=96, hidden=49_152, positions=1_024, blocks=96)
"""GPT-3 (Brown et al., 2020, table 2.1), at half of its context."""
