"""What every lowering works with: the values so far, their scales and the builder, and the moves they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from prover.compiler import layout
from prover.compiler.builder import Activation, Builder, Produced, Stored, Strided
from prover.compiler.calibrate import Scales
from prover.compiler.graph import Node, Ref, refusal
from prover.operators import NO_AXIS, TABLE
from prover.program import MAX_AXES, MAX_TERMS, DType, Operator
from prover.quantisation import LIMIT
from prover.views import contiguous


@dataclass
class Lowering:
    """The state of a lowering: what each name stands for in the program that grows in `builder`."""

    builder: Builder
    scales: Scales
    values: dict[str, Activation] = field(default_factory=dict)

    def input_activation(self, name: str, shape: tuple[int, ...]) -> Activation:
        """A program input in i16, in the module's own layout."""
        return Activation(self.builder.add_input(DType.I16, shape), layout.dense(shape), self.scales[name])

    def activation(self, node: Node, argument: str) -> Activation:
        """The value of an argument that must be an activation."""
        ref = node.arguments[argument]
        if not isinstance(ref, Ref):
            raise refusal(node, f"{argument} is a constant", "swap the arguments, or fold the constant")
        return self.values[ref.name]

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
        return Activation(tensor, layout.dense(value.shape), value.scale)

    def settled(self, value: Activation) -> Activation:
        """The value as a whole result, as a program output must be."""
        return value if value.is_whole and isinstance(value.tensor.origin, Produced) else self.copied(value)

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
        box: tuple[int, ...] = (),
        start: tuple[int, ...] = (),
    ) -> Stored:
        """Append the operator `name` of the operator table; its result."""
        row = TABLE[name]
        operator = Operator(
            row.opcode, row.variant, dtype, tuple(shape), (), lo, hi, reduced, shift, lift, k, 0, box, start
        )
        if not box:
            operator, operands = _without_unit_axes(operator, operands)
        return self.builder.add(operator, operands)

    def output_range(self, node: Node) -> tuple[int, int]:
        """Clamp of a node's result: a fused ReLU is a lower end of 0."""
        return (0 if node.relu else -LIMIT), LIMIT


def _without_unit_axes(
    operator: Operator, operands: Sequence[Strided | int]
) -> tuple[Operator, Sequence[Strided | int]]:
    """The same operator with shorter records: axes of extent 1 move nothing. At least one axis of each kind stays."""
    outer = operator.axes - operator.reduced
    kept = [axis for axis in range(outer) if operator.shape[axis] > 1] or list(range(min(outer, 1)))
    terms = [axis for axis in range(outer, operator.axes) if operator.shape[axis] > 1]
    kept += terms or list(range(outer, operator.axes))[:1]
    shape = tuple(operator.shape[axis] for axis in kept)
    shorter = [
        operand
        if isinstance(operand, int)
        else replace(operand, strides=tuple(operand.strides[axis] for axis in kept if axis < len(operand.strides)))
        for operand in operands
    ]
    reduced = sum(axis >= outer for axis in kept)
    return replace(operator, shape=shape, reduced=reduced), shorter


def check_form(node: Node, shape: Sequence[int], reduced: int) -> None:
    """Refuse a product or pooling that no operator record can hold."""
    if len(shape) > MAX_AXES:
        raise refusal(node, f"it needs {len(shape)} axes, more than {MAX_AXES}", "use fewer spatial axes or groups")
    terms = math.prod(shape[len(shape) - reduced :])
    if terms > MAX_TERMS:
        raise refusal(node, f"sums of {terms} terms, more than {MAX_TERMS}", "split the layer")
