"""Workers of one operator: each claim is checked by one of them, and by another when that one does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts.errors import WrongSetup
from contracts.messages.bus import NoBus
from contracts.messages.gate import Received
from contracts.messages.kinds import Claimed, Message, Report
from contracts.snapshot import ClaimStatus, ClaimView, Snapshot
from prover.game.position import Phase
from tests.agents.stage import PARAMETERS, Stage
from tests.agents.states import BOND, NOW, THEM, claim, dispute, key, request
from tests.agents.states import ME as OWN
from tests.agents.states import snapshot as snapshot_of
from tests.messages.party import ACCOUNTS
from watcher import decide as watching
from watcher.policy import Policy
from watcher.team import SILENT, TURN, Group, Team
from watcher.verdict import Agrees, Unknown, Verdict

ME, FELLOW, THIRD, STRANGER = (account.address for account in ACCOUNTS[:4])
GROUP = Group.of("ops", [FELLOW, THIRD], ME)
CLAIMS = [bytes([n]) * 32 for n in range(1, 41)]


class Wire(NoBus):
    """What a worker says, and a way to tell it something; the clock stands still."""

    def __init__(self, shares: bool = False) -> None:
        self.shares = shares
        self.said: list[tuple[Message, str | None]] = []
        self.now = 1_000.0
        self._handlers: list[tuple[type[Message], Callable[[Received], None]]] = []

    def hear(self, kind: type[Message], handler: Callable[[Received], None]) -> None:
        self._handlers.append((kind, handler))

    def publish(self, message: Message, to: str | None = None) -> None:
        self.said.append((message, to))

    def tell(self, message: Message, sender: str, group: str | None = None) -> None:
        for kind, handler in self._handlers:
            if isinstance(message, kind):
                handler(Received(sender, message, group))

    def reports(self, *claims: bytes, sender: str = FELLOW, group: str = "ops") -> None:
        self.tell(Report(claims), sender, group)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Forty pending claims, of which a window is just beginning."""
    held = Stage(tmp_path_factory.mktemp("team") / "models").look()
    end = held.timestamp + PARAMETERS.window
    claims = {id: ClaimView(id, bytes(32), STRANGER, STRANGER, bytes(32), (), end) for id in CLAIMS}
    return replace(held, claims=claims)


def due(team: Team, snapshot: Snapshot, verdicts: dict[bytes, Verdict] | None = None) -> set[bytes]:
    return set(CLAIMS) - team.left(snapshot, verdicts or {})


def worker(wire: Wire, me: str = ME) -> Team:
    return Team(GROUP, me, wire, lambda: wire.now)


def test_each_claim_is_first_one_workers_and_the_others_later(snapshot: Snapshot) -> None:
    wires = {me: Wire() for me in (ME, FELLOW, THIRD)}
    teams = {me: worker(wire, me) for me, wire in wires.items()}
    for turn in (1, 2, 3):
        counts = Counter(claim for me in teams for claim in due(teams[me], snapshot))
        assert set(counts) == set(CLAIMS)
        assert set(counts.values()) == {turn}
        for me, wire in wires.items():
            wire.now += TURN
            for other in wires.keys() - {me}:
                wire.reports(sender=other)
    assert all(8 < len(due(worker(Wire(), me), snapshot)) < 20 for me in wires), "about a third each"


def test_what_a_fellow_agrees_with_is_left_alone(snapshot: Snapshot) -> None:
    wire = Wire()
    team = worker(wire)
    wire.reports(*CLAIMS[:30])
    assert not due(team, snapshot) & set(CLAIMS[:30])
    wire.now += 10 * TURN
    assert due(team, snapshot) == set(CLAIMS[30:])


@pytest.mark.parametrize(("sender", "group"), [(STRANGER, "ops"), (FELLOW, "others")])
def test_nobody_else_is_believed(snapshot: Snapshot, sender: str, group: str) -> None:
    wire = Wire()
    team = worker(wire)
    before = due(team, snapshot)
    wire.reports(*CLAIMS, sender=sender, group=group)
    assert due(team, snapshot) == before
    wire.now += SILENT
    assert due(team, snapshot) == set(CLAIMS), "and it is no sign of life"


def test_when_the_others_are_silent_everything_is_checked_at_once(snapshot: Snapshot) -> None:
    wire = Wire()
    team = worker(wire)
    assert due(team, snapshot) < set(CLAIMS), "one that starts lets the others speak first"
    with capture_logs() as logs:
        wire.now += SILENT
        assert due(team, snapshot) == set(CLAIMS)
        wire.reports()
        assert due(team, snapshot) < set(CLAIMS)
        assert due(team, snapshot) < set(CLAIMS)
    said = [(event["event"], event["fellow"]) for event in logs]
    assert sorted(said[:2]) == sorted([("fellow_silent", FELLOW), ("fellow_silent", THIRD)])
    assert said[2:] == [("fellow_heard", FELLOW)]


