"""The executor as a service: observes the chain, decides, and acts; runs models in the background."""

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
from contracts.shelf import Run, Shelf, input_arrays
from contracts.snapshot import ClaimStatus, DisputeStatus, RequestView, Snapshot
from executor import decide
from executor.decide import Action, Held, Policy
from prover.errors import CorruptModel
from prover.game.players import Defender
from prover.game.simulator import Opens
from prover.trace import Execution

Defend = Callable[[Execution], Opens]
"""Makes the defender of an execution. Adversaries are this service with another one of these."""


class ExecutorService:
    """Serves requests with one account.

    Args:
        client: the account and deployment to serve with.
        shelf: the models it has.
        run: makes an execution of a model on inputs.
        policy: the stake, and what to accept.
        defend: makes the defender of an execution.
        interval: seconds between looks at the chain when nothing happens.
        exit_after: finish after this many of its claims have become final or fallen; None: never.
        inline: run models in the round itself, not in the background.
    """

    def __init__(
        self,
        client: Client,
        shelf: Shelf,
        run: Run,
        policy: Policy,
        *,
        defend: Defend = Defender,
        interval: float = 0.5,
        exit_after: int | None = None,
        inline: bool = False,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        least = client.deployment.parameters.executor_stake
        if policy.stake < least:
            raise WrongSetup(
                f"a stake of {format_amount(policy.stake)} is too little: one answer locks {format_amount(least)}; "
                f"give --stake {format_amount(least).replace(' ', '')} or more"
            )
        self.interval = interval
        self.log = (log or structlog.get_logger()).bind(agent="executor")
        self._client = client
        self._me = client.address
        self._shelf = shelf
        self._run = run
        self._policy = policy
        self._defend = defend
        self._exit_after = exit_after
        self._observer = Observer(client, self._me)
        self._sender: Sender[Action] = Sender(client, self.log)
        self._jobs: Jobs[Action, Execution | None] = Jobs(inline=inline)
        self._models: set[bytes] = set()
        self._executions: dict[bytes, Execution] = {}
        self._defenders: dict[bytes, Opens] = {}
        self._staked = False
        self._turns = 0
        self._seen: dict[bytes, object] = {}
        self._last: Snapshot | None = None
        self._ended = 0

    def on_wake(self, wake: Callable[[], object]) -> None:
        self._jobs.wake = wake

    def finished(self) -> bool:
        return self._exit_after is not None and self._ended >= self._exit_after

    def round(self) -> bool:
        """Observe, decide, act; whether anything was done."""
        collected = self._collect()
        snapshot = self._observer.observe()
        self._note_changes(snapshot)
        self._note_stake(snapshot)
        actions = decide.decide(snapshot, self._held(snapshot), self._me, snapshot.timestamp, self._policy)
        started = [self._start(action, snapshot) for action in actions if isinstance(action, decide.Load | decide.Run)]
        wanted = [(action, call) for action in actions if (call := self._call(action, snapshot)) is not None]
        done = [self._note_done(action, outcome) for action, outcome in self._sender.send(wanted)]
        return collected or any(started) or any(done)

    def _note_stake(self, snapshot: Snapshot) -> None:
        """The stake is brought up to the policy's once, and once more if the chain went back and undid that."""
        if self._turns != self._observer.turns:
            self._turns, self._staked = self._observer.turns, False
        self._staked = self._staked or snapshot.account.stake >= self._policy.stake

    # What is held off the chain

    def _held(self, snapshot: Snapshot) -> Held:
        folders = frozenset(id for id in {r.model for r in snapshot.requests.values()} if self._shelf.holds(id))
        return Held(folders, frozenset(self._models), self._executions, self._defenders, self._staked)

    def _start(self, action: decide.Load | decide.Run, snapshot: Snapshot) -> bool:
        if isinstance(action, decide.Load):
            return self._jobs.start(action, lambda: self._load(action.model))
        return self._jobs.start(action, lambda: self._execute(action.request, snapshot))

    def _load(self, model: bytes) -> None:
        try:
            self._shelf.get(model)
        except CorruptModel as error:
            self.log.error("model_refused", model=hexed(model), reason=str(error))

    def _execute(self, request: bytes, snapshot: Snapshot) -> Execution:
        view = snapshot.requests[request]
        model = self._shelf.get(view.model)
        execution = self._run(model, input_arrays(model.program, view.inputs))
        # Both are computed when first asked for: here, in the background.
        root, _ = execution.trace.root, execution.outputs
        self.log.info("model_run", request=hexed(request), model=hexed(view.model), trace_root=hexed(root))
        claim = snapshot.claims[view.claim] if view.claim is not None else None
        if claim is not None and claim.trace_root != root:
            self.log.error("own_claim_not_reproduced", claim=hexed(claim.id), claimed_root=hexed(claim.trace_root))
        return execution

    def _collect(self) -> bool:
        """Take over finished jobs; whether there was any."""
        results = self._jobs.collect()
        for action, execution in results:
            if isinstance(action, decide.Load) and self._shelf.holds(action.model):
                self._models.add(action.model)
            elif isinstance(action, decide.Run) and execution is not None:
                self._executions[action.request] = execution
                self._defenders[action.request] = self._defend(execution)
        return bool(results)

    # Acting

    def _call(self, action: Action, snapshot: Snapshot) -> Call | None:
        match action:
            case decide.Deposit(amount):
                return calls.deposit(amount)
            case decide.Accept(request):
                return calls.accept(request)
            case decide.PostClaim(request, trace_root, outputs):
                interface = snapshot.models[snapshot.requests[request].model].interface
                return calls.claim(request, interface, trace_root, outputs)
            case decide.Answer(dispute, position, move):
                return calls.answer(dispute, position, move)
            case decide.Finalise(claim):
                return calls.finalise(claim)
            case decide.Expire(disputes):
                return calls.expire(disputes)
            case decide.Lapse(request):
                return calls.lapse(request)
            case decide.Collect():
                return calls.collect()
        return None

    def _note_done(self, action: Action, outcome: object) -> bool:
        """Log what was sent; whether it succeeded."""
        if not isinstance(outcome, Done):
            return False
        log = self.log.bind(gas=outcome.gas, transaction=hexed(outcome.transaction))
        match action:
            case decide.Deposit(amount):
                log.info("stake_deposited", amount=format_amount(amount))
            case decide.Accept(request):
                log.info("request_accepted", request=hexed(request))
            case decide.PostClaim(request):
                claim = outcome.event("Claimed").arguments["claim"]
                log.info("claim_posted", request=hexed(request), claim=hexed(claim))
            case decide.Answer(dispute, position, move):
                log.info("move_sent", dispute=hexed(dispute), level=position.phase.level, move=type(move).__name__)
            case decide.Finalise(claim):
                log.info("claim_finalised", claim=hexed(claim))
            case decide.Expire(disputes):
                log.info("disputes_expired", disputes=[hexed(d) for d in disputes])
            case decide.Lapse(request):
                log.info("request_lapsed", request=hexed(request))
            case decide.Collect(amount):
                log.info("credits_collected", amount=format_amount(amount))
        return True

    # Following one's own claims

    def _note_changes(self, snapshot: Snapshot) -> None:
        """Log what became of this executor's claims and disputes, and let go of what nobody needs any more."""
        if snapshot is self._last:
            return
        first, self._last = self._last is None, snapshot
        for key, status, event, details in self._states(snapshot):
            if self._seen.get(key) == status:
                continue
            self._seen[key] = status
            if first and status is not DisputeStatus.ACTIVE:
                continue  # it ended before this process began
            level = self.log.error if event in ("claim_fallen", "dispute_lost") else self.log.info
            level(event, **details)
            if status in (ClaimStatus.FINAL, ClaimStatus.FALLEN):
                self._ended += 1
        for request in [id for id in self._executions if not self._is_mine(snapshot.requests.get(id))]:
            del self._executions[request], self._defenders[request]

    def _is_mine(self, request: RequestView | None) -> bool:
        if request is None:
            return False  # the chain went back behind it
        return request.status in decide.AT_WORK and request.executor == self._me

    def _states(self, snapshot: Snapshot) -> Iterator[tuple[bytes, object, str, dict[str, Any]]]:
        mine = {c.id: c for c in snapshot.claims.values() if c.executor == self._me}
        for claim in mine.values():
            details = {"claim": hexed(claim.id), "request": hexed(claim.request)}
            if claim.status is not ClaimStatus.PENDING:
                yield claim.id, claim.status, f"claim_{claim.status.value}", details
        for dispute in snapshot.disputes.values():
            if dispute.claim not in mine:
                continue
            details = {"dispute": hexed(dispute.id), "claim": hexed(dispute.claim), "challenger": dispute.challenger}
            names = {
                DisputeStatus.ACTIVE: "dispute_opened",
                DisputeStatus.WON: "dispute_lost",
                DisputeStatus.LOST: "dispute_won",
                DisputeStatus.SETTLED: "dispute_settled",
            }
            yield dispute.id, dispute.status, names[dispute.status], details
