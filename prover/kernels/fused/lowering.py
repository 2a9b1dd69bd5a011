"""Turns a group of operators into a kernel's description: who computes what in which pass, and where values lie."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace

from prover.kernels.fused.bindings import Arguments, Digits, Raw
from prover.kernels.fused.bounds import INT32_MAX, bounds
from prover.kernels.fused.description import (
    SCRATCH,
    Finish,
    Kernel,
    Loop,
    Member,
    Pass,
    Place,
    RowProduct,
    Source,
)
from prover.kernels.fused.forms import Kind, row_factor_slots, row_product_split, sort_axes
from prover.kernels.fused.graph import Result
from prover.kernels.fused.grouping import Draft, Group, row_strides
from prover.kernels.fused.merging import merged_loop, merged_product
from prover.kernels.fused.operands import Operands
from prover.kernels.fused.row_products import padded_columns
from prover.kernels.fused.sums import RawForm
from prover.program import Immediate
from prover.views import contiguous


@dataclass
class Lowered:
    """A kernel with its arguments, and how many rows it has and takes at a time."""

    kernel: Kernel
    arguments: Arguments
    rows: int
    grain: int


@dataclass
class _Pass:
    extents: tuple[int, ...]
    members: list[int] = field(default_factory=list)
    product: RowProduct | None = None


@dataclass
class Lowering:
    """One group on its way to a kernel.

    `stored` are the results that someone else reads, `digits` how many digits of a result are wanted, `raws` how
    the products made beforehand lie.
    """

    group: Group
    stored: InitVar[Collection[Result]]
    digits: Mapping[Result, int]
    raws: Mapping[Result, RawForm]
    passes: list[_Pass] = field(default_factory=list)

    def __post_init__(self, stored: Collection[Result]) -> None:
        self.operands = Operands(self.group, stored)
        self.arguments = self.operands.arguments

    def lower(self) -> Lowered:
        for draft in self.group.drafts:
            self._add(draft)
        passes = tuple(self._merged(each) for each in self.passes)  # changes members
        extents = self.group.rows
        kernel = Kernel(
            (0, *extents[1:]) if extents else (),
            passes,
            tuple(self.operands.members),
            len(self.arguments.values),
            self.operands.scratch,
        )
        rows = math.prod(extents)
        batches = [each.rows_per_batch for each in passes if isinstance(each, RowProduct)]
        block = min(batches, default=0)
        grain = -(-block // max(1, -(-block // 64))) if block else -(-rows // 64)
        return Lowered(kernel, self.arguments, rows, grain)

    # Passes

    def _merged(self, each: _Pass) -> Pass:
        if each.product is not None:
            return merged_product(each.product)
        extents, members = merged_loop(each.extents, [self.operands.members[number] for number in each.members])
        for number, member in zip(each.members, members, strict=True):
            self.operands.members[number] = member
        return Loop(extents, tuple(each.members))

    def _add(self, draft: Draft) -> None:
        """Give a draft its pass and write its member."""
        earliest = 0
        if draft.form.kind is Kind.ROW_PRODUCT:
            product = self._row_product(draft)
            self.passes.append(_Pass((), product=product))
            earliest = len(self.passes)
        extents = tuple(draft.node.lean.shape[axis] for axis in draft.form.inner)
        for slot in self._own_slots(draft):
            producer = self.operands.producer(draft, slot)
            if producer is not None:
                at = self.operands.pass_of[producer]
                earliest = max(earliest, at if self.operands.same_point(draft, slot, producer) else at + 1)
        where = next(
            (i for i in range(earliest, len(self.passes)) if self._is_loop(i) and self.passes[i].extents == extents),
            len(self.passes),
        )
        if where == len(self.passes):
            self.passes.append(_Pass(extents))
        self.passes[where].members.append(len(self.operands.members))
        self.operands.pass_of.append(where)
        self.operands.members.append(self._member(draft, where))

    def _is_loop(self, index: int) -> bool:
        return self.passes[index].product is None

    def _own_slots(self, draft: Draft) -> Sequence[int]:
        """Operands that the member itself reads; products are read from their sums."""
        products = draft.form.kind in (Kind.PRODUCT, Kind.ROW_PRODUCT)
        return range(2, 4) if products else range(len(draft.node.tensors))

    # Members

    def _member(self, draft: Draft, where: int) -> Member:
        node, operator, kind = draft.node, draft.node.lean, draft.form.kind
        stores = (self.operands.result_place(draft),) if node.key in self.operands.stored else ()
        digits = tuple(
            self.operands.result_place(draft, Digits(node.key), digit) for digit in range(self.digits.get(node.key, 0))
        )
        largest, wide = bounds(node)
        member = Member(
            node.name, kind is Kind.REDUCTION, (), (), largest > INT32_MAX, self._finish(draft, where, wide)
        )
        member = replace(member, stores=stores, digits=digits)
        axes = draft.form.inner
        if kind is Kind.PRODUCT:
            sources, weights = self._planes(draft)
            return replace(member, name="planes", a=sources, weights=weights)
        if kind is Kind.ROW_PRODUCT:
            product = self.passes[max(i for i in range(where) if not self._is_loop(i))].product
            assert product is not None
            bits = 64 if product.wide else 32
            inner = contiguous(tuple(operator.shape[axis] for axis in axes))
            sums = Place(SCRATCH, bits, (0,) * len(self.group.rows), inner, product.result)
            return replace(member, name="planes", a=(sums,), weights=(0,))
        terms = range(operator.terms if kind is Kind.ELEMENT else 1)
        a = tuple(self.operands.source(draft, 0, where, axes, term) for term in terms)
        b: tuple[Source, ...] = ()
        if node.name in ("dot", "mul", "min", "max", "div") and not self._is_one(draft):
            constant = isinstance(operator.operands[1], Immediate)
            b = tuple(self.operands.source(draft, 1, where, axes, term) for term in (range(1) if constant else terms))
        if node.name in ("table", "gather"):
            member = self._with_table(draft, member)
        k = self.arguments.number(operator.k) if node.name in ("recip", "rsqrt") else None
        return replace(member, a=a, b=b, k=k)

    def _with_table(self, draft: Draft, member: Member) -> Member:
        """With the table of a table look-up or a gather, and a clamp if its values need one."""
        operator, held = draft.node.lean, draft.node.ranges[1]
        if operator.lo > held.lo or operator.hi < held.hi:
            member = replace(
                member,
                limits=(self.arguments.number(operator.lo), self.arguments.number(operator.hi)),
            )
        if draft.node.name == "table":
            return replace(member, table=self.operands.outside(draft, 1, ()))
        table = self.operands.outside(draft, 1, draft.form.inner)
        return replace(member, table=table, row_stride=draft.node.view(1).strides[-1])

    def _is_one(self, draft: Draft) -> bool:
        return draft.node.name in ("dot", "mul") and draft.node.lean.operands[1] == Immediate(1)

    def _finish(self, draft: Draft, where: int, wide: bool) -> Finish:
        operator, node = draft.node.lean, draft.node
        ends = {"table": lambda: (0, node.view(1).numel - 1), "gather": lambda: (0, operator.rows - 1)}
        lo, hi = ends[node.name]() if node.name in ends else (operator.lo, operator.hi)
        limits = self.arguments.number(lo), self.arguments.number(hi)
        if len(operator.operands) < 4:
            return Finish(False, *limits)
        m, c = operator.operands[2:]
        axes = () if draft.form.kind is Kind.REDUCTION else draft.form.inner
        addend = 1 << (operator.shift - 1) if operator.shift else 0
        c_source: Source | None = None
        lift: int | None = None
        if isinstance(c, Immediate):
            addend += c.value << operator.lift
        else:
            c_source = self.operands.source(draft, 3, where, axes)
            lift = self.arguments.number(operator.lift) if operator.lift else None
        return Finish(
            wide,
            *limits,
            None if m == Immediate(1) else self.operands.source(draft, 2, where, axes),
            c_source,
            lift,
            self.arguments.number(addend) if addend else None,
            self.arguments.number(operator.shift) if operator.shift else None,
        )

    def _planes(self, draft: Draft) -> tuple[tuple[Source, ...], tuple[int, ...]]:
        """The sums of a product made beforehand, and the power of 256 that each counts."""
        raw = self.raws[draft.node.key]
        sources: list[Source] = []
        rows = row_strides(draft, raw.strides, self.group.rows)
        inner = tuple(raw.strides[axis] for axis in draft.form.inner)
        for offset in raw.offsets:
            pointer = self.arguments.pointer(Raw(draft.node.key), offset * raw.bits // 8)
            sources.append(Place(pointer, raw.bits, rows, inner))
        return tuple(sources), raw.weights

    def _row_product(self, draft: Draft) -> RowProduct:
        sort = sort_axes(draft.node)
        assert sort is not None
        chosen = row_product_split(sort.product)
        assert chosen is not None
        split, length = chosen
        operator = draft.node.lean
        terms = tuple(range(len(operator.out_shape), operator.axes))
        first, second = row_factor_slots(sort)
        a = self.operands.source(draft, first, -1, terms)
        assert isinstance(a, Place)
        b = self.operands.outside(draft, second, (*sort.columns, *terms))
        even = operator.terms + operator.terms % 2
        wide = operator.terms * sort.product.a.magnitude * sort.product.b.magnitude > INT32_MAX
        columns = padded_columns((sort.product.n,))
        return RowProduct(
            a,
            b,
            tuple(operator.shape[axis] for axis in sort.columns),
            operator.term_shape,
            sort.product.m,
            split,
            length,
            wide,
            packed=self.operands.reserve(2 * columns * even),
            digits=self.operands.reserve(2 * even * (1 + split)),
            result=self.operands.reserve(columns * (8 if wide else 4)),
        )
