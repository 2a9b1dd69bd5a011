"""Where a watcher judges claims: verdicts and challengers, computed in the background and kept while needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from contracts.agent import Jobs, hexed
from contracts.service.store import Store
from contracts.shelf import CannotRun, Shelf, Sturdy
from contracts.snapshot import ClaimStatus, DisputeStatus, DisputeView, Snapshot
from prover import encoding
from prover.errors import CorruptModel
from prover.game.moves import Move
from prover.game.openings import Opened
from prover.game.players import Challenger, Defender, own_value
from prover.game.position import Phase, Position
from prover.game.simulator import Opens, Picks
from prover.trace import Execution
from watcher.actions import Check
from watcher.decide import Held
from watcher.verdict import Agrees, Judge, Refuted, Unknown, Verdict

Challenge = Callable[[Execution], Picks]
"""Makes the challenger of an execution. Adversaries are honest watchers with another one of these."""

REST = 30
"""Seconds of chain time before a claim that the machine could not judge is tried again; doubled each time."""
LONGEST_REST = 600


@dataclass(frozen=True)
class _Judged:
    verdict: Verdict
    seconds: float


class SturdyChallenger:
    """A challenger that may find this machine short of something in the middle of a dispute."""

    def __init__(self, challenger: Picks, model: bytes) -> None:
        self._challenger = challenger
        self._sturdy = Sturdy(model)

    def reply(self, position: Position, history: Sequence[Opened]) -> Move | None:
        """The pick or step; CannotRun if it cannot be made now."""
        return self._sturdy.ask(lambda: self._challenger.reply(position, history))


class SturdyDefender:
    """The same for a defender."""

    def __init__(self, execution: Execution) -> None:
        self._defender = Defender(execution)
        self._sturdy = Sturdy(bytes(encoding.model_id(execution.program)))

    def answer(self, position: Position) -> Move | None:
        """The opening; CannotRun if it cannot be made now."""
        return self._sturdy.ask(lambda: self._defender.answer(position))


class Bench:
    """The watcher's verdicts; the arguments are those of `WatcherService`."""

    def __init__(
        self,
        shelf: Shelf,
        judge: Judge,
        log: FilteringBoundLogger,
        inline: bool,
        challenge: Challenge = Challenger,
        parallel: int = 1,
        store: Store | None = None,
    ) -> None:
        self.jobs: Jobs[bytes, _Judged] = Jobs(inline=inline, parallel=parallel)
        self.seconds: dict[bytes, float] = {}
        """What the last judgement took, by model."""
        self._shelf = shelf
        self._judge = judge
        self._challenge = challenge
        self._log = log
        self._store = store
        known = store.agreed() if store is not None else set()
        self._verdicts: dict[bytes, Verdict] = dict.fromkeys(known, Agrees())
        self._challengers: dict[bytes, Picks] = {}
        self._defenders: dict[bytes, Opens] = {}
        self._to_defend: set[bytes] = set()
        self._values: dict[tuple[object, ...], int] = {}
        self._failures: dict[bytes, int] = {}
        self._rests: dict[bytes, int] = {}

    def held(self, snapshot: Snapshot, staked: bool) -> Held:
        """What a decision is made from."""
        unknown = {c: v for c, v in self._verdicts.items() if isinstance(v, Unknown) and c in snapshot.claims}
        retry = frozenset(
            claim
            for claim, verdict in unknown.items()
            if (verdict.model_missing and self._shelf.holds(_model_of(claim, snapshot)))
            or (verdict.later and snapshot.timestamp >= self._rests.get(claim, 0))
        )
        return Held(self._verdicts, self._challengers, self._defenders, retry=retry, staked=staked)

    def start(self, check: Check, snapshot: Snapshot) -> bool:
        """Begin to judge a claim; whether that was not under way."""
        if check.defend:
            self._to_defend.add(check.claim)
        return self.jobs.start(check.claim, lambda: self._judged(check.claim, snapshot), urgent=check.urgent)

    def refutation(self, claim: bytes) -> Execution:
        """The execution that a claim was refuted with."""
        verdict = self._verdicts[claim]
        assert isinstance(verdict, Refuted)
        return verdict.execution

    def collect(self, snapshot: Snapshot) -> bool:
        """Take over verdicts; whether there was any."""
        finished = self.jobs.collect()
        for claim, judged in finished:
            if claim in snapshot.claims:
                self.seconds[_model_of(claim, snapshot)] = judged.seconds
            self._take(claim, judged, snapshot.timestamp)
        return bool(finished)

    def _take(self, claim: bytes, judged: _Judged, now: int) -> None:
        verdict, before = judged.verdict, self._verdicts.get(claim)
        log = self._log.bind(claim=hexed(claim), seconds=round(judged.seconds, 3))
        if isinstance(verdict, Agrees):
            if claim in self._to_defend and verdict.execution is not None:
                self._defenders[claim] = SturdyDefender(verdict.execution)
            verdict = Agrees()  # runs take memory; only those that defend are kept
            if self._store is not None:
                self._store.note_agreed(claim)
        self._verdicts[claim] = verdict
        if isinstance(verdict, Refuted):
            model = encoding.model_id(verdict.execution.program)
            self._challengers[claim] = SturdyChallenger(self._challenge(verdict.execution), bytes(model))
            log.warning("claim_refuted", trace_root=hexed(verdict.execution.trace.root), seam=verdict.seam)
        elif isinstance(verdict, Unknown):
            if verdict.later:
                times = self._failures[claim] = self._failures.get(claim, 0) + 1
                self._rests[claim] = now + min(REST * 2 ** (times - 1), LONGEST_REST)
            if verdict != before:
                log.warning("claim_unknown", reason=verdict.reason)
        elif verdict != before:
            log.info("claim_agrees")
        self._to_defend.discard(claim)

    def verdicts(self) -> dict[bytes, str]:
        """agrees, refuted or unknown, by claim."""
        return {claim: type(verdict).__name__.lower() for claim, verdict in self._verdicts.items()}

    def own_value(self, dispute: DisputeView) -> int | None:
        """What this machine computes where a dispute has a number; None if it has not refuted the claim."""
        position = dispute.position
        place = (dispute.claim, position.layer, position.operator, position.element, position.start, position.count)
        verdict = self._verdicts.get(dispute.claim)
        if place not in self._values and isinstance(verdict, Refuted):
            self._values[place] = own_value(verdict.execution, position)
        return self._values.get(place)

    def keep(self, snapshot: Snapshot) -> None:
        """Let go of what nobody needs: a claim that the chain went back behind is judged again should it return."""
        for dispute in snapshot.disputes.values():
            if dispute.status is DisputeStatus.WON and dispute.position.phase is Phase.STEP:
                self.own_value(dispute)  # for whoever looks at it later; its run is let go of below
        pending = {c.id for c in snapshot.claims.values() if c.status is ClaimStatus.PENDING}
        if self._store is not None:
            self._store.forget_agreed(
                c for c, v in self._verdicts.items() if isinstance(v, Agrees) and c not in pending
            )
        for kept in (self._verdicts, self._challengers, self._defenders, self._failures, self._rests):
            for claim in [c for c in kept if c not in pending]:
                del kept[claim]

    def _judged(self, claim: bytes, snapshot: Snapshot) -> _Judged:
        view, begun = snapshot.claims[claim], time.monotonic()
        try:
            model = self._shelf.get(_model_of(claim, snapshot))
        except CorruptModel as error:
            return _Judged(Unknown(str(error), model_missing=True), time.monotonic() - begun)
        except CannotRun as error:
            return _Judged(Unknown(str(error), later=True), time.monotonic() - begun)
        verdict = self._judge(view, snapshot.requests[view.request], model)
        return _Judged(verdict, time.monotonic() - begun)


def _model_of(claim: bytes, snapshot: Snapshot) -> bytes:
    return snapshot.requests[snapshot.claims[claim].request].model