def test_half_a_window_before_the_end_only_agreement_counts(snapshot: Snapshot) -> None:
    wire = Wire()
    team = worker(wire)
    wire.reports(CLAIMS[0])
    late = replace(snapshot, timestamp=snapshot.timestamp + PARAMETERS.window // 2)
    assert due(team, late) == set(CLAIMS[1:])


def test_claims_that_the_broker_gives_are_checked_at_once_and_the_others_wait_a_turn(snapshot: Snapshot) -> None:
    wire = Wire(shares=True)
    team = worker(wire)
    assert due(team, snapshot) == set()
    wire.tell(Claimed(CLAIMS[5], bytes(32), bytes(32)), STRANGER)
    assert due(team, snapshot) == {CLAIMS[5]}
    wire.now += TURN
    wire.reports()
    first = due(team, snapshot)
    assert {CLAIMS[5]} < first < set(CLAIMS)


def test_a_broker_that_gives_claims_to_everyone_gives_them_to_nobody(snapshot: Snapshot) -> None:
    wire = Wire(shares=False)
    team = worker(wire)
    before = due(team, snapshot)
    for given in CLAIMS:
        wire.tell(Claimed(given, bytes(32), bytes(32)), STRANGER)
    assert due(team, snapshot) == before


def test_a_worker_reports_what_it_agrees_with_and_that_it_is_there(snapshot: Snapshot) -> None:
    wire = Wire()
    team = worker(wire)
    verdicts: dict[bytes, Verdict] = {CLAIMS[0]: Agrees(), CLAIMS[1]: Unknown("it has no model")}
    due(team, snapshot, {})
    due(team, snapshot, verdicts)
    due(team, snapshot, verdicts)
    assert wire.said == [(Report(()), "ops"), (Report((CLAIMS[0],)), "ops")]
    wire.now += 5
    due(team, snapshot, verdicts)
    assert len(wire.said) == 3


def test_what_is_made_up_is_forgotten(snapshot: Snapshot) -> None:
    wire = Wire(shares=True)
    team = worker(wire)
    for number in range(1_000, 2_000):
        wire.tell(Claimed(number.to_bytes(32, "big"), bytes(32), bytes(32)), STRANGER)
    wire.reports(CLAIMS[0])
    due(team, snapshot)
    over = {id: replace(claim, status=ClaimStatus.FINAL) for id, claim in snapshot.claims.items()}
    wire.now += SILENT + 1
    team.left(replace(snapshot, claims=over), {})
    assert not team._given
    assert not team._agreed
    assert not team._seen


def test_what_is_a_fellows_is_not_checked_unless_this_worker_is_at_stake() -> None:
    """Its own policy is asked only about claims that are its own; a dispute of its own goes before both."""
    mine = dispute(0, Phase.LAYER_OPEN, NOW + 9, OWN, of=2)
    seen = snapshot_of(request(0), request(1), request(2), claim(0, THEM), claim(1, THEM), claim(2, THEM), mine)
    held = watching.Held(staked=True, left=frozenset({key("claim", 0), key("claim", 2)}))
    actions = watching.decide(seen, held, OWN, NOW, Policy(BOND))
    assert actions == [watching.Check(key("claim", 2), urgent=True), watching.Check(key("claim", 1))]
    actions = watching.decide(seen, held, OWN, NOW, Policy(BOND, sample=0.0, secret=b"s"))
    said = [watching.Check(key("claim", 2), urgent=True), watching.PassOver(key("claim", 1), "it is not in the sample")]
    assert sorted(actions, key=str) == sorted(said, key=str)


@pytest.mark.parametrize(
    ("name", "others", "says"),
    [
        ("a/b", [FELLOW], "is not a name"),
        ("", [FELLOW], "is not a name"),
        ("ops", ["0x12"], "--worker: '0x12' is not an address"),
        ("ops", [], "the address of every other worker"),
        ("ops", [ME], "the address of every other worker"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(name: str, others: list[str], says: str) -> None:
    with pytest.raises(WrongSetup, match=says):
        Group.of(name, others, ME)


def test_a_group_takes_addresses_as_people_write_them(tmp_path: Path) -> None:
    assert Group.of("ops", [FELLOW.lower()], ME).accounts == {ME, FELLOW}
