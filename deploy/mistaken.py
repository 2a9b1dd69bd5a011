"""A watcher whose machine computes wrongly and that confirms nothing: it disputes honest claims and loses its bond."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from contracts import calls
from contracts.agent import hexed
from contracts.client import Client
from contracts.observer import Observer
from contracts.shelf import Shelf, input_arrays
from contracts.snapshot import ClaimStatus, ClaimView, DisputeView, Snapshot
from deploy.lies import changed_activation
from prover.game.adversaries import MistakenChallenger
from prover.game.position import Phase, Side


class MistakenWatcher:
    """An `Agent` that challenges every claim once and plays each dispute up to the step, which it cannot make."""

    def __init__(self, client: Client, shelf: Shelf, stake: int, interval: float) -> None:
        self.interval = interval
        self.log = structlog.get_logger().bind(agent="mistaken")
        self._client = client
        self._shelf = shelf
        self._stake = stake
        self._observer = Observer(client, client.address)
        self._players: dict[bytes, MistakenChallenger] = {}

    def on_wake(self, wake: Callable[[], object]) -> None:
        """It has no background work to be woken by."""

    def finished(self) -> bool:
        return False

    def round(self) -> bool:
        snapshot = self._observer.observe()
        if snapshot.account.stake == 0:
            self._client.transact(calls.deposit(self._stake))
            return True
        mine = {d.claim: d for d in snapshot.disputes.values() if d.challenger == self._client.address}
        for claim in snapshot.claims.values():
            if claim.id not in mine and claim.status is ClaimStatus.PENDING and snapshot.timestamp < claim.window_end:
                self._challenge(snapshot, claim)
                return True
        return any(
            self._play(snapshot, dispute)
            for dispute in snapshot.running_disputes()
            if dispute.challenger == self._client.address
        )

    def _player(self, snapshot: Snapshot, claim: bytes) -> MistakenChallenger:
        """Its side of the dispute over a claim; computed anew after a restart."""
        if claim not in self._players:
            request = snapshot.requests[snapshot.claims[claim].request]
            model = self._shelf.get(request.model)
            execution = changed_activation(model, input_arrays(model.program, request.inputs))
            self._players[claim] = MistakenChallenger(execution)
        return self._players[claim]

    def _challenge(self, snapshot: Snapshot, claim: ClaimView) -> None:
        program = self._player(snapshot, claim.id).execution.program
        done = self._client.transact(calls.challenge(claim.id, program, claim.trace_root))
        self.log.info(
            "claim_challenged", claim=hexed(claim.id), dispute=hexed(done.event("Challenged").arguments["dispute"])
        )

    def _play(self, snapshot: Snapshot, dispute: DisputeView) -> bool:
        # The step would be refused: the operands give the honest value.
        if dispute.side is not Side.CHALLENGER or dispute.position.phase is Phase.STEP:
            return False
        move = self._player(snapshot, dispute.claim).reply(dispute.position, dispute.history)
        self._client.transact(calls.answer(dispute.id, dispute.position, move))
        return True
