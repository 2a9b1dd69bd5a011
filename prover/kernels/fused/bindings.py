"""What a kernel's arguments stand for: numbers, and buffers that are known when a program is made ready or runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from prover.kernels.fused.graph import Result, Tensor


@dataclass(frozen=True, slots=True)
class Digits:
    """The balanced digits of a tensor's elements, lowest first: i8 [digits, elements]."""

    tensor: Tensor


@dataclass(frozen=True, slots=True)
class Raw:
    """The sums of a product before its finish."""

    product: Result


Buffer = Tensor | Digits | Raw


@dataclass(frozen=True, slots=True)
class Pointer:
    """`offset` bytes into a buffer."""

    buffer: Buffer
    offset: int


@dataclass
class Arguments:
    """The arguments of one kernel in order. Numbers are never shared: equal ones may differ in another layer."""

    values: list[Pointer | int] = field(default_factory=list)
    _pointers: dict[Pointer, int] = field(default_factory=dict)

    def number(self, value: int) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def pointer(self, buffer: Buffer, offset: int = 0) -> int:
        pointer = Pointer(buffer, offset)
        if pointer not in self._pointers:
            self._pointers[pointer] = self.number(0)
            self.values[-1] = pointer
        return self._pointers[pointer]
