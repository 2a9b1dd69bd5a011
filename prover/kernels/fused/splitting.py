"""A kernel that writes the digits of a tensor which no other kernel computes, such as an input."""

from __future__ import annotations

from prover.kernels.fused.bindings import Arguments, Digits
from prover.kernels.fused.description import Finish, Kernel, Loop, Member, Place
from prover.kernels.fused.lowering import Lowered
from prover.program import DType

ROW = 4096


def splitting(digits: Digits, count: int, dtype: DType, elements: int) -> Lowered:
    """Split a whole tensor, in rows of up to 4,096 elements."""
    width = next((ROW >> n for n in range(6) if elements % (ROW >> n) == 0), elements)
    arguments = Arguments()
    source = Place(arguments.pointer(digits.tensor), 8 * dtype.size, (width,), (1,))
    planes = tuple(Place(arguments.pointer(digits, n * elements), 8, (width,), (1,)) for n in range(count))
    finish = Finish(False, arguments.number(dtype.lo), arguments.number(dtype.hi))
    member = Member("mul", False, (source,), (), False, finish, digits=planes)
    kernel = Kernel((0,), (Loop((width,), (0,)),), (member,), len(arguments.values), 0)
    return Lowered(kernel, arguments, elements // width, max(1, 65_536 // width))
