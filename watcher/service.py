"""The watcher as a service: observes the chain, decides, and acts; re-runs models in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

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
from contracts.service.feed import Feed, Report
from contracts.service.funds import Funds
from contracts.service.rehearsal import Rehearsal
from contracts.service.store import Store
from contracts.shelf import Shelf
from contracts.snapshot import AccountView, ClaimView, Snapshot
from prover.game.players import Challenger, NothingDiffers
from watcher import actions, decide
from watcher.actions import Action
from watcher.bench import Bench, Challenge
from watcher.chronicle import Chronicle
from watcher.policy import Policy
from watcher.team import Group, Team
from watcher.verdict import Judge

_NOBODY = AccountView("nobody")
_PLENTY = 1 << 96
"""Wei beyond every need."""


class WatcherService:
    """Watches every claim with one account.

    Args:
        client: the account and deployment to watch with; without an account it only says what it would do.
        shelf: the models it has.
        judge: gives the verdict on a claim.
        policy: the stake, and what to verify.
        challenge: makes the challenger from the execution that a claim was refuted with.
        interval: seconds between looks at the chain when nothing happens.
        exit_after: finish when this many of its disputes are over and nothing is left to collect; None: never.
        inline: judge claims in the round itself, not in the background.
        parallel: how many claims are judged at once in the background.
        store: what its last process kept.
        confirmations: blocks that a claim must be in before a bond is put on disputing it.
        feed: is given a report after each round.
        bus: where it says what it does, and hears what others do; by default nowhere.
        group: the workers that it shares claims out with, on that bus.
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
        parallel: int = 1,
        store: Store | None = None,
        confirmations: int = 0,
        feed: Feed | None = None,
        bus: Bus | None = None,
        group: Group | None = None,
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
        self._me = client.account or _NOBODY.address
        self._policy = policy
        self._exit_after = exit_after
        self._observer = Observer(client, client.account, confirmations)
        self._sender: Sender[Action] | Rehearsal[Action] = (
            Sender(client, self.log) if client.account is not None else Rehearsal(self.log)
        )
        self._bus = bus or NoBus()
        self._team = Team(group, self._me, self._bus, log=self.log) if group is not None else None
        fellows = group.accounts if group is not None else frozenset()
        self._reporter = Reporter(self._bus, self._me, "watcher", shelf, fellows)
        self._bench = Bench(shelf, judge, self.log, inline, challenge, parallel, store)
        self._funds = Funds(decide.DISPUTE_GAS, self.log)
        self._chronicle = Chronicle(self._me, self.log)
        self._feed = feed
        self._staked = False
        self._turns = 0
        self._credits = 0
        self._rehearsed: tuple[Snapshot, Snapshot] | None = None

    def on_wake(self, wake: Callable[[], object]) -> None:
        self._bench.jobs.wake = wake
        self._bus.on_wake(wake)

    def finished(self) -> bool:
        return self._exit_after is not None and self._chronicle.over >= self._exit_after and self._credits == 0

    def round(self) -> bool:
        """Observe, decide, act; whether anything was done."""
        snapshot = self._look()
        busy = self._bench.collect(snapshot)
        if self._chronicle.note(snapshot):
            self._bench.keep(snapshot)
            self._funds.note(snapshot, sum(d.challenger == self._me for d in snapshot.running_disputes()))
            self._reporter.note(snapshot)
        self._credits = snapshot.account.credits
        self._note_turns(snapshot)
        held = self._bench.held(snapshot, self._staked)
        if self._team is not None:
            held = replace(held, left=self._team.left(snapshot, held.verdicts))
        started: list[bool] = []
        due = decide.due(snapshot, held, self._me, snapshot.timestamp, self._policy)
        sent = self._sender.send(self._wanted(due, snapshot, started), snapshot.timestamp)
        done = [self._note_done(action, outcome, snapshot) for action, outcome in sent]
        if self._feed is not None:
            self._feed.publish(self._report(snapshot))
        return busy or any(started) or any(done)

    def _report(self, snapshot: Snapshot) -> Report:
        bench = self._bench
        return Report(
            "watcher",
            snapshot,
            bench.verdicts(),
            seconds=dict(bench.seconds),
            computing=bench.jobs.waiting,
            pending=self._client.pending,
            replaced=self._client.on_their_way().replaced,
            own=bench.own_value,
            passed_over=self._chronicle.passed_over,
        )

    def _look(self) -> Snapshot:
        """The state at the latest block; in a dry run with the money that the policy speaks of."""
        snapshot = self._observer.observe()
        if self._client.account is not None:
            return snapshot
        if self._rehearsed is None or self._rehearsed[0] is not snapshot:
            funded = replace(_NOBODY, free=self._policy.stake, balance=_PLENTY)
            self._rehearsed = snapshot, replace(snapshot, account=funded)
        return self._rehearsed[1]

    def _note_turns(self, snapshot: Snapshot) -> None:
        """The stake is brought up to the policy's once, and once more if the chain went back and undid that."""
        if self._turns != self._observer.turns:
            self._turns, self._staked = self._observer.turns, False
            self._sender.start_over()
        self._staked = self._staked or snapshot.account.stake >= self._policy.stake

    def _wanted(self, due: Iterator[Action], snapshot: Snapshot, started: list[bool]) -> Iterator[tuple[Action, Call]]:
        """The calls of what is due, one by one; judgements are started on the way."""
        for action in due:
            if isinstance(action, actions.Check):
                started.append(self._bench.start(action, snapshot))
            elif isinstance(action, actions.Spoken):
                self._chronicle.say(action, snapshot.timestamp)
            else:
                yield action, self._call(action, snapshot)

    # Acting

    def _call(self, action: Action, snapshot: Snapshot) -> Call:
        match action:
            case actions.Deposit(amount):
                return calls.deposit(amount)
            case actions.Challenge(claim):
                return self._challenge(snapshot.claims[claim])
            case actions.ProveOutput(claim, seam):
                outputs = snapshot.claims[claim].outputs
                return calls.prove_output(claim, self._bench.refutation(claim), outputs, seam.output, seam.chunk)
            case actions.Reply(dispute, position, move) | actions.Defend(dispute, position, move):
                return calls.answer(dispute, position, move)
            case actions.Expire(disputes):
                return calls.expire([snapshot.disputes[dispute].party for dispute in disputes])
            case actions.Settle(dispute):
                return calls.settle(snapshot.disputes[dispute].party)
            case actions.Collect():
                return calls.collect()
        raise AssertionError(f"{type(action).__name__} is not sent")

    def _challenge(self, claim: ClaimView) -> Call:
        """At the first of the claim's nodes that differs; of a replaced output, whose trace is right, at none."""
        own = self._bench.refutation(claim.id)
        try:
            child = Challenger(own).first_pick(claim.nodes)
        except NothingDiffers:
            return calls.challenge(claim.id, own.program, claim.trace_root)
        return calls.challenge_at(claim.id, own.program, claim.nodes, child)

    def _note_done(self, action: Action, outcome: object, snapshot: Snapshot) -> bool:
        """Log and tell what was sent; whether it succeeded."""
        if not isinstance(outcome, Done):
            return False
        self._reporter.done(outcome, snapshot)
        log = self.log.bind(gas=outcome.gas, transaction=hexed(outcome.transaction))
        match action:
            case actions.Deposit(amount):
                log.info("stake_deposited", amount=format_amount(amount))
            case actions.Challenge(claim):
                log.info("claim_challenged", claim=hexed(claim))
            case actions.ProveOutput(claim, seam):
                log.info("output_disproved", claim=hexed(claim), output=seam.output, chunk=seam.chunk)
            case actions.Reply(dispute, position, move) | actions.Defend(dispute, position, move):
                claim = snapshot.disputes[dispute].claim
                level = position.phase.level
                event = "move_sent" if isinstance(action, actions.Reply) else "delegated_move_sent"
                log.info(event, claim=hexed(claim), dispute=hexed(dispute), walk_level=level, move=type(move).__name__)
            case actions.Expire(disputes):
                log.info("disputes_expired", disputes=[hexed(d) for d in disputes])
            case actions.Settle(dispute):
                log.info("dispute_settled", dispute=hexed(dispute))
            case actions.Collect(amount):
                log.info("credits_collected", amount=format_amount(amount))
        return True
