"""The executor as a service: observes the chain, decides, and acts; runs models in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import structlog
from structlog.typing import FilteringBoundLogger

from contracts import calls
from contracts.agent import hexed
from contracts.amounts import format_amount
from contracts.batch import Done
from contracts.calls import Call
from contracts.client import Client
from contracts.errors import WrongSetup
from contracts.messages.bus import Bus, NoBus
from contracts.messages.reporter import Reporter
from contracts.observer import Observer
from contracts.sender import Sender
from contracts.service.disk import free_bytes
from contracts.service.feed import Feed, Report
from contracts.service.funds import Funds
from contracts.shelf import Run, Shelf
from contracts.snapshot import Snapshot
from executor import actions, decide
from executor.actions import Action
from executor.chronicle import Chronicle
from executor.policy import Policy
from executor.workshop import Defend, Workshop
from prover.game.players import Defender


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
        data: where it keeps its own files: the room there is looked at before a request is accepted.
        confirmations: blocks that a request must be in before it is accepted.
        feed: is given a report after each round.
        bus: where it says what it does, and hears what others do; by default nowhere.
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
        data: Path | None = None,
        confirmations: int = 0,
        feed: Feed | None = None,
        bus: Bus | None = None,
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
        self._policy = policy
        self._exit_after = exit_after
        self._observer = Observer(client, self._me, confirmations)
        self._funds = Funds(decide.DEFENCE_GAS, self.log)
        self._sender: Sender[Action] = Sender(client, self.log)
        self._data = data
        self._bus = bus or NoBus()
        self._reporter = Reporter(self._bus, self._me, "executor", shelf)
        self._workshop = Workshop(shelf, run, defend, self.log, inline, self._bus)
        self._chronicle = Chronicle(self._me, self.log)
        self._feed = feed
        self._staked = False
        self._turns = 0

    def on_wake(self, wake: Callable[[], object]) -> None:
        self._workshop.jobs.wake = wake
        self._bus.on_wake(wake)

    def finished(self) -> bool:
        return self._exit_after is not None and self._chronicle.ended >= self._exit_after

    def round(self) -> bool:
        """Observe, decide, act; whether anything was done."""
        snapshot = self._observer.observe()
        busy = self._workshop.collect(snapshot)
        if self._chronicle.note(snapshot):
            self._workshop.keep(snapshot, self._me)
            self._reporter.note(snapshot)
            mine = (d for d in snapshot.running_disputes() if snapshot.claims[d.claim].executor == self._me)
            self._funds.note(snapshot, sum(1 for _ in mine))
        self._note_turns(snapshot)
        held = self._workshop.held(snapshot, self._staked)
        if self._data is not None:
            held = replace(held, disk=free_bytes(self._data))
        started: list[bool] = []
        due = decide.due(snapshot, held, self._me, snapshot.timestamp, self._policy)
        sent = self._sender.send(self._wanted(due, snapshot, started), snapshot.timestamp)
        done = [self._note_done(action, outcome, snapshot) for action, outcome in sent]
        if self._feed is not None:
            self._feed.publish(
                Report(
                    "executor",
                    snapshot,
                    seconds=dict(held.seconds),
                    computing=self._workshop.jobs.waiting,
                    pending=self._client.pending,
                    replaced=self._client.on_their_way().replaced,
                )
            )
        return busy or any(started) or any(done)

    def _note_turns(self, snapshot: Snapshot) -> None:
        """The stake is brought up to the policy's once, and once more if the chain went back and undid that."""
        if self._turns != self._observer.turns:
            self._turns, self._staked = self._observer.turns, False
            self._sender.start_over()
        self._staked = self._staked or snapshot.account.stake >= self._policy.stake

    def _wanted(self, due: Iterator[Action], snapshot: Snapshot, started: list[bool]) -> Iterator[tuple[Action, Call]]:
        """The calls of what is due, one by one; computations are started on the way."""
        for action in due:
            if isinstance(action, actions.Computation):
                started.append(self._workshop.start(action, snapshot))
            elif isinstance(action, actions.Spoken):
                self._chronicle.say(action, snapshot.timestamp)
            else:
                yield action, self._call(action, snapshot)

    # Acting

    def _call(self, action: Action, snapshot: Snapshot) -> Call:
        match action:
            case actions.Deposit(amount):
                return calls.deposit(amount)
            case actions.Accept(request):
                return calls.accept(request)
            case actions.PostClaim(request, head, interface, nodes, outputs, delegate):
                return calls.claim(request, head, interface, nodes, outputs, delegate)
            case actions.Answer(dispute, position, move):
                return calls.answer(dispute, position, move)
            case actions.Finalise(claim):
                return calls.finalise(claim)
            case actions.Expire(disputes):
                return calls.expire([snapshot.disputes[dispute].party for dispute in disputes])
            case actions.Lapse(request):
                return calls.lapse(request)
            case actions.Collect():
                return calls.collect()
        raise AssertionError(f"{type(action).__name__} is not sent")

    def _note_done(self, action: Action, outcome: object, snapshot: Snapshot) -> bool:
        """Log and tell what was sent; whether it succeeded."""
        if not isinstance(outcome, Done):
            return False
        self._reporter.done(outcome, snapshot)
        log = self.log.bind(gas=outcome.gas, transaction=hexed(outcome.transaction))
        match action:
            case actions.Deposit(amount):
                log.info("stake_deposited", amount=format_amount(amount))
            case actions.Accept(request):
                log.info("request_accepted", request=hexed(request))
            case actions.PostClaim(request):
                claim = outcome.event("Claimed").arguments["claim"]
                log.info("claim_posted", request=hexed(request), claim=hexed(claim))
            case actions.Answer(dispute, position, move):
                log.info("move_sent", dispute=hexed(dispute), walk_level=position.phase.level, move=type(move).__name__)
            case actions.Finalise(claim):
                log.info("claim_finalised", claim=hexed(claim))
            case actions.Expire(disputes):
                log.info("disputes_expired", disputes=[hexed(d) for d in disputes])
            case actions.Lapse(request):
                log.info("request_lapsed", request=hexed(request))
            case actions.Collect(amount):
                log.info("credits_collected", amount=format_amount(amount))
        return True
