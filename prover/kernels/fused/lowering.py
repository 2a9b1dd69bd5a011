"""Turns a group of operators into a kernel's description: who computes what in which pass, and where values lie."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from prover.kernels.fused.bindings import Arguments, Digits, Raw
from prover.kernels.fused.bounds import INT32_MAX, bounds
from prover.kernels.fused.description import (
    SCRATCH,
    Argument,
    Finish,
    Held,
    Kernel,
    Loop,
    Member,
    Pass,
    Place,
    RowProduct,
    Source,
)
from prover.kernels.fused.forms import Kind, result_strides, row_factor_slots, row_product_split, sort_axes
from prover.kernels.fused.graph import Result
from prover.kernels.fused.grouping import Draft, Group, in_row, result_row_strides, row_strides
from prover.kernels.fused.merging import merged_loop, merged_product
from prover.kernels.fused.row_products import padded_columns
from prover.kernels.fused.sums import RawForm
from prover.program import Immediate, View
from prover.views import contiguous, coordinates


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
    stored: Collection[Result]
    digits: Mapping[Result, int]
    raws: Mapping[Result, RawForm]
    arguments: Arguments = field(default_factory=Arguments)
    passes: list[_Pass] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    pass_of: list[int] = field(default_factory=list)
    scratch: int = 0
    locations: dict[int, Place] = field(default_factory=dict)

    def lower(self) -> Lowered:
        self.numbers = {draft.node.key: index for index, draft in enumerate(self.group.drafts)}
        for draft in self.group.drafts:
            self._add(draft)
        passes = tuple(self._merged(each) for each in self.passes)  # changes members
        extents = self.group.rows
        kernel = Kernel(
            (0, *extents[1:]) if extents else (),
            passes,
            tuple(self.members),
            len(self.arguments.values),
            self.scratch,
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
        extents, members = merged_loop(each.extents, [self.members[number] for number in each.members])
        for number, member in zip(each.members, members, strict=True):
            self.members[number] = member
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
            producer = self._producer(draft, slot)
            if producer is not None:
                at = self.pass_of[producer]
                earliest = max(earliest, at if self._same_point(draft, slot, producer) else at + 1)
        where = next(
            (i for i in range(earliest, len(self.passes)) if self._is_loop(i) and self.passes[i].extents == extents),
            len(self.passes),
        )
        if where == len(self.passes):
            self.passes.append(_Pass(extents))
        self.passes[where].members.append(len(self.members))
        self.pass_of.append(where)
        self.members.append(self._member(draft, where))

    def _is_loop(self, index: int) -> bool:
        return self.passes[index].product is None

    def _own_slots(self, draft: Draft) -> Sequence[int]:
        """Operands that the member itself reads; products are read from their sums."""
        products = draft.form.kind in (Kind.PRODUCT, Kind.ROW_PRODUCT)
        return range(2, 4) if products else range(len(draft.node.tensors))

    def _producer(self, draft: Draft, slot: int) -> int | None:
        """The member that computes an operand, if it belongs to this group."""
        tensor = draft.node.tensors[slot]
        return self.numbers.get(tensor) if isinstance(tensor, Result) else None

    def _same_point(self, draft: Draft, slot: int, producer: int) -> bool:
        """Whether a member reads exactly what another has just computed at the same coordinates."""
        made = self.group.drafts[producer]
        if made.form.kind is Kind.REDUCTION:
            return False
        inner = tuple(draft.node.lean.shape[axis] for axis in draft.form.inner)
        made_inner = tuple(made.node.lean.shape[axis] for axis in made.form.inner)
        place = in_row(draft, slot, made, self.group.rows)
        assert place is not None
        unrolled = draft.form.kind is Kind.ELEMENT and draft.node.lean.reduced > 0
        return (
            inner == made_inner
            and place.axes == draft.form.inner
            and place.offset == 0
            and place.strides == contiguous(inner)
            and not unrolled
        )

    # Operands

    def _source(self, draft: Draft, slot: int, where: int, axes: tuple[int, ...], term: int = 0) -> Source:
        """An operand over the given axes, for a member of pass `where` (-1: not for a member, so from memory).

        `term` numbers one of a few terms that are written out.
        """
        operand = draft.node.lean.operands[slot]
        if isinstance(operand, Immediate):
            return Argument(self.arguments.number(operand.value))
        producer = self._producer(draft, slot)
        if producer is None:
            return self._outside(draft, slot, axes, term)
        if where >= 0 and (
            self.group.drafts[producer].row_elements == 1
            or (self.pass_of[producer] == where and self._same_point(draft, slot, producer))
        ):
            return Held(producer)
        location = self._location(producer)
        shift = (operand.offset + self._term_offset(draft, operand, term)) * location.bits // 8
        strides = tuple(operand.strides[axis] for axis in axes)
        return replace(location, inner=strides, offset=location.offset + shift)

    def _term_offset(self, draft: Draft, view: View, term: int) -> int:
        operator = draft.node.lean
        outer = len(operator.out_shape)
        unrolled = draft.form.kind is Kind.ELEMENT and len(view.strides) > outer
        at = coordinates(term, operator.term_shape) if unrolled else ()
        return sum(s * t for s, t in zip(view.strides[outer:], at, strict=False))

    def _outside(self, draft: Draft, slot: int, axes: tuple[int, ...], term: int = 0) -> Place:
        view, tensor = draft.node.view(slot), draft.node.tensors[slot]
        assert tensor is not None
        size = view.dtype.size
        return Place(
            self.arguments.pointer(tensor, view.offset * size),
            8 * size,
            row_strides(draft, view.strides, self.group.rows) if view.strides else (0,) * len(self.group.rows),
            tuple(view.strides[axis] for axis in axes),
            self._term_offset(draft, view, term) * size,
        )

    def _location(self, member: int) -> Place:
        """Where a member's row lies for passes after its own: where it is stored anyway, or in scratch memory."""
        if member not in self.locations:
            draft = self.group.drafts[member]
            if draft.node.key in self.stored:
                self.locations[member] = self._result_place(draft)
            else:
                size = draft.node.lean.dtype.size
                reduces = draft.form.kind is Kind.REDUCTION
                inner = () if reduces else contiguous(tuple(draft.node.lean.shape[axis] for axis in draft.form.inner))
                offset = self._reserve(draft.row_elements * size)
                place = Place(SCRATCH, 8 * size, (0,) * len(self.group.rows), inner, offset)
                held = self.members[member]
                self.members[member] = replace(held, stores=(*held.stores, place))
                self.locations[member] = place
        return self.locations[member]

    def _reserve(self, count: int) -> int:
        start = self.scratch
        self.scratch = -(-(start + count) // 64) * 64
        return start

    def _result_place(self, draft: Draft, buffer: Digits | None = None, digit: int = 0) -> Place:
        """Where a result, or one of its digits, is stored for others."""
        operator = draft.node.lean
        strides = result_strides(operator)
        inner = () if draft.form.kind is Kind.REDUCTION else tuple(strides[axis] for axis in draft.form.inner)
        rows = result_row_strides(draft, self.group.rows)
        if buffer is not None:
            return Place(self.arguments.pointer(buffer, digit * operator.numel), 8, rows, inner)
        return Place(self.arguments.pointer(draft.node.key), 8 * operator.dtype.size, rows, inner)

    # Members

    def _member(self, draft: Draft, where: int) -> Member:
        node, operator, kind = draft.node, draft.node.lean, draft.form.kind
        stores = (self._result_place(draft),) if node.key in self.stored else ()
        digits = tuple(
            self._result_place(draft, Digits(node.key), digit) for digit in range(self.digits.get(node.key, 0))
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
        a = tuple(self._source(draft, 0, where, axes, term) for term in terms)
        b: tuple[Source, ...] = ()
        if node.name in ("dot", "mul", "min", "max", "div") and not self._is_one(draft):
            constant = isinstance(operator.operands[1], Immediate)
            b = tuple(self._source(draft, 1, where, axes, term) for term in (range(1) if constant else terms))
        if node.name in ("table", "gather"):
            member = self._with_table(draft, member)
        k = self.arguments.number(operator.k) if node.name in ("recip", "rsqrt") else None
        return replace(member, a=a, b=b, k=k)

    def _with_table(self, draft: Draft, member: Member) -> Member:
        """With the table of a table look-up or a gather, and a clamp if its values need one."""
        operator, held = draft.node.lean, draft.node.ranges[1]
        if operator.lo > held.lo or operator.hi < held.hi:
            member = replace(member, limits=(self.arguments.number(operator.lo), self.arguments.number(operator.hi)))
        if draft.node.name == "table":
            return replace(member, table=self._outside(draft, 1, ()))
        table = self._outside(draft, 1, draft.form.inner)
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
            c_source = self._source(draft, 3, where, axes)
            lift = self.arguments.number(operator.lift) if operator.lift else None
        return Finish(
            wide,
            *limits,
            None if m == Immediate(1) else self._source(draft, 2, where, axes),
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
        a = self._source(draft, first, -1, terms)
        assert isinstance(a, Place)
        b = self._outside(draft, second, (*sort.columns, *terms))
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
            packed=self._reserve(2 * columns * even),
            digits=self._reserve(2 * even * (1 + split)),
            result=self._reserve(columns * (8 if wide else 4)),
        )
