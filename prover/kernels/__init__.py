"""Torch kernels: for every row of `prover.operators.TABLE` a function with the same meaning, bit for bit.

A kernel takes the operator and, per operand, the flat stored tensor that it looks at (None for an immediate), and
returns the result over the output's shape in its dtype. All operators must satisfy the int64 bound (protocol,
section 3.4). dot also takes its plan: which matmul backend, by the ranges of its factors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from prover.kernels import movement, pointwise, reductions
from prover.kernels.digits import Range
from prover.kernels.dot import DotPlan, dot, plan
from prover.kernels.selection import Selection, select
from prover.kernels.views import TORCH_DTYPES, Stored
from prover.operators import row_of
from prover.program import Operator

Kernel = Callable[[Operator, Sequence[Stored], DotPlan | None], torch.Tensor]


def _unplanned(kernel: Callable[[Operator, Sequence[Stored]], torch.Tensor]) -> Kernel:
    return lambda operator, stored, _plan: kernel(operator, stored)


def _planned_dot(operator: Operator, stored: Sequence[Stored], planned: DotPlan | None) -> torch.Tensor:
    assert planned is not None
    return dot(operator, stored, planned)


KERNELS: Mapping[str, Kernel] = {
    "dot": _planned_dot,
    "mul": _unplanned(pointwise.multiply),
    "min": _unplanned(pointwise.minimum),
    "max": _unplanned(pointwise.maximum),
    "div": _unplanned(pointwise.divide),
    "table": _unplanned(pointwise.look_up),
    "recip": _unplanned(pointwise.reciprocal),
    "rsqrt": _unplanned(pointwise.reciprocal_root),
    "isqrt": _unplanned(pointwise.root),
    "reduce_max": _unplanned(reductions.largest),
    "reduce_absmax": _unplanned(reductions.largest_magnitude),
    "reduce_argmax": _unplanned(reductions.lowest_index_of_largest),
    "gather": _unplanned(movement.gather),
    "place": _unplanned(movement.place),
}


def run_operator(operator: Operator, stored: Sequence[Stored], planned: DotPlan | None = None) -> torch.Tensor:
    """The result of an operator, flat and contiguous, as it is stored."""
    return KERNELS[row_of(operator).name](operator, stored, planned).contiguous().reshape(-1)


__all__ = [
    "KERNELS",
    "TORCH_DTYPES",
    "DotPlan",
    "Kernel",
    "Range",
    "Selection",
    "Stored",
    "plan",
    "run_operator",
    "select",
]
