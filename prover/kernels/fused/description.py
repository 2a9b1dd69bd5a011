"""What a fused kernel does, as hashable data without any values: layers of the same structure share one kernel.

A kernel visits rows. Per row it runs its passes in order: row products, and loops over inner coordinates in which
members (one per fused operator) compute their elements. Numbers (multipliers, addends, shifts, clamps) and
pointers are arguments, loaded once per call from an array of int64.
"""

from __future__ import annotations

from dataclasses import dataclass

SCRATCH = -1
"""In place of an argument: the thread's scratch memory."""


@dataclass(frozen=True, slots=True)
class Place:
    """Integers of `bits` bits at base + offset + (row and inner coordinates times strides).

    `base` is the argument that holds the pointer, or SCRATCH; `offset` counts bytes, strides count elements.
    """

    base: int
    bits: int
    rows: tuple[int, ...]
    inner: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Argument:
    """The same number for every element: an immediate."""

    index: int


@dataclass(frozen=True, slots=True)
class Held:
    """The value that another member of the kernel has just computed: at the same coordinates, or one per row."""

    member: int


Source = Place | Argument | Held


@dataclass(frozen=True, slots=True)
class Finish:
    """clamp((acc*m + (c << lift) + addend) >> shift, lo, hi); what is None is left out, all else are arguments.

    `addend` is the rounding half together with an immediate c. `wide`: in int64, because int32 is not proven.
    """

    wide: bool
    lo: int
    hi: int
    m: Source | None = None
    c: Source | None = None
    lift: int | None = None
    addend: int | None = None
    shift: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One operator of a kernel.

    `name` is its row in the operator table, or "planes" for the finish of a product that is already there. For
    dots and planes `a` (and `b`) list one source per term or plane. `wide` accumulates in int64. `k` is the
    exponent of recip and rsqrt, an argument. What a table or a gather reads is clamped to `limits` only if it can
    leave them; `finish.lo` and `hi` then bound the index. A gather's rows are `row_stride` elements apart.
    """

    name: str
    reduces: bool
    a: tuple[Source, ...]
    b: tuple[Source, ...]
    wide: bool
    finish: Finish
    stores: tuple[Place, ...] = ()
    digits: tuple[Place, ...] = ()
    weights: tuple[int, ...] = ()
    table: Place | None = None
    row_stride: int = 0
    limits: tuple[int, int] | None = None
    k: int | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """A pass over inner coordinates; () is once per row. `members` are numbers, in order."""

    extents: tuple[int, ...]
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowProduct:
    """A pass that computes one row of a small batched product: acc[n] = sum over k of a[k] * b[n, k].

    b is the same for `rows_per_batch` rows in a row and is packed into `packed` when it changes, as pairs of
    int16 over k; `b`'s inner strides run over `columns`, then `terms`. With `split`, a is taken as two digits.
    `slice` terms can be added in int32. acc goes to `result` (int64 if `wide`), `digits` holds a's row.
    All three are byte offsets in the scratch memory.
    """

    a: Place
    b: Place
    columns: tuple[int, ...]
    terms: tuple[int, ...]
    rows_per_batch: int
    split: bool
    slice: int
    wide: bool
    packed: int
    digits: int
    result: int


Pass = Loop | RowProduct


@dataclass(frozen=True, slots=True)
class Kernel:
    """`rows` are the extents of the row axes; the first is not used, so that batches of any size share a kernel."""

    rows: tuple[int, ...]
    passes: tuple[Pass, ...]
    members: tuple[Member, ...]
    arguments: int
    scratch: int
    """Bytes of scratch memory per thread."""
