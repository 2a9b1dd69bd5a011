"""What agents decide on states that are clearer written down than played: deadlines, pages, money."""

from __future__ import annotations

from dataclasses import replace

from contracts.snapshot import ClaimStatus, DisputeStatus, RequestStatus, RequestView
from executor import decide as executing
from prover.game.moves import OpenTrace, Step
from prover.game.position import Phase, Position
from tests.agents.stage import ETHER, PARAMETERS
from tests.agents.states import (
    BOND,
    DEFENDED,
    ME,
    MODEL,
    NOW,
    REFUTED,
    STAKE,
    THEM,
    Agreeing,
    Opens,
    Picks,
    claim,
    dispute,
    executors,
    key,
    request,
    snapshot,
    watchers,
)
from watcher import decide as watching
from watcher.verdict import Agrees, Seam, Unknown

# Deadlines


def test_an_executor_defends_first_what_ends_first() -> None:
    disputes = [dispute(n, Phase.TRACE_OPEN, NOW + seconds) for n, seconds in enumerate((30, 10, 20))]
    actions = executors(snapshot(request(), claim(), *disputes))
    assert [a.dispute for a in actions if isinstance(a, executing.Answer)] == [key("dispute", n) for n in (1, 2, 0)]


def test_a_watcher_replies_first_where_its_time_ends_first() -> None:
    disputes = [dispute(n, Phase.TRACE_PICK, NOW + s, ME, of=n) for n, s in enumerate((30, 10, 20))]
    claims = [claim(n, THEM) for n in range(3)]
    held = watching.Held({c.id: REFUTED for c in claims}, {c.id: Picks() for c in claims}, staked=True)
    actions = watchers(snapshot(*map(request, range(3)), *claims, *disputes), held)
    assert [a.dispute for a in actions] == [key("dispute", n) for n in (1, 2, 0)]  # type: ignore[union-attr]


def claimed() -> RequestView:
    return request(status=RequestStatus.CLAIMED, executor=ME)


def test_from_the_deadline_on_no_side_moves() -> None:
    opens, picks = dispute(0, Phase.TRACE_OPEN, NOW), dispute(1, Phase.TRACE_PICK, NOW, ME, of=1)
    assert executors(snapshot(claimed(), claim(), opens)) == []
    held = watching.Held({key("claim", 1): REFUTED}, {key("claim", 1): Picks()}, staked=True)
    assert watchers(snapshot(request(1), claim(1, THEM), picks), held) == []


def test_the_other_side_is_expired_from_its_deadline_on() -> None:
    late, in_time = dispute(0, Phase.TRACE_PICK, NOW), dispute(1, Phase.TRACE_PICK, NOW + 1)
    assert executors(snapshot(claimed(), claim(), late, in_time)) == [executing.Expire((late.id,))]
    late, in_time = dispute(0, Phase.TRACE_OPEN, NOW, ME), dispute(1, Phase.TRACE_OPEN, NOW + 1, ME)
    held = watching.Held({key("claim", 0): REFUTED}, staked=True)
    assert watchers(snapshot(request(), claim(0, THEM), late, in_time), held) == [watching.Expire((late.id,))]


def test_no_number_of_dead_disputes_is_too_many_for_a_transaction() -> None:
    disputes = [dispute(n, Phase.TRACE_PICK, NOW, f"0x{n:040x}") for n in range(120)]
    pages = [a.disputes for a in executors(snapshot(request(), claim(), *disputes)) if isinstance(a, executing.Expire)]
    assert [len(page) for page in pages] == [50, 50, 20]
    assert sum(pages, ()) == tuple(d.id for d in disputes)


def test_a_claim_is_finalised_from_the_end_of_its_window_unless_a_dispute_runs() -> None:
    over = claim(window_end=NOW)
    assert executors(snapshot(claimed(), over)) == [executing.Finalise(over.id)]
    assert executors(snapshot(claimed(), replace(over, window_end=NOW + 1))) == []
    assert executors(snapshot(claimed(), over, dispute(0, Phase.TRACE_PICK, NOW + 1))) == []


