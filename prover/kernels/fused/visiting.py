"""Loops over inner coordinates, in vectors along the last axis and single lanes for its rest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from prover.kernels.fused import lanes as x
from prover.kernels.fused.context import Context, Point
from prover.kernels.fused.description import Place
from prover.kernels.fused.lanes import I64, WIDTH, Value


def widths(extents: tuple[int, ...]) -> list[int]:
    """Lanes of the points that `visit` makes."""
    last = extents[-1]
    return [*([WIDTH] if last >= WIDTH else []), *([1] if last % WIDTH else [])]


def visit(
    context: Context, starts: dict[Place, Value], extents: tuple[int, ...], body: Callable[[Point], None]
) -> None:
    """Write `body` for every point of `extents` (at least one axis)."""
    b = context.builder
    *outer, last = extents
    whole = last // WIDTH * WIDTH
    with ExitStack() as nest:
        coordinates = [nest.enter_context(x.loop(b, I64(0), I64(extent), 1)) for extent in outer]
        for width in widths(extents):
            start, stop = (0, whole) if width == WIDTH else (whole, last)
            if stop - start == width:
                body(Point(context, starts, (*coordinates, I64(start)), width))
                continue
            with x.loop(b, I64(start), I64(stop), width) as at:
                body(Point(context, starts, (*coordinates, at), width))
