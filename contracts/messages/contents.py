"""Parts of traces, by hash: what an agent gives to whoever asks, and how what arrives is checked.

The trace root on the chain is the root of a keccak tree over one hash per layer; each of these is the root of a keccak
tree over the layer's tensor roots; each tensor root is the BLAKE3 hash of the tensor's bytes. So one can walk from
what the chain says down to a tensor, and a lie on the way does not hash to what was asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from contracts.messages.kinds import MOST_CONTENT
from prover import blake3_tree, merkle
from prover.trace import Array, Trace, tensor_bytes

TREE, TENSOR = "tree", "tensor"
ITEM = 32

_Held = bytes | Array


class Contents:
    """What this agent can give; the traces themselves are held, not copies. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traces: dict[bytes, Trace] = {}
        self._parts: dict[bytes, tuple[str, _Held]] = {}

    def offer(self, trace: Trace) -> None:
        with self._lock:
            self._traces[bytes(trace.root)] = trace
            self._parts |= dict(_parts(trace))

    def withdraw(self, trace: Trace) -> None:
        with self._lock:
            if self._traces.pop(bytes(trace.root), None) is not None:
                # Traces share tensors: what others still need is found anew.
                self._parts = {root: part for held in self._traces.values() for root, part in _parts(held)}

    def get(self, form: str, root: bytes) -> bytes | None:
        """What hashes to `root`; None if it is not here or larger than a message may be."""
        with self._lock:
            kind, held = self._parts.get(root, ("", b""))
        if kind != form:
            return None
        data = held if isinstance(held, bytes) else tensor_bytes(held) if held.nbytes <= MOST_CONTENT else None
        return data if data is not None and len(data) <= MOST_CONTENT else None


def fits(form: str, root: bytes, data: bytes) -> bool:
    """Whether `data` is what hashes to `root`."""
    if form == TENSOR:
        return bytes(blake3_tree.tensor_root(data)) == root
    return len(data) >= ITEM and len(data) % ITEM == 0 and merkle.root(items(data)) == root


def items(data: bytes) -> list[bytes]:
    """The hashes that a tree's content consists of."""
    return [data[i : i + ITEM] for i in range(0, len(data), ITEM)]


def _parts(trace: Trace) -> Iterator[tuple[bytes, tuple[str, _Held]]]:
    yield bytes(trace.root), (TREE, b"".join(trace.slots_roots))
    for root, tensors, arrays in zip(trace.slots_roots, trace.roots, trace.checkpoints, strict=True):
        yield root, (TREE, b"".join(tensors))
        for tensor, array in zip(tensors, arrays, strict=True):
            yield bytes(tensor), (TENSOR, array)
