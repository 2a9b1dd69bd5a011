"""Merges neighbouring inner axes that every place steps through as one, so that vectors run along longer axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from prover.kernels.fused.description import Member, Place, RowProduct, Source


def kept_axes(extents: Sequence[int], strides: Sequence[Sequence[int]]) -> list[int]:
    """The last axis of each run of axes that can be merged, by the strides of all places."""
    return [
        axis
        for axis in range(len(extents))
        if axis + 1 == len(extents) or any(s[axis] != s[axis + 1] * extents[axis + 1] for s in strides)
    ]


def _joined(extents: Sequence[int], kept: Sequence[int]) -> tuple[int, ...]:
    result, size = [], 1
    for axis, extent in enumerate(extents):
        size *= extent
        if axis in kept:
            result.append(size)
            size = 1
    return tuple(result)


def _pick(strides: Sequence[int], kept: Sequence[int]) -> tuple[int, ...]:
    return tuple(strides[axis] for axis in kept)


def _mapped(member: Member, change: Callable[[Place], Place]) -> Member:
    """A member with every place that inner coordinates visit changed."""

    def one(source: Source) -> Source:
        return change(source) if isinstance(source, Place) else source

    finish = member.finish
    if not member.reduces:
        m, c = (one(s) if s is not None else None for s in (finish.m, finish.c))
        finish = replace(finish, m=m, c=c)
        member = replace(member, stores=tuple(map(change, member.stores)), digits=tuple(map(change, member.digits)))
    if member.name == "gather" and member.table is not None:
        member = replace(member, table=change(member.table))
    return replace(member, a=tuple(map(one, member.a)), b=tuple(map(one, member.b)), finish=finish)


def merged_loop(extents: tuple[int, ...], members: Sequence[Member]) -> tuple[tuple[int, ...], list[Member]]:
    """A loop's extents and members over merged axes."""
    if not extents:
        return extents, list(members)
    strides: list[tuple[int, ...]] = []

    def note(place: Place) -> Place:
        strides.append(place.inner)
        return place

    for member in members:
        _mapped(member, note)
    kept = kept_axes(extents, strides)
    changed = [_mapped(m, lambda place: replace(place, inner=_pick(place.inner, kept))) for m in members]
    return _joined(extents, kept), changed


def merged_product(product: RowProduct) -> RowProduct:
    """A row product over merged columns and terms."""
    count = len(product.columns)
    across, along = product.b.inner[:count], product.b.inner[count:]
    columns = kept_axes(product.columns, [across])
    terms = kept_axes(product.terms, [along, product.a.inner])
    return replace(
        product,
        a=replace(product.a, inner=_pick(product.a.inner, terms)),
        b=replace(product.b, inner=(*_pick(across, columns), *_pick(along, terms))),
        columns=_joined(product.columns, columns),
        terms=_joined(product.terms, terms),
    )
