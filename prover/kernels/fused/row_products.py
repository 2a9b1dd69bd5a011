"""Writes small batched products, a row at a time: attention scores and values.

b is packed into pairs of int16 along the terms, so that one multiply-add instruction adds two terms in each of
16 columns (pmaddwd; VNNI's vpdpwssd). The sums of a slice of terms fit an int32; a factor too wide for that is
taken as two digits of base 256.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from llvmlite import ir

from prover.kernels.fused import lanes as x
from prover.kernels.fused.context import Context, Point
from prover.kernels.fused.description import SCRATCH, Place, RowProduct
from prover.kernels.fused.lanes import I16, I32, I64, WIDTH, Value, lanes
from prover.kernels.fused.visiting import visit
from prover.views import contiguous

BLOCK = 8
"""Vectors of columns summed at once: with two digits, 16 accumulators."""
PAIRS = lanes(I16, 2 * WIDTH)


def padded_columns(columns: tuple[int, ...]) -> int:
    """Columns of the packed factor and of the result: whole vectors."""
    return -(-math.prod(columns) // WIDTH) * WIDTH


class PackedProduct:
    """One row product of a kernel."""

    def __init__(self, context: Context, product: RowProduct) -> None:
        self.context, self.product = context, product
        self.k, self.columns = math.prod(product.terms), padded_columns(product.columns)
        self.even = self.k + self.k % 2
        self.held = context.entry.alloca(I64)
        context.entry.store(I64(-1), self.held)

    def write(self, row: Value) -> None:
        """The product of this row, after packing b if its batch is new."""
        b, product = self.context.builder, self.product
        batch = b.udiv(row, I64(product.rows_per_batch))
        with b.if_then(b.icmp_signed("!=", batch, b.load(self.held, typ=I64))):
            b.store(batch, self.held)
            self._pack()
        self._copy_row()
        vectors = self.columns // WIDTH
        step = product.slice - product.slice % 2
        for first in range(0, self.even, step):
            pairs = (first // 2, min(first + step, self.even) // 2)
            whole = vectors // BLOCK * BLOCK
            if whole:
                with x.loop(b, I64(0), I64(whole), BLOCK) as at:
                    self._sums(at, BLOCK, pairs)
            if vectors - whole:
                self._sums(I64(whole), vectors - whole, pairs)

    def _scratch(self, offset: int) -> Value:
        return x.moved(self.context.builder, self.context.scratch, I64(offset), 1)

    # Packing

    def _pack(self) -> None:
        """packed[k // 2][column][k % 2] = b[column, k]; an odd last pair ends in zeros."""
        context, b, product = self.context, self.context.builder, self.product
        if len(product.terms) == len(product.columns) == 1 and self.k % 2 == 0 and product.b.bits == 16:
            across, along = product.b.inner
            if along == 1 and self.columns == product.columns[0]:
                return self._pack_pairs(across)
            if across == 1 and self.columns == product.columns[0]:
                return self._pack_rows(along)
        order = (*product.terms, *product.columns)
        count = len(product.columns)
        strides = (*product.b.inner[count:], *product.b.inner[:count])
        source = Place(product.b.base, product.b.bits, product.b.rows, strides, product.b.offset)
        steps = contiguous(order)
        target = self._scratch(product.packed)

        def body(point: Point) -> None:
            term = self._linear(point.coordinates[: len(product.terms)], contiguous(product.terms))
            column = self._linear(point.coordinates[len(product.terms) :], steps[len(product.terms) :])
            value = x.resized(b, point.read(source), 16)
            pair = b.add(b.mul(b.lshr(term, I64(1)), I64(self.columns)), column)
            at = b.add(b.shl(pair, I64(1)), b.and_(term, I64(1)))
            x.store(b, value, x.moved(b, target, at, 2), 2)

        visit(context, {source: context.row_start(source)}, order, body)
        if self.k % 2:
            with x.loop(b, I64(0), I64(self.columns), 1) as column:
                at = b.add(b.mul(b.add(column, I64(self.k // 2 * self.columns)), I64(2)), I64(1))
                b.store(I16(0), x.moved(b, target, at, 2), align=2)

    def _linear(self, coordinates: Sequence[Value], strides: Sequence[int]) -> Value:
        b, total = self.context.builder, I64(0)
        for at, stride in zip(coordinates, strides, strict=True):
            total = b.add(total, b.mul(at, I64(stride)))
        return total

    def _each_vector(self, body: Callable[[Value, Value, Value], None]) -> None:
        """body(pair of terms, first of 16 columns, where they are packed)."""
        b, target = self.context.builder, self._scratch(self.product.packed)
        with x.loop(b, I64(0), I64(self.columns), WIDTH) as column, x.loop(b, I64(0), I64(self.k // 2), 1) as pair:
            body(pair, column, x.moved(b, target, b.add(b.mul(pair, I64(self.columns)), column), 4))

    def _pack_pairs(self, across: int) -> None:
        """Terms lie side by side: each pair is one 32-bit load."""
        b, start = self.context.builder, self.context.row_start(self.product.b)

        def body(pair: Value, column: Value, target: Value) -> None:
            source = x.moved(b, x.moved(b, start, b.mul(column, I64(across)), 2), pair, 4)
            vector = ir.Constant(lanes(I32, WIDTH), ir.Undefined)
            for lane in range(WIDTH):
                one = b.load(x.moved(b, source, I64(lane * across), 2), typ=I32, align=2)
                vector = b.insert_element(vector, one, I32(lane))
            b.store(vector, target, align=4)

        self._each_vector(body)

    def _pack_rows(self, along: int) -> None:
        """Columns lie side by side: two vectors are interleaved."""
        b, start = self.context.builder, self.context.row_start(self.product.b)

        def body(pair: Value, column: Value, target: Value) -> None:
            source = x.moved(b, x.moved(b, start, b.mul(pair, I64(2 * along)), 2), column, 2)
            even = b.load(source, typ=lanes(I16, WIDTH), align=2)
            odd = b.load(x.moved(b, source, I64(along), 2), typ=lanes(I16, WIDTH), align=2)
            order = [lane // 2 + WIDTH * (lane % 2) for lane in range(2 * WIDTH)]
            b.store(x.shuffled(b, even, odd, order), target, align=4)

        self._each_vector(body)

    # Sums

    def _digit_rows(self) -> list[Value]:
        count = 2 if self.product.split else 1
        return [self._scratch(self.product.digits + 2 * self.even * digit) for digit in range(count)]

    def _copy_row(self) -> None:
        """a as int16, or its low and high digit, contiguous in the scratch memory."""
        context, b, product = self.context, self.context.builder, self.product
        rows = tuple(0 for _ in product.a.rows)
        steps = contiguous(product.terms)
        targets = [
            Place(SCRATCH, 16, rows, steps, product.digits + 2 * self.even * digit)
            for digit in range(2 if product.split else 1)
        ]

        def body(point: Point) -> None:
            value = point.read(product.a)
            if not product.split:
                point.write(targets[0], value)
                return
            point.write(targets[0], x.resized(b, x.resized(b, value, 8), 16))
            point.write(targets[1], b.ashr(b.add(value, x.constant(value, 128)), x.constant(value, 8)))

        visit(context, {place: context.row_start(place) for place in (product.a, *targets)}, product.terms, body)
        if self.k % 2:
            for row in self._digit_rows():
                b.store(I16(0), x.moved(b, row, I64(self.k), 2), align=2)

    def _sums(self, first: Value, count: int, pairs: tuple[int, int]) -> None:
        """acc of `count` vectors of columns from vector `first` on, over a range of pairs of terms."""
        b, product = self.context.builder, self.product
        zero = ir.Constant(lanes(I32, WIDTH), [0] * WIDTH)
        digits = self._digit_rows()
        sums = [[self.context.variable(zero) for _ in range(count)] for _ in digits]
        start = x.moved(b, self._scratch(product.packed), b.mul(first, I64(WIDTH)), 4)
        with x.loop(b, I64(pairs[0]), I64(pairs[1]), 1) as pair:
            row = x.moved(b, start, b.mul(pair, I64(self.columns)), 4)
            factors = [x.splat(b, b.load(x.moved(b, digit, pair, 4), typ=I32, align=4), WIDTH) for digit in digits]
            for number in range(count):
                packed = b.load(x.moved(b, row, I64(number * WIDTH), 4), typ=PAIRS, align=4)
                for factor, held in zip(factors, sums, strict=True):
                    term = _multiply_add_pairs(b, b.bitcast(factor, PAIRS), packed)
                    b.store(b.add(b.load(held[number], typ=zero.type), term), held[number])
        bits = 64 if product.wide else 32
        result = x.moved(b, self._scratch(product.result), b.mul(first, I64(WIDTH)), bits // 8)
        for number in range(count):
            parts = [x.resized(b, b.load(held[number], typ=zero.type), bits) for held in sums]
            total = parts[0]
            if product.split:
                total = b.add(total, b.shl(parts[1], x.constant(total, 8)))
            target = x.moved(b, result, I64(number * WIDTH), bits // 8)
            if pairs[0]:
                total = b.add(total, b.load(target, typ=total.type, align=bits // 8))
            b.store(total, target, align=bits // 8)


def _multiply_add_pairs(b: ir.IRBuilder, p: Value, q: Value) -> Value:
    """p[2i]*q[2i] + p[2i+1]*q[2i+1] of 16 pairs of int16, as int32."""
    wide = lanes(I32, 2 * WIDTH)
    product = b.mul(b.sext(p, wide), b.sext(q, wide))
    even = x.shuffled(b, product, product, range(0, 2 * WIDTH, 2))
    return b.add(even, x.shuffled(b, product, product, range(1, 2 * WIDTH, 2)))
