"""What the code of a kernel has at hand while it is written: arguments, scratch, the row, values just computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from llvmlite import ir

from prover.kernels.fused import lanes as x
from prover.kernels.fused.description import SCRATCH, Argument, Held, Kernel, Place, Source
from prover.kernels.fused.lanes import I64, POINTER, Value


@dataclass
class Context:
    """`builder` writes where code now stands; `entry` at the end of the function's first block."""

    kernel: Kernel
    builder: ir.IRBuilder
    entry: ir.IRBuilder
    arguments: Value
    scratch: Value
    coordinates: tuple[Value, ...] = ()
    """Of the row now visited, per row axis."""
    row_values: dict[int, Value] = field(default_factory=dict)
    """One scalar per row: sums, maxima, and what is computed from them."""
    lane_values: dict[int, Value] = field(default_factory=dict)
    """Members' values at the inner coordinates now visited."""
    _numbers: dict[int, Value] = field(default_factory=dict)
    _splats: dict[tuple[int, int, int], Value] = field(default_factory=dict)

    def number(self, argument: int, bits: int = 64, width: int = 1) -> Value:
        """An argument in every lane, loaded once per call."""
        key = (argument, bits, width)
        if key not in self._splats:
            b = self.entry
            if argument not in self._numbers:
                self._numbers[argument] = b.load(x.moved(b, self.arguments, I64(argument), 8), typ=I64, align=8)
            self._splats[key] = x.splat(b, x.resized(b, self._numbers[argument], bits), width)
        return self._splats[key]

    def variable(self, initial: Value) -> Value:
        """The address of a variable that is set to a value here."""
        pointer = self.entry.alloca(initial.type)
        self.builder.store(initial, pointer)
        return pointer

    def row_start(self, place: Place) -> Value:
        """The address of a place in this row, at inner coordinates 0."""
        b = self.builder
        base = self.scratch if place.base == SCRATCH else b.inttoptr(self.number(place.base), POINTER)
        start = x.moved(b, base, I64(place.offset), 1) if place.offset else base
        for at, stride in zip(self.coordinates, place.rows, strict=True):
            if stride:
                start = x.moved(b, start, b.mul(at, I64(stride)), place.bits // 8)
        return start


@dataclass
class Point:
    """Inner coordinates at which `width` lanes are computed, along the last axis."""

    context: Context
    starts: dict[Place, Value]
    """Row starts of the places that the loop touches."""
    coordinates: Sequence[Value]
    width: int

    def address(self, place: Place) -> Value:
        b = self.context.builder
        pointer = self.starts[place]
        for at, stride in zip(self.coordinates, place.inner, strict=True):
            if stride:
                pointer = x.moved(b, pointer, b.mul(at, I64(stride)), place.bits // 8)
        return pointer

    def read(self, source: Source, bits: int = 32) -> Value:
        """A source's values here, sign-extended to `bits`."""
        context, b = self.context, self.context.builder
        match source:
            case Argument(index):
                return context.number(index, bits, self.width)
            case Held(member):
                if member in context.lane_values:
                    return x.resized(b, context.lane_values[member], bits)
                return x.splat(b, x.resized(b, context.row_values[member], bits), self.width)
            case Place():
                stride = source.inner[-1] if source.inner else 0
                if stride == 0 and self.width > 1:
                    one = b.load(self.address(source), typ=ir.IntType(source.bits), align=source.bits // 8)
                    return x.splat(b, x.resized(b, one, bits), self.width)
                stored = x.load(b, self.address(source), ir.IntType(source.bits), stride, self.width)
                return x.resized(b, stored, bits)
        raise AssertionError(source)

    def write(self, place: Place, value: Value) -> None:
        """Low bits of the lanes, into a place."""
        b = self.context.builder
        stride = place.inner[-1] if place.inner else 1
        x.store(b, x.resized(b, value, place.bits), self.address(place), stride)
