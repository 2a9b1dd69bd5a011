"""Integer arithmetic on vectors of lanes in LLVM: the scalar meanings of the operator table, lane by lane.

Values of tensors are int32 lanes, whatever their stored width; accumulators may be int64 lanes. One lane is a
scalar. Every function returns the bits of `prover.operators`, given that nothing leaves int64 (validity).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from llvmlite import ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
DOUBLE = ir.DoubleType()
POINTER = ir.PointerType()
WIDTH = 16
"""Lanes of a vector: one AVX-512 register of int32; LLVM splits them where registers are narrower."""

Value: TypeAlias = Any
"""An llvmlite value; the library has no types."""


def lanes(element: ir.Type, width: int) -> ir.Type:
    return element if width == 1 else ir.VectorType(element, width)


def width_of(value: Value) -> int:
    return value.type.count if isinstance(value.type, ir.VectorType) else 1


def bits_of(value: Value) -> int:
    scalar = value.type.element if isinstance(value.type, ir.VectorType) else value.type
    return int(scalar.width)


def constant(like: Value, number: int) -> Value:
    """The same number in every lane, of another value's type."""
    width = width_of(like)
    return ir.Constant(like.type, number if width == 1 else [number] * width)


def resized(b: ir.IRBuilder, value: Value, bits: int) -> Value:
    """Sign-extended, or cut to the low bits."""
    have = bits_of(value)
    to = lanes(ir.IntType(bits), width_of(value))
    return value if have == bits else b.sext(value, to) if have < bits else b.trunc(value, to)


def splat(b: ir.IRBuilder, scalar: Value, width: int) -> Value:
    if width == 1:
        return scalar
    start = ir.Constant(lanes(scalar.type, width), ir.Undefined)
    one = b.insert_element(start, scalar, I32(0))
    return b.shuffle_vector(one, start, ir.Constant(lanes(I32, width), [0] * width))


def shuffled(b: ir.IRBuilder, first: Value, second: Value, order: Sequence[int]) -> Value:
    return b.shuffle_vector(first, second, ir.Constant(lanes(I32, len(order)), list(order)))


def smaller(b: ir.IRBuilder, x: Value, y: Value) -> Value:
    return b.select(b.icmp_signed("<", x, y), x, y)


def larger(b: ir.IRBuilder, x: Value, y: Value) -> Value:
    return b.select(b.icmp_signed(">", x, y), x, y)


def each_lane(b: ir.IRBuilder, values: Sequence[Value], function: Callable[..., Value]) -> Value:
    """A function of scalars, applied lane by lane."""
    width = width_of(values[0])
    if width == 1:
        return function(*values)
    result: Value | None = None
    for lane in range(width):
        one = function(*(b.extract_element(value, I32(lane)) for value in values))
        if result is None:
            result = ir.Constant(lanes(one.type, width), ir.Undefined)
        result = b.insert_element(result, one, I32(lane))
    return result


def across(b: ir.IRBuilder, value: Value, combine: Callable[[ir.IRBuilder, Value, Value], Value]) -> Value:
    """All lanes combined into one scalar, halving the vector."""
    width = width_of(value)
    while width > 1:
        half = width // 2
        low = shuffled(b, value, value, range(half)) if half > 1 else b.extract_element(value, I32(0))
        high = shuffled(b, value, value, range(half, width)) if half > 1 else b.extract_element(value, I32(1))
        value, width = combine(b, low, high), half
    return value


def divide_floor(b: ir.IRBuilder, x: Value, y: Value) -> Value:
    """floor(x / y) of int64 lanes, y > 0."""

    def one(n: Value, d: Value) -> Value:
        quotient = b.sdiv(n, d)
        below = b.icmp_signed("<", b.sub(n, b.mul(quotient, d)), I64(0))
        return b.sub(quotient, b.zext(below, I64))

    return each_lane(b, (x, y), one)


def reciprocal(b: ir.IRBuilder, a: Value, k: Value) -> Value:
    """floor((2^k + floor(x/2)) / x), x = max(a, 1), from int32 lanes; k an int64 scalar. int64 lanes."""

    def one(value: Value) -> Value:
        x = b.sext(larger(b, value, I32(1)), I64)
        return b.udiv(b.add(b.shl(I64(1), k), b.lshr(x, I64(1))), x)

    return each_lane(b, (a,), one)


