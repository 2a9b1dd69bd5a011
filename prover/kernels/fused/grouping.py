"""Sorts a program's operators into steps: runs of operators over the same rows become one kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prover.kernels.fused.forms import (
    Form,
    Kind,
    forms,
    is_prefix,
    refined,
    result_strides,
    row_extents,
    row_factor_slots,
    sort_axes,
    spread,
)
from prover.kernels.fused.graph import Node, Result

MAX_MEMBERS = 40
MAX_ROW_BYTES = 1 << 19
"""Of all results of a row: more would not stay in cache."""


@dataclass(frozen=True)
class Draft:
    """A node that is computed in a certain form."""

    node: Node
    form: Form

    @property
    def row_elements(self) -> int:
        """Elements of the result in one row."""
        if self.form.kind is Kind.REDUCTION:
            return 1
        return math.prod(self.node.lean.shape[axis] for axis in self.form.inner)


@dataclass(frozen=True, slots=True)
class InRow:
    """A view onto the same row of another member: offset in the row, and strides over the axes that are no rows."""

    offset: int
    axes: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass
class Group:
    """Operators that share rows, in program order; `rows` are the coarsest extents that suit them all."""

    drafts: list[Draft]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, draft: Draft) -> Group:
        return cls([draft], row_extents(draft.node.lean, draft.form))

    @property
    def members(self) -> dict[Result, Draft]:
        return {draft.node.key: draft for draft in self.drafts}

    def join(self, node: Node) -> bool:
        """Take a node in, if one of its forms has these rows and reads other members in its own row only."""
        row_bytes = sum(draft.row_elements * draft.node.lean.dtype.size for draft in self.drafts)
        if len(self.drafts) >= MAX_MEMBERS or row_bytes > MAX_ROW_BYTES:
            return False
        for form in forms(node):
            draft = Draft(node, form)
            rows = refined(self.rows, row_extents(node.lean, form))
            if rows is not None and self._reads_own_row(draft, rows):
                self.drafts.append(draft)
                self.rows = rows
                return True
        return False

    def _reads_own_row(self, draft: Draft, rows: tuple[int, ...]) -> bool:
        members = self.members
        for slot, tensor in enumerate(draft.node.tensors):
            if isinstance(tensor, Result) and tensor in members:
                elsewhere = slot in _whole_operands(draft)
                if elsewhere or in_row(draft, slot, members[tensor], rows) is None:
                    return False
        return True


def _whole_operands(draft: Draft) -> Sequence[int]:
    """Operands of which more than one row is needed."""
    if draft.node.name in ("table", "gather"):
        return (1,)
    if draft.form.kind is Kind.PRODUCT:
        return (0, 1)
    if draft.form.kind is Kind.ROW_PRODUCT:
        sort = sort_axes(draft.node)
        assert sort is not None
        return (row_factor_slots(sort)[1],)
    return ()


def row_strides(draft: Draft, strides: Sequence[int], rows: tuple[int, ...]) -> tuple[int, ...]:
    """Strides over a group's rows from strides over (at least) a node's output axes."""
    extents = row_extents(draft.node.lean, draft.form)
    return spread(extents, [strides[axis] for axis in draft.form.rows], rows)


def result_row_strides(draft: Draft, rows: tuple[int, ...]) -> tuple[int, ...]:
    """The result's strides over a group's rows."""
    return row_strides(draft, result_strides(draft.node.lean), rows)


def in_row(draft: Draft, slot: int, producer: Draft, rows: tuple[int, ...]) -> InRow | None:
    """Where an operand lies in the row of the member it reads; None if it may lie in another row."""
    view = draft.node.view(slot)
    if not is_prefix(producer.form) or row_strides(draft, view.strides, rows) != result_row_strides(producer, rows):
        return None
    axes = tuple(axis for axis in range(min(len(view.strides), draft.node.lean.axes)) if axis not in draft.form.rows)
    strides = tuple(view.strides[axis] for axis in axes)
    spans = [stride * (draft.node.lean.shape[axis] - 1) for axis, stride in zip(axes, strides, strict=True)]
    low = view.offset + sum(min(span, 0) for span in spans)
    high = view.offset + sum(max(span, 0) for span in spans)
    return InRow(view.offset, axes, strides) if low >= 0 and high < producer.row_elements else None


@dataclass
class Lone:
    """A node that runs by itself, by its torch kernel."""

    node: Node


def grouped(nodes: Sequence[Node]) -> list[Group | Lone]:
    """Every node in a group or alone, in program order."""
    steps: list[Group | Lone] = []
    for node in nodes:
        last = steps[-1] if steps else None
        if isinstance(last, Group) and last.join(node):
            continue
        form = next(forms(node), None)
        steps.append(Lone(node) if form is None else Group.of(Draft(node, form)))
    return steps
