"""What this machine computes where a dispute is about a number, for whoever only looks: the model is run again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from contracts.agent import Jobs
from contracts.shelf import CannotRun, Run, Shelf, TorchRun, input_arrays, running
from contracts.snapshot import DisputeView, Snapshot
from prover.errors import CorruptModel, InvalidInput
from prover.game.players import own_value

Place = tuple[bytes, int, int, int, int, int]
"""A claim, and the layer, operator, element and terms that a number in it is of."""


class Reruns:
    """Values by place, from runs in the background, one after the other; only numbers are kept.

    `make` gives what runs models, when the first run is asked for.
    """

    def __init__(self, shelf: Shelf, make: Callable[[], Run] = TorchRun, *, inline: bool = False) -> None:
        self._shelf = shelf
        self._make = make
        self._run: Run | None = None
        self._jobs: Jobs[Place, int | None] = Jobs(inline=inline)
        self._values: dict[Place, int | None] = {}
        self._turn = threading.Lock()

    def of(self, snapshot: Snapshot) -> Callable[[DisputeView], int | None]:
        """For a report: this machine's value, None while it is computed and where it cannot be."""
        return partial(self._own, snapshot)

    def _own(self, snapshot: Snapshot, dispute: DisputeView) -> int | None:
        at = dispute.position
        place = (dispute.claim, at.layer, at.operator, at.element, at.start, at.count)
        with self._turn:
            self._values.update(self._jobs.collect())
            if place not in self._values:
                self._jobs.start(place, partial(self._computed, snapshot, dispute))
                self._values.update(self._jobs.collect())
            return self._values.get(place)

    def _computed(self, snapshot: Snapshot, dispute: DisputeView) -> int | None:
        request = snapshot.requests[snapshot.claims[dispute.claim].request]
        try:
            model = self._shelf.get(request.model)
            with running(request.model):
                self._run = self._run or self._make()
                execution = self._run(model, input_arrays(model.program, request.inputs))
                return own_value(execution, dispute.position)
        except (CorruptModel, CannotRun, InvalidInput):
            return None
