"""Finds where a claim first differs from the watcher's own run, by asking its executor for the parts of its trace.

What arrives is checked against the trace root on the chain, so that the executor can at most not answer. Where it does,
the scalar specification is asked about the first differing element before any bond is risked: a watcher is the
likeliest of all to be wrong, and an executor that is right has every reason to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from contracts.agent import hexed
from contracts.messages.contents import TENSOR, TREE, items
from contracts.messages.kinds import MOST_CONTENT
from contracts.shelf import CannotRun, running
from contracts.snapshot import ClaimView, RequestView
from prover.model_folder import Model
from prover.trace import Execution
from watcher.verdict import Judge, Refuted, Verdict, WatcherAtFault, specified

Ask = Callable[[str, str, bytes], bytes | None]
"""(account, form, root) -> what hashes to it, from that account; None if it does not come."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Difference:
    """The first tensor in which two traces differ, and what stands there if the other one's was to be had."""

    layer: int
    slot: int
    element: int | None = None
    theirs: int | None = None
    mine: int | None = None


@dataclass(frozen=True)
class LocatingJudge:
    """A judge that looks closer at what it has refuted."""

    judge: Judge
    ask: Ask

    def __call__(self, claim: ClaimView, request: RequestView, model: Model) -> Verdict:
        """The judge's verdict; WatcherAtFault if the executor can show that this machine computes wrongly."""
        verdict = self.judge(claim, request, model)
        if isinstance(verdict, Refuted) and verdict.seam is None:
            try:
                with running(bytes(model.id)):
                    self._look_closer(claim, verdict.execution)
            except CannotRun as error:
                _log.warning("difference_not_located", claim=hexed(claim.id), reason=str(error))
        return verdict

    def _look_closer(self, claim: ClaimView, execution: Execution) -> None:
        found = locate(execution, bytes(claim.trace_root), lambda form, root: self.ask(claim.executor, form, root))
        if found is None:
            return
        index = execution.program.layers[found.layer].outputs[found.slot]
        operator = execution.program.layers[found.layer].operators[index].opcode.name.lower()
        if found.element is not None:
            expected = specified(execution, found.layer, index, found.element)
            if expected != found.mine:
                raise WatcherAtFault(
                    f"the scalar specification gives {expected} for element {found.element} of layer {found.layer}, "
                    f"this machine computed {found.mine}, the executor {found.theirs}; nothing is challenged from it"
                )
        _log.info(
            "difference_located",
            claim=hexed(claim.id),
            layer=found.layer,
            operator=operator,
            element=found.element,
            theirs=found.theirs,
            mine=found.mine,
        )


def locate(execution: Execution, root: bytes, ask: Callable[[str, bytes], bytes | None]) -> Difference | None:
    """Where the trace with a root first differs from an execution's; None if nobody tells."""
    trace = execution.trace
    layer, theirs = _first(ask(TREE, root), trace.slots_roots)
    if layer is None:
        return None
    slot, tensor = _first(ask(TREE, theirs), trace.roots[layer])
    if slot is None:
        return None
    mine = trace.checkpoints[layer][slot].reshape(-1)
    data = ask(TENSOR, tensor) if mine.nbytes <= MOST_CONTENT else None
    if data is None or len(data) != mine.nbytes:
        return Difference(layer, slot)
    other = np.frombuffer(data, mine.dtype)
    (differs,) = np.nonzero(other != mine)
    element = int(differs[0])
    return Difference(layer, slot, element, int(other[element]), int(mine[element]))


def _first(data: bytes | None, mine: Sequence[bytes]) -> tuple[int | None, bytes]:
    """The first hash in `data` that is not this watcher's, with its number; None if there is no such data."""
    theirs = items(data) if data is not None else []
    if len(theirs) != len(mine):
        return None, b""
    return next(
        ((n, their) for n, (their, my) in enumerate(zip(theirs, mine, strict=True)) if their != my), (None, b"")
    )
