"""The trace: per layer the checkpointed tensors and their roots, up to one trace root (protocol, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prover import blake3_tree, merkle
from prover.program import DType, Program, TensorRoot, TraceRoot
from prover.progress import counted

Array = NDArray[np.signedinteger[Any]]
"""A contiguous little-endian i8, i16 or i32 array."""

NUMPY_DTYPES: dict[DType, np.dtype[Any]] = {
    DType.I8: np.dtype("<i1"),
    DType.I16: np.dtype("<i2"),
    DType.I32: np.dtype("<i4"),
}


def tensor_bytes(array: Array) -> bytes:
    """The bytes of a tensor as they are hashed and posted."""
    return np.ascontiguousarray(array).tobytes()


def array_root(array: Array) -> TensorRoot:
    """Root of a tensor, hashed without copying it."""
    return blake3_tree.tensor_root(np.ascontiguousarray(array).data.cast("B"))


@dataclass(frozen=True)
class Trace:
    """Checkpoints of one run: `checkpoints[layer][slot]` is the array in that slot, `roots` likewise."""

    checkpoints: tuple[tuple[Array, ...], ...]
    roots: tuple[tuple[TensorRoot, ...], ...]

    @classmethod
    def commit(cls, checkpoints: Sequence[Sequence[Array]]) -> Trace:
        """Hash every checkpoint."""
        held = tuple(tuple(layer) for layer in checkpoints)
        return cls(held, tuple(tuple(array_root(a) for a in layer) for layer in counted("hashing layers", held)))

    @cached_property
    def slots_roots(self) -> tuple[bytes, ...]:
        """Per layer, the root over its slots."""
        return tuple(merkle.root(layer) for layer in self.roots)

    @cached_property
    def leaves(self) -> list[bytes]:
        """Leaf hashes of the trace tree."""
        return [merkle.leaf(root) for root in self.slots_roots]

    @cached_property
    def root(self) -> TraceRoot:
        return TraceRoot(merkle.fold(self.leaves))

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """The nodes that a claim shows; they fold to the root."""
        spans = merkle.frontier(len(self.leaves), merkle.CLAIM_DEPTH)
        return tuple(merkle.fold(self.leaves[first : first + size]) for first, size in spans)


class Execution(Protocol):
    """One run of a program as its owner knows it: enough to claim its result and to play every move."""

    @property
    def program(self) -> Program: ...

    @property
    def inputs(self) -> tuple[Array, ...]: ...

    @property
    def outputs(self) -> tuple[Array, ...]: ...

    @property
    def trace(self) -> Trace: ...

    def weight(self, root: TensorRoot) -> Array:
        """A committed weight by its root."""

    def results(self, layer: int) -> Sequence[Array]:
        """The results of all operators of a layer, re-run from the checkpoints before it."""
