"""What every lowering works with: the values so far, the plan and the builder, and the moves they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from prover.compiler import layout
from prover.compiler.builder import Activation, Builder, Produced, Stored, Strided
from prover.compiler.calibrate import Statistics
from prover.compiler.graph import Graph, Node, Ref, refusal
from prover.compiler.plan import Form, Plan
from prover.compiler.quantise import Requantiser, requantiser
from prover.operators import NO_AXIS, TABLE
from prover.program import MAX_AXES, MAX_TERMS, DType, Operator
from prover.quantisation import LIMIT, Reals
from prover.views import contiguous


@dataclass
class Lowering:
    """The state of a lowering: what each name stands for in the program that grows in `builder`."""

    graph: Graph
    plan: Plan
    seen: Statistics
    builder: Builder
    values: dict[str, Activation] = field(default_factory=dict)
    input_ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of integer inputs, the range that the module can take."""
    hidden: dict[Stored, Stored] = field(default_factory=dict)
    """By mask, what it lowers scores by."""

    # Values

    def raw(self, node: Node, argument: str) -> Activation:
        """The value of an argument that must be an activation, as it is held."""
        ref = node.arguments[argument]
        if not isinstance(ref, Ref):
            raise refusal(node, f"{argument} is a constant", "swap the arguments, or fold the constant")
        return self.values[ref.name]

    def activation(self, node: Node, argument: str) -> Activation:
        """The value of an argument with one positive scale for all its elements."""
        value = self.raw(node, argument)
        if value.total is not None:
            value = self._divided(value)
        if value.factors is not None or value.scale < 0:
            value = self.rescaled(value, Form(DType.I16, self._scale_of(value), -LIMIT, LIMIT))
        return value

    def _scale_of(self, value: Activation) -> float:
        largest = 1.0 if value.factors is None else float(np.abs(value.factors).max())
        return abs(value.scale) * largest * max(1.0, value.tensor.magnitude / LIMIT)

    def form(self, node: Node) -> Form:
        """How a node's result is held; a fused ReLU is a lower end of 0."""
        form = self.plan.forms[node.name]
        return replace(form, lo=0) if node.relu else form

    def _divided(self, value: Activation) -> Activation:
        """A softmax divided by the sums of its rows."""
        total = value.total
        assert total is not None
        axes = [*value.axes[:-1], value.axes[-1]]
        loops = layout.refined([*axes], [*total.axes, (layout.Factor(layout.extent(axes[-1]), 0),)])
        assert loops is not None
        flat = [loop for axis in loops for loop in axis]
        shape = [extent for extent, _ in flat]
        a = value.tensor.strided([strides[0] for _, strides in flat], value.offset)
        b = total.tensor.strided([strides[1] for _, strides in flat])
        shift = total.exponent - 15
        tensor = self.add("mul", shape, (a, b, 1, 0), 0, (1 << 15) - 1, shift=shift)
        return Activation(tensor, layout.dense(value.shape), value.scale * 2.0**-15)

    # Layouts

    def plain(self, value: Activation) -> tuple[Activation, tuple[int, ...]]:
        """The value with one stride per logical axis, copied only if its layout needs it."""
        strides = layout.plain_strides(value.axes)
        if strides is not None:
            return value, strides
        copied = self.copied(value)
        return copied, contiguous(copied.shape)

    def copied(self, value: Activation) -> Activation:
        """The value in a tensor of its own, contiguous in logical order."""
        factors = layout.merged([factor for axis in value.axes for factor in axis]) or (layout.Factor(1, 0),)
        shape = tuple(factor.extent for factor in factors)
        view = value.tensor.strided([factor.stride for factor in factors], value.offset)
        tensor = self.add("mul", shape, (view, 1, 1, 0), value.tensor.lo, value.tensor.hi, value.tensor.dtype)
        return replace(value, tensor=tensor, axes=layout.dense(value.shape), offset=0)

    def settled(self, value: Activation) -> Activation:
        """The value as a whole result with one positive scale, as a program output must be."""
        if value.total is not None:
            value = self._divided(value)
        if value.factors is not None or value.scale < 0:
            value = self.rescaled(value, Form(DType.I16, self._scale_of(value), -LIMIT, LIMIT))
        return value if value.is_whole and isinstance(value.tensor.origin, Produced) else self.copied(value)

    def settled_scale(self, value: Activation, form: Form) -> Activation:
        """The value at a form's scale, as it is if it has it."""
        same = value.factors is None and value.total is None and math.isclose(value.scale, form.scale, rel_tol=1e-9)
        return value if same else self.rescaled(value, form)

    def rescaled(self, value: Activation, form: Form) -> Activation:
        """The value in another form: one operator."""
        value, strides = self.plain(value)
        order = sorted(range(len(strides)), key=lambda axis: -abs(strides[axis]))
        shape = [value.shape[axis] for axis in order]
        view = value.tensor.strided([strides[axis] for axis in order], value.offset)
        m, shift = self.multiplier(value, form.scale, order)
        tensor = self.add("mul", shape, (view, 1, m, 0), form.lo, form.hi, form.dtype, shift=shift.shift)
        return Activation(tensor, layout.dense(value.shape, order), form.scale)

    def multiplier(
        self, value: Activation, scale: float, order: Sequence[int], most_shift: int = 62
    ) -> tuple[Strided | int, Requantiser]:
        """m, as an operand over the axes in `order`, and the shift that bring a value to `scale`."""
        ratios = np.atleast_1d(np.asarray(value.scale / scale, np.float64))
        if value.factors is not None:
            ratios = value.factors * ratios
        rescale = requantiser(ratios, np.zeros(1), value.tensor.magnitude, most_shift)
        if value.factors is None:
            return int(rescale.m[0]), rescale
        last = len(order) - 1
        held = self.builder.add_weight(DType.I32, rescale.m)
        return held.strided([int(axis == last) for axis in order]), rescale

    def padded(self, value: Activation, padding: Sequence[int], fill: int = 0) -> Activation:
        """[N, C, *spatial] with `padding` more on both sides of each spatial axis, stored channels last.

        Nothing is moved where there is nothing to pad.
        """
        if not any(padding):
            return self.plain(value)[0]
        value, strides = self.plain(value)
        order = (0, *range(2, len(strides)), 1)
        box = tuple(value.shape[axis] for axis in order)
        around = (0, *padding, 0)
        shape = tuple(extent + 2 * pad for extent, pad in zip(box, around, strict=True))
        lo, hi = max(min(value.tensor.lo, fill), -LIMIT), min(max(value.tensor.hi, fill), LIMIT)
        view = value.tensor.strided([strides[axis] for axis in order], value.offset)
        tensor = self.add("place", shape, (view, fill, 0), lo, hi, k=NO_AXIS, box=box, start=around)
        logical = tuple(shape[order.index(axis)] for axis in range(len(order)))
        return Activation(tensor, layout.dense(logical, order), value.scale)

    # Operators

    def constant(self, dtype: DType, values: Reals, lo: int, hi: int) -> Stored:
        """A weight from reals that are integers already."""
        clamped = np.clip(np.rint(values), lo, hi)
        return self.builder.add_weight(dtype, clamped.astype(np.int64))

    def add(
        self,
        name: str,
        shape: Sequence[int],
        operands: Sequence[Strided | int],
        lo: int,
        hi: int,
        dtype: DType = DType.I16,
        *,
        reduced: int = 0,
        shift: int = 0,
        lift: int = 0,
        k: int = 0,
        rows: int = 0,
        box: tuple[int, ...] = (),
        start: tuple[int, ...] = (),
    ) -> Stored:
        """Append the operator `name` of the operator table; its result."""
        row = TABLE[name]
        operator = Operator(
            row.opcode, row.variant, dtype, tuple(shape), (), lo, hi, reduced, shift, lift, k, rows, box, start
        )
        if not box:
            operator, operands = _without_unit_axes(operator, operands)
        return self.builder.add(operator, operands)

    def shown(self, values: np.ndarray, shape: Sequence[int], order: Sequence[int]) -> Strided | int:
        """A constant i32 operand that broadcasts to `shape`, over its axes in `order`."""
        if values.size == 1:
            return int(values.reshape(-1)[0])
        held = self.builder.add_weight(DType.I32, values)
        steps = contiguous(values.shape)
        full = [0] * (len(shape) - values.ndim)
        full += [step if extent > 1 else 0 for extent, step in zip(values.shape, steps, strict=True)]
        return held.strided([full[axis] for axis in order])


