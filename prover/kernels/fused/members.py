"""Writes the code of a kernel's members: one element of each fused operator, in lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from prover.kernels.fused import lanes as x
from prover.kernels.fused.context import Context, Point
from prover.kernels.fused.description import Finish, Held, Member, Place
from prover.kernels.fused.lanes import I32, I64, Value, lanes

Combine = Callable[[ir.IRBuilder, Value, Value], Value]


def finished(point: Point, finish: Finish, acc: Value) -> Value:
    """fin(acc) as int32 lanes."""
    context, b, width = point.context, point.context.builder, x.width_of(acc)
    bits = 64 if finish.wide else 32
    value = x.resized(b, acc, bits)
    if finish.m is not None:
        value = b.mul(value, point.read(finish.m, bits))
    if finish.c is not None:
        addend = point.read(finish.c, bits)
        value = b.add(value, b.shl(addend, context.number(finish.lift, bits, width)) if finish.lift else addend)
    if finish.addend is not None:
        value = b.add(value, context.number(finish.addend, bits, width))
    if finish.shift is not None:
        value = b.ashr(value, context.number(finish.shift, bits, width))
    return clamped(context, value, finish.lo, finish.hi)


def clamped(context: Context, value: Value, lo: int, hi: int) -> Value:
    """Between two arguments, as int32 lanes."""
    b, bits, width = context.builder, x.bits_of(value), x.width_of(value)
    value = x.larger(b, value, context.number(lo, bits, width))
    return x.resized(b, x.smaller(b, value, context.number(hi, bits, width)), 32)


def element(point: Point, member: Member) -> Value:
    """What a member that does not reduce computes, int32 lanes."""
    context, b, finish = point.context, point.context.builder, member.finish
    if member.name == "planes":
        return finished(point, finish, _planes(point, member))
    if member.name == "div":
        return _divided(point, member)
    if member.name == "table":
        return _looked_up(point, member)
    if member.name == "gather":
        return _gathered(point, member)
    if member.name in ("recip", "rsqrt", "isqrt"):
        a = point.read(member.a[0])
        k = context.number(member.k) if member.k is not None else I64(0)
        values = {
            "recip": lambda: x.reciprocal(b, a, k),
            "rsqrt": lambda: x.reciprocal_root(b, a, k),
            "isqrt": lambda: x.root(b, a),
        }[member.name]()
        return clamped(context, values, finish.lo, finish.hi)
    if member.name in ("min", "max"):
        choose = x.smaller if member.name == "min" else x.larger
        return finished(point, finish, choose(b, point.read(member.a[0]), point.read(member.b[0])))
    return finished(point, finish, _sum_of_products(point, member))


def _planes(point: Point, member: Member) -> Value:
    """Sum of plane * 256^weight."""
    b, bits = point.context.builder, 64 if member.wide else 32
    total: Value | None = None
    for source, weight in zip(member.a, member.weights, strict=True):
        value = point.read(source, bits)
        if weight:
            value = b.shl(value, x.constant(value, 8 * weight))
        total = value if total is None else b.add(total, value)
    return total


def _sum_of_products(point: Point, member: Member) -> Value:
    """Sum of a*b over the terms; without b, of a."""
    b, bits = point.context.builder, 64 if member.wide else 32
    total: Value | None = None
    for index, source in enumerate(member.a):
        value = point.read(source, bits)
        if member.b:
            value = b.mul(value, point.read(member.b[index % len(member.b)], bits))
        total = value if total is None else b.add(total, value)
    return total


def _divided(point: Point, member: Member) -> Value:
    """clamp(floor((2n + d) / (2d))), d = max(b, 1)."""
    context, b, finish = point.context, point.context.builder, member.finish
    n = point.read(member.a[0], 64)
    if finish.m is not None:
        n = b.mul(n, point.read(finish.m, 64))
    if finish.c is not None:
        addend = point.read(finish.c, 64)
        n = b.add(n, b.shl(addend, context.number(finish.lift, 64, point.width)) if finish.lift else addend)
    if finish.addend is not None:
        n = b.add(n, context.number(finish.addend, 64, point.width))
    divisor = point.read(member.b[0], 64)
    d = x.larger(b, divisor, x.constant(divisor, 1))
    quotient = x.divide_floor(b, b.add(b.add(n, n), d), b.add(d, d))
    return clamped(context, quotient, finish.lo, finish.hi)


def _looked_up(point: Point, member: Member) -> Value:
    """table[clamp(fin(a), 0, n - 1)]; finish.lo and hi are the ends of the table."""
    context, b, table = point.context, point.context.builder, member.table
    assert table is not None
    index = finished(point, member.finish, point.read(member.a[0], 64 if member.finish.wide else 32))
    start, stored = point.starts[table], ir.IntType(table.bits)

    def one(at: Value) -> Value:
        return b.load(x.moved(b, start, b.zext(at, I64), table.bits // 8), typ=stored, align=table.bits // 8)

    value = x.resized(b, x.each_lane(b, (index,), one), 32)
    return clamped(context, value, *member.limits) if member.limits else value


def _gathered(point: Point, member: Member) -> Value:
    """The table at these coordinates, in row clamp(index)."""
    context, b, table, (index,) = point.context, point.context.builder, member.table, member.a
    assert table is not None
    row = b.sext(clamped(context, point.read(index), member.finish.lo, member.finish.hi), lanes(I64, point.width))
    start, stored, size = point.address(table), ir.IntType(table.bits), table.bits // 8
    step = table.inner[-1] if table.inner else 0
    same = not isinstance(index, Place) or not index.inner or index.inner[-1] == 0
    if same and not (isinstance(index, Held) and index.member in context.lane_values):
        first = row if point.width == 1 else b.extract_element(row, I32(0))
        pointer = x.moved(b, start, b.mul(first, I64(member.row_stride)), size)
        value = x.load(b, pointer, stored, step, point.width)
    else:
        lane = ir.Constant(lanes(I64, point.width), [step * n for n in range(point.width)] if point.width > 1 else 0)
        at = b.add(b.mul(row, x.constant(row, member.row_stride)), lane)
        value = x.each_lane(b, (at,), lambda one: b.load(x.moved(b, start, one, size), typ=stored, align=size))
    value = x.resized(b, value, 32)
    return clamped(context, value, *member.limits) if member.limits else value


@dataclass
class Accumulator:
    """A reduction over the inner coordinates of a loop: per width of lanes, a variable."""

    context: Context
    member: Member
    variables: dict[int, list[Value]]

    @classmethod
    def start(cls, context: Context, member: Member, widths: Sequence[int]) -> Accumulator:
        bits = 64 if member.wide else 32
        initial = 0 if member.name == "dot" else -(1 << 31)
        count = 2 if member.name == "reduce_absmax" else 1
        variables = {}
        for width in widths:
            kind = lanes(ir.IntType(bits), width)
            value = ir.Constant(kind, initial if width == 1 else [initial] * width)
            variables[width] = [context.variable(value) for _ in range(count)]
        return cls(context, member, variables)

    def add(self, point: Point) -> None:
        b, held = self.context.builder, self.variables[point.width]
        if self.member.name == "dot":
            terms = [_sum_of_products(point, self.member)]
        else:
            a = point.read(self.member.a[0], 64 if self.member.wide else 32)
            terms = [a] if len(held) == 1 else [a, b.neg(a)]
        for variable, term in zip(held, terms, strict=True):
            kind = term.type
            b.store(self._combine(b, b.load(variable, typ=kind), term), variable)

    @property
    def _combine(self) -> Combine:
        return (lambda b, p, q: b.add(p, q)) if self.member.name == "dot" else x.larger

    def result(self, point: Point) -> Value:
        """The finished value, one int32."""
        b, combine = self.context.builder, self._combine
        bits = 64 if self.member.wide else 32
        total: Value | None = None
        for width, variables in self.variables.items():
            for variable in variables:
                value = x.across(b, b.load(variable, typ=lanes(ir.IntType(bits), width)), combine)
                total = value if total is None else combine(b, total, value)
        if self.member.name == "dot":
            return finished(point, self.member.finish, total)
        return clamped(self.context, total, self.member.finish.lo, self.member.finish.hi)


__all__ = ["I32", "Accumulator", "clamped", "element", "finished"]