def reciprocal_root(b: ir.IRBuilder, a: Value, k: Value) -> Value:
    """isqrt(floor(2^(2k) / max(a, 1))), int64 lanes."""

    def one(value: Value) -> Value:
        x = b.sext(larger(b, value, I32(1)), I64)
        return _floor_root(b, b.udiv(b.shl(I64(1), b.shl(k, I64(1))), x))

    return each_lane(b, (a,), one)


def root(b: ir.IRBuilder, a: Value) -> Value:
    """isqrt(max(a, 0)), int64 lanes."""
    return each_lane(b, (a,), lambda value: _floor_root(b, b.sext(larger(b, value, I32(0)), I64)))


def _floor_root(b: ir.IRBuilder, x: Value) -> Value:
    """Of an int64 0 .. 2^62: the double root is within one of it, the integers settle which."""
    guess = b.fptosi(b.call(b.module.declare_intrinsic("llvm.sqrt", [DOUBLE]), [b.sitofp(x, DOUBLE)]), I64)
    guess = b.sub(guess, b.zext(b.icmp_signed(">", b.mul(guess, guess), x), I64))
    above = b.add(guess, I64(1))
    return b.select(b.icmp_signed("<=", b.mul(above, above), x), above, guess)


# Control flow and memory


@contextmanager
def loop(b: ir.IRBuilder, start: Value, stop: Value, step: int) -> Iterator[Value]:
    """Counts an int64 from start in steps while it is below stop; the body is what is built inside."""
    before, head = b.block, b.append_basic_block("head")
    body, after = b.append_basic_block("body"), b.append_basic_block("after")
    b.branch(head)
    b.position_at_end(head)
    at = b.phi(I64)
    at.add_incoming(start, before)
    b.cbranch(b.icmp_signed("<", at, stop), body, after)
    b.position_at_end(body)
    yield at
    at.add_incoming(b.add(at, I64(step)), b.block)
    b.branch(head)
    b.position_at_end(after)


def moved(b: ir.IRBuilder, pointer: Value, count: Value, size: int) -> Value:
    """A byte pointer, `count` elements of `size` bytes further."""
    return b.gep(pointer, [b.mul(count, I64(size)) if size != 1 else count], source_etype=I8)


def load(b: ir.IRBuilder, pointer: Value, element: ir.IntType, stride: int, width: int) -> Value:
    """`width` elements, `stride` elements apart, in their stored type. Never reads between or beyond them all."""
    size = element.width // 8
    if width == 1 or stride == 0:
        return splat(b, b.load(pointer, typ=element, align=size), width)
    vector = lanes(element, width)
    if stride == 1:
        return b.load(pointer, typ=vector, align=size)
    if stride == -1:
        value = b.load(moved(b, pointer, I64(1 - width), size), typ=vector, align=size)
        return shuffled(b, value, value, range(width - 1, -1, -1))
    if stride == 2:  # elements 0 .. 2w-2, as two vectors that end there
        low = b.load(pointer, typ=vector, align=size)
        high = b.load(moved(b, pointer, I64(width - 1), size), typ=vector, align=size)
        return shuffled(b, low, high, [*range(0, width, 2), *range(width + 1, 2 * width, 2)])
    result = ir.Constant(vector, ir.Undefined)
    for lane in range(width):
        one = b.load(moved(b, pointer, I64(lane * stride), size), typ=element, align=size)
        result = b.insert_element(result, one, I32(lane))
    return result


def store(b: ir.IRBuilder, value: Value, pointer: Value, stride: int) -> None:
    """The lanes of a value, `stride` elements apart, in its own type."""
    size, width = bits_of(value) // 8, width_of(value)
    if width == 1 or stride == 1:
        b.store(value, pointer, align=size)
        return
    for lane in range(width):
        b.store(b.extract_element(value, I32(lane)), moved(b, pointer, I64(lane * stride), size), align=size)
