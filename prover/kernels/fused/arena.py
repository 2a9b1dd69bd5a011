"""Places buffers in one block of memory so that those in use at the same time do not overlap."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

ALIGNMENT = 64
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Span:
    """A buffer's bytes, and the first and last step that touch it."""

    size: int
    first: int
    last: int


def placed(spans: Mapping[Name, Span]) -> tuple[dict[Name, int], int]:
    """Offsets, the largest buffers placed first, each as low as it fits; and the bytes of the whole."""
    offsets: dict[Name, int] = {}
    total = 0
    for name, span in sorted(spans.items(), key=lambda item: -item[1].size):
        busy = sorted(
            (offsets[other], offsets[other] + spans[other].size)
            for other in offsets
            if spans[other].first <= span.last and span.first <= spans[other].last
        )
        at = 0
        for start, stop in busy:
            if at + span.size <= start:
                break
            at = max(at, -(-stop // ALIGNMENT) * ALIGNMENT)
        offsets[name] = at
        total = max(total, at + span.size)
    return offsets, total
