"""Where the operands of a group's members lie: memory, scratch memory, or a value of the same pass."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from prover.kernels.fused.bindings import Arguments, Digits
from prover.kernels.fused.description import SCRATCH, Argument, Held, Member, Place, Source
from prover.kernels.fused.forms import Kind, result_strides
from prover.kernels.fused.graph import Result
from prover.kernels.fused.grouping import Draft, Group, in_row, result_row_strides, row_strides
from prover.program import Immediate, View
from prover.views import contiguous, coordinates


@dataclass
class Operands:
    """A group's members as they are written, the pass of each, and what they read and store.

    `stored` are the results that someone else reads; `scratch` counts bytes per thread.
    """

    group: Group
    stored: Collection[Result]
    arguments: Arguments = field(default_factory=Arguments)
    members: list[Member] = field(default_factory=list)
    pass_of: list[int] = field(default_factory=list)
    scratch: int = 0
    locations: dict[int, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {draft.node.key: index for index, draft in enumerate(self.group.drafts)}

    def producer(self, draft: Draft, slot: int) -> int | None:
        """The member that computes an operand, if it belongs to this group."""
        tensor = draft.node.tensors[slot]
        return self.numbers.get(tensor) if isinstance(tensor, Result) else None

    def same_point(self, draft: Draft, slot: int, producer: int) -> bool:
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

    def source(self, draft: Draft, slot: int, where: int, axes: tuple[int, ...], term: int = 0) -> Source:
        """An operand over the given axes, for a member of pass `where` (-1: not for a member, so from memory).

        `term` numbers one of a few terms that are written out.
        """
        operand = draft.node.lean.operands[slot]
        if isinstance(operand, Immediate):
            return Argument(self.arguments.number(operand.value))
        producer = self.producer(draft, slot)
        if producer is None:
            return self.outside(draft, slot, axes, term)
        if where >= 0 and (
            self.group.drafts[producer].row_elements == 1
            or (self.pass_of[producer] == where and self.same_point(draft, slot, producer))
        ):
            return Held(producer)
        location = self.location(producer)
        shift = (operand.offset + self._term_offset(draft, operand, term)) * location.bits // 8
        strides = tuple(operand.strides[axis] for axis in axes)
        return replace(location, inner=strides, offset=location.offset + shift)

    def _term_offset(self, draft: Draft, view: View, term: int) -> int:
        operator = draft.node.lean
        outer = len(operator.out_shape)
        unrolled = draft.form.kind is Kind.ELEMENT and len(view.strides) > outer
        at = coordinates(term, operator.term_shape) if unrolled else ()
        return sum(s * t for s, t in zip(view.strides[outer:], at, strict=False))

    def outside(self, draft: Draft, slot: int, axes: tuple[int, ...], term: int = 0) -> Place:
        """An operand that another group or nobody computes, in memory."""
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

    def location(self, member: int) -> Place:
        """Where a member's row lies for passes after its own: where it is stored anyway, or in scratch memory."""
        if member not in self.locations:
            draft = self.group.drafts[member]
            if draft.node.key in self.stored:
                self.locations[member] = self.result_place(draft)
            else:
                size = draft.node.lean.dtype.size
                reduces = draft.form.kind is Kind.REDUCTION
                inner = () if reduces else contiguous(tuple(draft.node.lean.shape[axis] for axis in draft.form.inner))
                offset = self.reserve(draft.row_elements * size)
                place = Place(SCRATCH, 8 * size, (0,) * len(self.group.rows), inner, offset)
                held = self.members[member]
                self.members[member] = replace(held, stores=(*held.stores, place))
                self.locations[member] = place
        return self.locations[member]

    def reserve(self, count: int) -> int:
        """The offset of `count` more bytes of scratch memory, aligned to 64."""
        start = self.scratch
        self.scratch = -(-(start + count) // 64) * 64
        return start

    def result_place(self, draft: Draft, buffer: Digits | None = None, digit: int = 0) -> Place:
        """Where a result, or one of its digits, is stored for others."""
        operator = draft.node.lean
        strides = result_strides(operator)
        inner = () if draft.form.kind is Kind.REDUCTION else tuple(strides[axis] for axis in draft.form.inner)
        rows = result_row_strides(draft, self.group.rows)
        if buffer is not None:
            return Place(self.arguments.pointer(buffer, digit * operator.numel), 8, rows, inner)
        return Place(self.arguments.pointer(draft.node.key), 8 * operator.dtype.size, rows, inner)