def test_a_claim_whose_window_is_over_is_neither_judged_nor_challenged() -> None:
    over = claim(0, THEM, window_end=NOW)
    assert watchers(snapshot(request(), over, free=BOND)) == []
    assert watchers(snapshot(request(), over, free=BOND), watching.Held({over.id: REFUTED}, staked=True)) == []


def test_an_answer_that_is_overdue_is_not_posted_but_lapsed() -> None:
    mine = request(status=RequestStatus.ACCEPTED, executor=ME, deadline=NOW)
    assert executors(snapshot(mine)) == [executing.Lapse(mine.id)]
    assert executors(snapshot(replace(mine, deadline=NOW + 1))) == [executing.Run((mine.id,))]


# Verdicts


def test_a_watcher_challenges_only_what_it_has_refuted() -> None:
    theirs = claim(0, THEM)
    seen = snapshot(request(), theirs, free=BOND)
    for verdict in (Agrees(), Unknown("no model", model_missing=True)):
        assert watchers(seen, watching.Held({theirs.id: verdict}, staked=True)) == []
    assert watchers(seen) == [watching.Check(theirs.id)]
    assert watchers(seen, watching.Held({theirs.id: REFUTED}, staked=True)) == [watching.Challenge(theirs.id)]


def test_a_wrong_seam_is_proven_at_once() -> None:
    theirs, seam = claim(0, THEM), Seam(1, 0)
    held = watching.Held({theirs.id: replace(REFUTED, seam=seam)}, staked=True)
    assert watchers(snapshot(request(), theirs, free=BOND), held) == [watching.ProveOutput(theirs.id, seam)]


def test_a_watcher_does_not_judge_itself() -> None:
    assert watchers(snapshot(request(), claim(0, ME), free=BOND)) == []


def test_a_dispute_where_nothing_differs_is_doubted_and_left() -> None:
    theirs, mine = claim(0, THEM), dispute(0, Phase.STEP, NOW + 9, ME)
    held = watching.Held({theirs.id: REFUTED}, {theirs.id: Agreeing()}, staked=True)
    actions = watchers(snapshot(request(), theirs, mine), held)
    assert actions == [watching.Doubt(mine.id, mine.position, "the same")]


def test_a_restarted_watcher_judges_what_it_has_in_dispute_even_after_the_window() -> None:
    over, mine = claim(0, THEM, window_end=NOW - 1), dispute(0, Phase.TRACE_PICK, NOW + 9, ME)
    assert watchers(snapshot(request(), over, mine)) == [watching.Check(over.id)]


def test_claims_in_dispute_are_judged_first() -> None:
    plain, disputed = claim(0, THEM, window_end=NOW + 1), claim(1, THEM, window_end=NOW + 9)
    mine = dispute(0, Phase.TRACE_OPEN, NOW + 9, ME, of=1)
    checks = watchers(snapshot(request(0), request(1), plain, disputed, mine))
    assert [(c.claim, c.urgent) for c in checks] == [(disputed.id, True), (plain.id, False)]  # type: ignore[union-attr]


def test_moves_are_made_one_at_a_time_as_they_are_asked_for() -> None:
    """The first is sent before the second is computed."""
    made = []

    class Counting(Opens):
        def answer(self, position: Position) -> OpenTrace:
            made.append(position)
            return super().answer(position)

    disputes = [dispute(n, Phase.TRACE_OPEN, NOW + 10 + n) for n in range(3)]
    held = replace(DEFENDED, defenders={key("request", 0): Counting()})
    due = executing.due(snapshot(request(), claim(), *disputes), held, ME, NOW, executing.Policy(0))
    assert not made
    assert next(due) == executing.Answer(disputes[0].id, disputes[0].position, OpenTrace(()))
    assert len(made) == 1


