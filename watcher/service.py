"""The watcher as a service: observes the chain, decides, and acts; re-runs models in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from contracts import calls
from contracts.agent import Jobs, Sender, hexed
from contracts.amounts import format_amount
from contracts.calls import Call
from contracts.client import Client, Done
from contracts.errors import WrongSetup
from contracts.observer import Observer
from contracts.shelf import Shelf
from contracts.snapshot import ClaimStatus, DisputeStatus, DisputeView, Snapshot
from prover.errors import CorruptModel
from prover.game.players import Challenger
from prover.game.simulator import Picks
from prover.trace import Execution
from watcher import decide
from watcher.decide import Action, Held, Policy
from watcher.verdict import Judge, Refuted, Unknown, Verdict

Challenge = Callable[[Execution], Picks]
"""Makes the challenger of an execution. Adversaries are this service with another one of these."""


class WatcherService:
    """Watches every claim with one account.

    Args:
        client: the account and deployment to watch with.
        shelf: the models it has.
        judge: gives the verdict on a claim.
        policy: the stake.
        challenge: makes the challenger from the execution that a claim was refuted with.
        interval: seconds between looks at the chain when nothing happens.
        exit_after: finish when this many of its disputes are over and nothing is left to collect; None: never.
        inline: judge claims in the round itself, not in the background.
    """

    def __init__(
        self,
        client: Client,
        shelf: Shelf,
        judge: Judge,
        policy: Policy,
        *,
        challenge: Challenge = Challenger,
        interval: float = 0.5,
        exit_after: int | None = None,
        inline: bool = False,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        bond = client.deployment.parameters.challenger_bond
        if policy.stake < bond:
            raise WrongSetup(
                f"a stake of {format_amount(policy.stake)} is too little: the bond of one dispute is "
                f"{format_amount(bond)}; give --stake {format_amount(bond).replace(' ', '')} or more"
            )
        self.interval = interval
        self.log = (log or structlog.get_logger()).bind(agent="watcher")
        self._client = client
        self._me = client.address
        self._shelf = shelf
        self._judge = judge
        self._policy = policy
        self._challenge = challenge
        self._exit_after = exit_after
        self._observer = Observer(client, self._me)
        self._sender: Sender[Action] = Sender(client, self.log)
        self._jobs: Jobs[bytes, Verdict] = Jobs(inline=inline)
        self._verdicts: dict[bytes, Verdict] = {}
        self._challengers: dict[bytes, Picks] = {}
        self._staked = False
        self._turns = 0
        self._said: set[Action] = set()
        self._seen: dict[bytes, object] = {}
        self._last: Snapshot | None = None
        self._over = 0

    def on_wake(self, wake: Callable[[], object]) -> None:
        self._jobs.wake = wake

    def finished(self) -> bool:
        done = self._exit_after is not None and self._over >= self._exit_after
        return done and self._last is not None and self._last.account.credits == 0

    def round(self) -> bool:
        """Observe, decide, act; whether anything was done."""
        collected = self._collect()
        snapshot = self._observer.observe()
        self._note_changes(snapshot)
        self._note_stake(snapshot)
        actions = decide.decide(snapshot, self._held(snapshot), self._me, snapshot.timestamp, self._policy)
        started = [self._check(action.claim, snapshot) for action in actions if isinstance(action, decide.Check)]
        self._say(actions)
        wanted = [(action, call) for action in actions if (call := self._call(action, snapshot)) is not None]
        done = [self._note_done(action, outcome, snapshot) for action, outcome in self._sender.send(wanted)]
        return collected or any(started) or any(done)

    def _note_stake(self, snapshot: Snapshot) -> None:
        """The stake is brought up to the policy's once, and once more if the chain went back and undid that."""
        if self._turns != self._observer.turns:
            self._turns, self._staked = self._observer.turns, False
        self._staked = self._staked or snapshot.account.stake >= self._policy.stake

    # Verdicts

    def _held(self, snapshot: Snapshot) -> Held:
        missing = (c for c, verdict in self._verdicts.items() if isinstance(verdict, Unknown) and verdict.model_missing)
        retry = frozenset(c for c in missing if c in snapshot.claims and self._shelf.holds(_model_of(c, snapshot)))
        return Held(self._verdicts, self._challengers, retry, self._staked)

    def _check(self, claim: bytes, snapshot: Snapshot) -> bool:
        return self._jobs.start(claim, lambda: self._judged(claim, snapshot))

    def _judged(self, claim: bytes, snapshot: Snapshot) -> Verdict:
        view = snapshot.claims[claim]
        try:
            model = self._shelf.get(_model_of(claim, snapshot))
        except CorruptModel as error:
            return Unknown(str(error), model_missing=True)
        return self._judge(view, snapshot.requests[view.request], model)

    def _collect(self) -> bool:
        """Take over verdicts; whether there was any."""
        results = self._jobs.collect()
        for claim, verdict in results:
            log = self.log.bind(claim=hexed(claim))
            self._verdicts[claim] = verdict
            if isinstance(verdict, Refuted):
                self._challengers[claim] = self._challenge(verdict.execution)
                log.warning("claim_refuted", trace_root=hexed(verdict.execution.trace.root), seam=verdict.seam)
            elif isinstance(verdict, Unknown):
                log.warning("claim_unknown", reason=verdict.reason)
            else:
                log.info("claim_agrees")
        return bool(results)

    def _refutation(self, claim: bytes) -> Execution:
        """The execution that a claim was refuted with."""
        verdict = self._verdicts[claim]
        assert isinstance(verdict, Refuted)
        return verdict.execution

    # Acting

    def _call(self, action: Action, snapshot: Snapshot) -> Call | None:
        match action:
            case decide.Deposit(amount):
                return calls.deposit(amount)
            case decide.Challenge(claim):
                return calls.challenge(claim, self._refutation(claim).program)
            case decide.ProveOutput(claim, seam):
                outputs = snapshot.claims[claim].outputs
                return calls.prove_output(claim, self._refutation(claim), outputs, seam.output, seam.chunk)
            case decide.Reply(dispute, position, move):
                return calls.answer(dispute, position, move)
            case decide.Expire(disputes):
                return calls.expire(disputes)
            case decide.Settle(dispute):
                return calls.settle(dispute)
            case decide.Collect():
                return calls.collect()
        return None

    def _say(self, actions: list[Action]) -> None:
        """Log, once each, what cannot be done."""
        for action in actions:
            if action in self._said:
                continue
            if isinstance(action, decide.Postpone):
                self._said.add(action)
                self.log.error(
                    "challenge_not_funded",
                    claim=hexed(action.claim),
                    lacking_stake=format_amount(action.lacking_stake),
                    lacking_balance=format_amount(action.lacking_balance),
                )
            elif isinstance(action, decide.Doubt):
                self._said.add(action)
                level = action.position.phase.level
                self.log.error("dispute_doubted", dispute=hexed(action.dispute), level=level, reason=action.reason)

    def _note_done(self, action: Action, outcome: object, snapshot: Snapshot) -> bool:
        """Log what was sent; whether it succeeded."""
        if not isinstance(outcome, Done):
            return False
        log = self.log.bind(gas=outcome.gas, transaction=hexed(outcome.transaction))
        match action:
            case decide.Deposit(amount):
                log.info("stake_deposited", amount=format_amount(amount))
            case decide.Challenge(claim):
                log.info("claim_challenged", claim=hexed(claim))
            case decide.ProveOutput(claim, seam):
                log.info("output_disproved", claim=hexed(claim), output=seam.output, chunk=seam.chunk)
            case decide.Reply(dispute, position, move):
                claim = snapshot.disputes[dispute].claim
                level = position.phase.level
                log.info("move_sent", claim=hexed(claim), dispute=hexed(dispute), level=level, move=type(move).__name__)
            case decide.Expire(disputes):
                log.info("disputes_expired", disputes=[hexed(d) for d in disputes])
            case decide.Settle(dispute):
                log.info("dispute_settled", dispute=hexed(dispute))
            case decide.Collect(amount):
                log.info("credits_collected", amount=format_amount(amount))
        return True

    # Following one's own disputes

    def _note_changes(self, snapshot: Snapshot) -> None:
        """Log what became of this watcher's disputes, and let go of what nobody needs any more."""
        if snapshot is self._last:
            return
        first, self._last = self._last is None, snapshot
        for dispute, event in self._disputes(snapshot):
            if self._seen.get(dispute.id) == dispute.status:
                continue
            self._seen[dispute.id] = dispute.status
            if first and dispute.status is not DisputeStatus.ACTIVE:
                continue  # it ended before this process began
            level = self.log.error if dispute.status is DisputeStatus.LOST else self.log.info
            details: dict[str, Any] = {"dispute": hexed(dispute.id), "claim": hexed(dispute.claim)}
            if dispute.reason is not None:
                details["reason"] = dispute.reason.name.lower()
                self._over += 1
            level(event, level=dispute.position.phase.level, **details)
        # A claim that the chain went back behind is judged again should it return.
        pending = {c.id for c in snapshot.claims.values() if c.status is ClaimStatus.PENDING}
        for claim in [c for c in self._challengers if c not in pending]:
            del self._challengers[claim], self._verdicts[claim]

    def _disputes(self, snapshot: Snapshot) -> Iterator[tuple[DisputeView, str]]:
        names = {
            DisputeStatus.ACTIVE: "dispute_opened",
            DisputeStatus.WON: "dispute_won",
            DisputeStatus.LOST: "dispute_lost",
            DisputeStatus.SETTLED: "dispute_settled",
        }
        for dispute in snapshot.disputes.values():
            if dispute.challenger == self._me:
                yield dispute, names[dispute.status]


def _model_of(claim: bytes, snapshot: Snapshot) -> bytes:
    return snapshot.requests[snapshot.claims[claim].request].model
