"""An agent's metrics in Prometheus form, from its latest report and from the events it logs (docs/observing.md)."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Summary, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contracts.batch import Done, Outcome
from contracts.errors import ContractRefused, NodeRefused, NotFunded, Unmined
from contracts.service.feed import Feed, Report
from contracts.snapshot import ClaimStatus, DisputeStatus, DisputeView
from prover.game.position import Side

REGISTRY = CollectorRegistry()
EVENTS = Counter("refute_events", "Events logged, by name and level", ["event", "level"], registry=REGISTRY)

ERRORS = Counter("refute_errors", "Events logged as errors: each wants a person", registry=REGISTRY)
INFERENCE = Summary("refute_inference_seconds", "Passes of a model over one or more inputs", registry=REGISTRY)
COMMIT = Summary("refute_commit_seconds", "Hashing the traces of such a pass", registry=REGISTRY)
TRANSACTIONS = Counter("refute_transactions", "Transactions, by what became of them", ["outcome"], registry=REGISTRY)
OUTCOMES: dict[type, str] = {
    Done: "mined",
    ContractRefused: "refused",
    NodeRefused: "not_taken",
    NotFunded: "not_funded",
    Unmined: "unmined",
}
for outcome in OUTCOMES.values():
    TRANSACTIONS.labels(outcome)
# A counter that begins with its first event shows no increase at that event: those with an alert begin at 0.
for name, level in ("dispute_lost", "error"), ("claim_fallen", "error"), ("balance_low", "warning"):
    EVENTS.labels(name, level)


def count_event(_logger: object, level: str, event: Any) -> Any:
    """A structlog processor that counts every event and changes none."""
    EVENTS.labels(str(event["event"]), level).inc()
    if level == "error":
        ERRORS.inc()
    return event


def count_transaction(outcome: Outcome) -> None:
    """What became of a transaction that an agent wanted to send."""
    TRANSACTIONS.labels(OUTCOMES[type(outcome)]).inc()


def verification_lag(report: Report) -> int:
    """Age, in seconds of chain time, of the oldest open claim that is to have a verdict and has none; 0 if all have."""
    snapshot, now = report.snapshot, report.snapshot.timestamp
    posted = [
        claim.window_end - snapshot.parameters.window
        for claim in snapshot.claims.values()
        if claim.status is ClaimStatus.PENDING
        and now < claim.window_end
        and claim.executor != snapshot.account.address
        and claim.id not in report.verdicts
        and claim.id not in report.passed_over
    ]
    return max((now - moment for moment in posted), default=0)


def own_disputes(report: Report) -> list[tuple[DisputeView, Side]]:
    """Disputes that this agent is a side of, and which."""
    snapshot, me = report.snapshot, report.snapshot.account.address
    found = []
    for dispute in snapshot.disputes.values():
        if dispute.challenger == me:
            found.append((dispute, Side.CHALLENGER))
        elif snapshot.claims[dispute.claim].executor == me:
            found.append((dispute, Side.EXECUTOR))
    return found


class AgentCollector(Collector):
    """Gauges of the latest report; nothing before the first."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> Iterator[GaugeMetricFamily]:
        report = self._feed.latest
        if report is None:
            return
        snapshot, account = report.snapshot, report.snapshot.account
        yield _one("refute_rounds", "Rounds since the process began", self._feed.rounds)
        yield _one("refute_chain_head_block", "Number of the block that the agent has seen last", snapshot.block)
        yield _one("refute_chain_head_timestamp", "Its time, in seconds since 1970", snapshot.timestamp)
        yield _one("refute_nodes_disagree", "1 while the nodes show different chains", snapshot.doubt is not None)
        yield _one("refute_balance_ether", "The account's balance outside the contract", account.balance / 1e18)
        stakes = {"free": account.free, "locked": account.locked, "leaving": account.leaving}
        yield _by("refute_stake_ether", "The account's stake", "kind", {k: v / 1e18 for k, v in stakes.items()})
        yield _one("refute_credits_ether", "What the account can collect", account.credits / 1e18)
        yield _one("refute_transactions_pending", "Transactions on their way", report.pending)
        yield _one("refute_transactions_replaced", "Of these, sent again for a higher fee", report.replaced)
        yield _one("refute_computing", "Runs and judgements queued or under way", report.computing)
        yield _by("refute_requests", "Requests", "status", Tally(r.status.value for r in snapshot.requests.values()))
        yield _by("refute_claims", "Claims", "status", Tally(c.status.value for c in snapshot.claims.values()))
        verdicts = {"agrees": 0, "refuted": 0, "unknown": 0} | Tally(report.verdicts.values())
        yield _by("refute_verdicts", "Verdicts on claims whose window is open", "verdict", verdicts)
        if report.agent == "watcher":
            lag = verification_lag(report)
            yield _one("refute_verification_lag_seconds", "Age of the oldest claim to be verified", lag)
        yield from self._disputes(report)
        seconds = GaugeMetricFamily("refute_run_seconds", "What the last run took, hashing included", labels=["model"])
        for model, value in report.seconds.items():
            seconds.add_metric([model.hex()], value)
        yield seconds

    def _disputes(self, report: Report) -> Iterator[GaugeMetricFamily]:
        mine = own_disputes(report)
        disputes = GaugeMetricFamily("refute_disputes", "Own disputes", labels=["status", "level"])
        for (status, level), count in Tally((d.status.value, d.position.phase.level) for d, _ in mine).items():
            disputes.add_metric([status, level], count)
        yield disputes
        left = [
            dispute.deadline - report.snapshot.timestamp
            for dispute, side in mine
            if dispute.status is DisputeStatus.ACTIVE
            and dispute.side is side
            and report.snapshot.claims[dispute.claim].status is ClaimStatus.PENDING
        ]
        urgent = GaugeMetricFamily("refute_move_seconds_left", "Clock left of the most urgent own move, if one is due")
        if left:
            urgent.add_metric([], min(left))
        yield urgent


def exposition(feed: Feed) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(AgentCollector(feed))
    return bytes(generate_latest(registry)) + bytes(generate_latest(REGISTRY))


def _one(name: str, help: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help, value=float(value))


def _by(name: str, help: str, label: str, values: dict[str, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