# The winner's pay


class Steps(Picks):
    def reply(self, position: Position, history: object) -> Step:  # type: ignore[override]
        return Step(b"", ())


def test_before_its_last_move_a_winner_expires_the_dead() -> None:
    theirs = claim(0, THEM)
    mine = dispute(0, Phase.STEP, NOW + 100, ME)
    dead, alive = dispute(1, Phase.TRACE_PICK, NOW), dispute(2, Phase.TRACE_PICK, NOW + 1)
    elsewhere = dispute(3, Phase.TRACE_PICK, NOW, of=1)
    views = [request(0), request(1), theirs, claim(1, THEM), mine, dead, alive, elsewhere]
    held = watching.Held({theirs.id: REFUTED, key("claim", 1): Agrees()}, {theirs.id: Steps()}, staked=True)
    reply = watching.Reply(mine.id, mine.position, Step(b"", ()))
    assert watchers(snapshot(*views), held) == [watching.Expire((dead.id,)), reply]
    hurried = [replace(mine, deadline=NOW + PARAMETERS.move_time) if v is mine else v for v in views]
    assert watchers(snapshot(*hurried), held) == [reply], "not when its own time runs out"
    seam = replace(REFUTED, seam=Seam(0, 0))
    proof = watchers(snapshot(request(0), theirs, dead, free=BOND), replace(held, verdicts={theirs.id: seam}))
    assert proof == [watching.Expire((dead.id,)), watching.ProveOutput(theirs.id, Seam(0, 0))]


def test_who_wins_by_the_clock_expires_the_dead_before_the_executor() -> None:
    theirs = claim(0, THEM)
    mine, dead = dispute(0, Phase.TRACE_OPEN, NOW, ME), dispute(1, Phase.TRACE_PICK, NOW)
    held = watching.Held({theirs.id: REFUTED}, staked=True)
    assert watchers(snapshot(request(), theirs, mine, dead), held) == [watching.Expire((dead.id, mine.id))]


# Money


def test_bonds_go_first_to_the_claims_whose_window_ends_first() -> None:
    claims = [claim(n, THEM, window_end=NOW + seconds) for n, seconds in enumerate((30, 10, 20))]
    held = watching.Held({c.id: REFUTED for c in claims}, staked=True)
    actions = watchers(snapshot(*map(request, range(3)), *claims, free=2 * BOND), held)
    assert actions == [
        watching.Challenge(claims[1].id),
        watching.Challenge(claims[2].id),
        watching.Postpone(claims[0].id, BOND, 0),
    ]


def test_a_dispute_is_not_begun_without_the_gas_to_end_it() -> None:
    theirs = claim(0, THEM)
    held = watching.Held({theirs.id: REFUTED}, staked=True)
    (postponed,) = watchers(snapshot(request(), theirs, free=BOND, balance=7 * watching.DISPUTE_GAS - 1), held)
    assert postponed == watching.Postpone(theirs.id, 0, 1)


def test_won_money_is_collected_and_standing_disputes_are_settled() -> None:
    fallen, mine = claim(0, THEM, status=ClaimStatus.FALLEN), dispute(0, Phase.TRACE_OPEN, NOW - 1, ME)
    actions = watchers(snapshot(request(), fallen, mine, credits=5))
    assert actions == [watching.Settle(mine.id), watching.Collect(5)]
    settled = replace(mine, status=DisputeStatus.SETTLED)
    assert watchers(snapshot(request(), fallen, settled)) == []


def test_the_stake_is_brought_up_once() -> None:
    held = replace(DEFENDED, staked=False)
    assert executors(snapshot(free=STAKE), held, stake=3 * STAKE) == [executing.Deposit(2 * STAKE)]
    assert executors(snapshot(free=2 * STAKE, locked=STAKE), held, stake=3 * STAKE) == []
    assert executors(snapshot(free=STAKE), DEFENDED, stake=3 * STAKE) == [], "what is lost is not replaced"