def _without_unit_axes(
    operator: Operator, operands: Sequence[Strided | int]
) -> tuple[Operator, Sequence[Strided | int]]:
    """The same operator with shorter records: axes of extent 1 move nothing. At least one axis of each kind stays."""
    outer = operator.axes - operator.reduced
    kept = [axis for axis in range(outer) if operator.shape[axis] > 1] or list(range(min(outer, 1)))
    terms = [axis for axis in range(outer, operator.axes) if operator.shape[axis] > 1]
    kept += terms or list(range(outer, operator.axes))[:1]
    shape = tuple(operator.shape[axis] for axis in kept)
    shorter = []
    for operand in operands:
        if not isinstance(operand, int) and operand.strides:
            beyond = operand.strides[operator.axes :]  # a gather's stride over its rows
            strides = tuple(operand.strides[axis] for axis in kept if axis < len(operand.strides))
            operand = replace(operand, strides=(*strides, *beyond))
        shorter.append(operand)
    reduced = sum(axis >= outer for axis in kept)
    return replace(operator, shape=shape, reduced=reduced), shorter


def check_form(node: Node, shape: Sequence[int], reduced: int) -> None:
    """Refuse a product or pooling that no operator record can hold."""
    if sum(extent > 1 for extent in shape) > MAX_AXES:
        raise refusal(node, f"it needs {len(shape)} axes, more than {MAX_AXES}", "use fewer spatial axes or groups")
    terms = math.prod(shape[len(shape) - reduced :])
    if terms > MAX_TERMS:
        raise refusal(node, f"sums of {terms} terms, more than {MAX_TERMS}", "split the layer")
