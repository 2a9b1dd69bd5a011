"""Plans a program for a batch size: groups and lone operators, products before the kernels that finish them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prover.kernels.digits import Range
from prover.kernels.fused.arena import Span
from prover.kernels.fused.bindings import Buffer, Digits, Pointer, Raw
from prover.kernels.fused.forms import Kind, row_factor_slots, sort_axes
from prover.kernels.fused.graph import Node, Result, nodes_of
from prover.kernels.fused.grouping import Draft, Group, Lone, grouped
from prover.kernels.fused.lowering import Lowered, Lowering
from prover.kernels.fused.splitting import splitting
from prover.kernels.fused.sums import ProductPlan, plan_product
from prover.kernels.selection import Selection
from prover.program import Program, TensorRoot


@dataclass(frozen=True)
class KernelStep:
    """A fused kernel."""

    lowered: Lowered
    names: tuple[str, ...]

    @property
    def touched(self) -> set[Buffer]:
        return {value.buffer for value in self.lowered.arguments.values if isinstance(value, Pointer)}


@dataclass(frozen=True)
class ProductStep:
    """A product by a matmul backend, into its raw buffer."""

    plan: ProductPlan

    @property
    def touched(self) -> set[Buffer]:
        return {self.plan.row_factor, self.plan.column_factor, Raw(self.plan.node.key)}


@dataclass(frozen=True)
class LoneStep:
    """One operator by its torch kernel."""

    node: Node

    @property
    def touched(self) -> set[Buffer]:
        return {self.node.key, *(tensor for tensor in self.node.tensors if tensor is not None)}


Step = KernelStep | ProductStep | LoneStep


@dataclass(frozen=True)
class Schedule:
    """The steps of a program, and the bytes and lifetimes of the buffers that they share."""

    steps: tuple[Step, ...]
    spans: dict[Buffer, Span]
    last_use: dict[Buffer, int]
    checkpoints: dict[Result, Node]
    """The operators whose results are kept."""


def schedule(
    program: Program, batch: int, weights: Mapping[TensorRoot, Range], selection: Selection, *, fuse: bool
) -> Schedule:
    """Plan a program; without `fuse` every operator runs alone."""
    nodes = nodes_of(program, batch, weights)
    groups: list[Group | Lone] = grouped(nodes) if fuse else [Lone(node) for node in nodes]
    checkpoints = {node.key: node for node in nodes if node.key.operator in program.layers[node.key.layer].outputs}
    planned = {
        draft.node.key: plan_product(draft.node, selection)
        for group in groups
        if isinstance(group, Group)
        for draft in group.drafts
        if draft.form.kind is Kind.PRODUCT
    }
    digits = {
        plan.row_factor: plan.sort.product.a.digits for plan in planned.values() if isinstance(plan.row_factor, Digits)
    }
    stored = {*checkpoints} | set(_read_elsewhere(groups, planned))
    steps: list[Step] = []
    ready: set[Buffer] = set()
    for group in groups:
        if isinstance(group, Lone):
            steps.append(LoneStep(group.node))
            continue
        for draft in group.drafts:
            if draft.node.key in planned:
                plan = planned[draft.node.key]
                factor = plan.row_factor
                if isinstance(factor, Digits) and factor not in ready:
                    view = plan.row_view
                    steps.append(KernelStep(splitting(factor, digits[factor], view.dtype, view.numel), ("digits",)))
                    ready.add(factor)
                steps.append(ProductStep(plan))
        steps.append(_kernel(group, stored, digits, planned))
        ready |= {Digits(draft.node.key) for draft in group.drafts}
    return Schedule(tuple(steps), *_lifetimes(steps, nodes, {*checkpoints}, digits, planned), checkpoints)


def _kernel(
    group: Group,
    stored: set[Result],
    digits: Mapping[Digits, int],
    planned: Mapping[Result, ProductPlan],
) -> KernelStep:
    own = {draft.node.key: digits[Digits(draft.node.key)] for draft in group.drafts if Digits(draft.node.key) in digits}
    raws = {draft.node.key: planned[draft.node.key].raw for draft in group.drafts if draft.node.key in planned}
    lowered = Lowering(group, stored, own, raws).lower()
    names = tuple(f"{d.node.key.layer}.{d.node.key.operator} {d.node.name}" for d in group.drafts)
    return KernelStep(lowered, names)


def _read_elsewhere(groups: Sequence[Group | Lone], planned: Mapping[Result, ProductPlan]) -> Iterator[Result]:
    """Results that another step reads as they are stored."""
    for group in groups:
        if isinstance(group, Lone):
            yield from (tensor for tensor in group.node.tensors if isinstance(tensor, Result))
            continue
        members = group.members
        for draft in group.drafts:
            for slot, tensor in enumerate(draft.node.tensors):
                if isinstance(tensor, Result) and tensor not in members and not _as_digits(draft, slot, planned):
                    yield tensor


def _as_digits(draft: Draft, slot: int, planned: Mapping[Result, ProductPlan]) -> bool:
    plan = planned.get(draft.node.key)
    if plan is None or not isinstance(plan.row_factor, Digits):
        return False
    sort = sort_axes(draft.node)
    return sort is not None and slot == row_factor_slots(sort)[0]


def _lifetimes(
    steps: Sequence[Step],
    nodes: Sequence[Node],
    checkpoints: set[Result],
    digits: Mapping[Digits, int],
    planned: Mapping[Result, ProductPlan],
) -> tuple[dict[Buffer, Span], dict[Buffer, int]]:
    """Spans of the buffers that kernels and products write, checkpoints apart; and the last step of every buffer."""
    elements: dict[Buffer, int] = {}
    for node in nodes:
        elements |= {t: node.view(slot).numel for slot, t in enumerate(node.tensors) if t is not None}
    sizes: dict[Buffer, int] = {node.key: node.lean.nbytes for node in nodes}
    sizes |= {Raw(key): plan.raw.elements * plan.raw.bits // 8 for key, plan in planned.items()}
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    alone = {step.node.key for step in steps if isinstance(step, LoneStep)}
    for number, step in enumerate(steps):
        for buffer in step.touched:
            first.setdefault(buffer, number)
            last[buffer] = number
            if isinstance(buffer, Digits):
                sizes[buffer] = elements[buffer.tensor] * digits[buffer]
    spans = {
        buffer: Span(sizes[buffer], first[buffer], last[buffer])
        for buffer in first
        if buffer in sizes and buffer not in checkpoints and buffer not in alone
    }
    return spans, last