def test_an_executor_accepts_as_far_as_its_stake_reaches() -> None:
    requests = [request(0, min_stake=2 * STAKE), request(1), request(2)]
    actions = executors(snapshot(*requests, free=2 * STAKE))
    assert actions == [executing.Accept(requests[0].id), *[executing.Short("stake", STAKE)] * 2]
    short = executing.Short("stake", STAKE)
    assert executors(snapshot(*requests, free=STAKE)) == [short, executing.Accept(requests[1].id), short]


def test_an_executor_reads_a_model_before_it_accepts_and_ignores_what_it_has_not() -> None:
    seen = snapshot(request(), free=STAKE)
    assert executors(seen, replace(DEFENDED, models=frozenset())) == [executing.Load(MODEL)]
    assert executors(seen, replace(DEFENDED, models=frozenset(), folders=frozenset())) == []


def test_an_executor_measures_a_model_before_it_accepts() -> None:
    assert executors(snapshot(request(), free=STAKE), replace(DEFENDED, seconds={})) == [executing.Measure(MODEL)]


def test_an_executor_accepts_no_more_than_it_can_answer_in_time() -> None:
    """A run of 100 s, given twice that; the period is 600 s: two can be answered, and what is owed counts."""
    held = replace(DEFENDED, seconds={MODEL: 100.0}, executions={})
    actions = executors(snapshot(*map(request, range(3)), free=3 * STAKE), held)
    assert [type(a).__name__ for a in actions] == ["Accept", "Accept", "Leave"]
    assert actions[2] == executing.Leave(key("request", 2), "about 600 s until it is answered, of 600 s")
    owed = request(9, status=RequestStatus.ACCEPTED, executor=ME, deadline=NOW + 1)
    actions = executors(snapshot(owed, *map(request, range(3)), free=3 * STAKE), held)
    assert [type(a).__name__ for a in actions] == ["Run", "Accept", "Leave", "Leave"]


def test_an_executor_accepts_nothing_that_it_could_not_run_again_on_its_clock() -> None:
    """After a restart in a dispute it must: 1,200 s less 12 moves of 60 s."""
    patient = request(answer_period=10**6)
    held = replace(DEFENDED, seconds={MODEL: 239.0})
    assert executors(snapshot(patient, free=STAKE), held) == [executing.Accept(patient.id)]
    (left,) = executors(snapshot(patient, free=STAKE), replace(held, seconds={MODEL: 240.0}))
    assert left == executing.Leave(patient.id, "a run is given 480 s; the clock of a dispute leaves 480 s for it")


def test_an_executor_computes_again_what_failed_when_it_has_rested_and_accepts_no_more_of_it() -> None:
    owed = request(0, status=RequestStatus.ACCEPTED, executor=ME, deadline=NOW + 1)
    held = replace(DEFENDED, refused=frozenset({MODEL}), executions={})
    assert executors(snapshot(owed, request(1), free=STAKE), held) == [executing.Run((owed.id,))]
    assert executors(snapshot(owed, request(1), free=STAKE), replace(held, resting=frozenset({owed.id}))) == []


def test_an_executor_leaves_what_its_policy_or_the_request_rules_out() -> None:
    policy = executing.Policy(0, least_fee=ETHER, least_answer_period=600)
    ruled_out = {"fee": ETHER - 1, "answer_period": 599, "only": THEM, "barred": frozenset({ME})}
    for name, value in ruled_out.items():
        seen = snapshot(request(**{name: value}), free=STAKE)
        assert executing.decide(seen, DEFENDED, ME, NOW, policy) == [], name
    assert executing.decide(snapshot(request(), free=STAKE), DEFENDED, ME, NOW, policy)


def test_an_executor_whose_claim_fell_does_not_answer_the_request_again() -> None:
    assert executors(snapshot(request(), claim(status=ClaimStatus.FALLEN), free=STAKE)) == []
