"""The proofs hold, a proof of a wrong model fails, and the model is the code's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import z3

from contracts import calls
from prover.errors import IllegalMove
from prover.game import moves, rules
from prover.game.adversaries import LyingDefender, MistakenChallenger
from prover.game.moves import Move
from prover.game.openings import Opened
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position, Side
from prover.game.refutations import Refuted
from prover.game.simulator import play
from tests.formal import wide
from tests.formal.ledger import Ledger, State, Step
from tests.formal.model import Model
from tests.formal.payouts import Clocks, Payouts
from tests.formal.proving import Theorem, check
from tests.formal.table import FIRST, MOVERS, TABLE, WALK
from tests.formal.theorems import THEOREMS
from tests.game.arena import Arena, moved_to
from tests.game.walks import HONEST, LIAR, PROGRAM, deadline_of
from tests.model import players
from tests.model.games import make_game


@pytest.fixture
def arena() -> Arena:
    return Arena()


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.name)
def test_every_theorem_is_proven(theorem: Theorem) -> None:
    verdict = check(theorem, Model())
    assert verdict.proven, (verdict.failures, verdict.vacuous)


# Wrong models


class LateMove(Clocks):
    def counts(self, now: Any, deadline: Any) -> Any:
        return now <= deadline


class LateTimeout(Clocks):
    def expired(self, now: Any, deadline: Any) -> Any:
        return now > deadline


class FreshClock(Clocks):
    """A clock that does not run."""

    def turned(self, now: Any, deadline: Any, idle: Any) -> Any:
        return now + idle, deadline - now + 1


class LongWindow(Clocks):
    def in_window(self, now: Any, due: Any) -> Any:
        return now <= due


class LittleBurned(Payouts):
    def burned(self, stake: Any, burn_share: Any) -> Any:
        return stake * burn_share / 20_000


class RoundedUp(Payouts):
    def share(self, tariff: Any, tariffs: Any, pot: Any) -> Any:
        return z3.If(tariffs <= pot, tariff, pot * tariff / tariffs + 1)


class NoSurplus(Payouts):
    def surplus(self, tariffs: Any, pot: Any) -> Any:
        return z3.IntVal(0)


class PaidTwice(Ledger):
    """A settled dispute keeps its bond locked and is paid it as well."""

    def settle(self, s: State, i: int) -> Step:
        step = super().settle(s, i)
        return replace(step, after=replace(step.after, credits=step.after.credits + 1))


class EarlyFinal(Ledger):
    """Final although a dispute is unresolved."""

    def finalise(self, s: State) -> Step:
        step = super().finalise(s)
        return replace(step, allowed=z3.And(s.pending, s.now >= s.due))


class KeptStake(Ledger):
    """A stake that is slashed, but stays locked."""

    def prove(self, s: State, i: int, tariff: Any) -> Step:
        step = super().prove(s, i, tariff)
        return replace(step, after=replace(step.after, locked=step.after.locked + self.parameters.stake))


class EarlyUnlock(Ledger):
    """A challenger that can take its bond back while its dispute runs."""

    def start_withdrawal(self, s: State, amount: Any) -> Step:
        allowed = z3.And(amount > 0, amount <= s.free + s.locked)
        return Step(allowed, replace(s, locked=s.locked - amount, leaving=s.leaving + amount))


WITHOUT_SEAM = tuple(row for row in TABLE if row.move != "RefuteChunk")
BACK_TO_EXECUTOR = tuple(replace(r, leads=(Phase.TRACE_OPEN,)) if r.move == "OpenTrace" else r for r in TABLE)
WITHOUT_STEP = tuple(row for row in TABLE if row.move != "Step")

WRONG = {
    "a move at the deadline": (Model(clocks=LateMove()), "one outcome"),
    "a timeout after the deadline only": (Model(clocks=LateTimeout()), "one outcome"),
    "a window that ends late": (Model(clocks=LongWindow()), "one outcome"),
    "a clock that does not run": (Model(clocks=FreshClock()), "bounded delay"),
    "a window of one second more": (Model(clocks=LongWindow()), "bounded delay"),
    "a quarter burned": (Model(payouts=LittleBurned()), "payouts"),
    "shares rounded up": (Model(payouts=RoundedUp()), "payouts"),
    "a surplus for nobody": (Model(payouts=NoSurplus()), "payouts"),
    "a payment twice": (Model(ledger=PaidTwice), "conservation"),
    "final too early": (Model(ledger=EarlyFinal), "counted"),
    "a slashed stake that is kept": (Model(ledger=KeptStake), "nothing is locked for nothing"),
    "a bond taken back": (Model(ledger=EarlyUnlock), "nothing is locked for nothing"),
    "no proof that a chunk is wrong": (Model(table=WITHOUT_SEAM), "the honest side wins"),
    "the executor's turn twice": (Model(table=BACK_TO_EXECUTOR), "the honest side wins"),
    "no step": (Model(table=WITHOUT_STEP), "the honest side wins"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_has_a_counterexample(name: str) -> None:
    model, theorem = WRONG[name]
    verdict = check(next(t for t in THEOREMS if t.name == theorem), model)
    assert verdict.failures
    assert not verdict.vacuous


# The model and the code


def transitions() -> Iterator[tuple[Phase, str, Phase | None]]:
    """Of many games by the rules, small ones and wide ones."""
    with players.remembered_hashes():
        small = (make_game(number, 0) for number in range(1500))
        walks = [play(game.position, game.executor, game.challenger) for game in small] + list(wide.games())
        for stage in chain.from_iterable(outcome.walk for outcome in walks):
            after = rules.apply(stage.position, stage.move)
            lead = None if isinstance(after, Refuted) else after.phase
            yield stage.position.phase, type(stage.move).__name__, lead


def test_the_table_has_the_moves_of_the_code_and_no_other() -> None:
    listed = {(row.phase, row.move, lead) for row in WALK for lead in row.leads or (None,)}
    seen = set(transitions())
    assert seen <= listed
    assert listed - seen == set(), "rows of the table that no game showed"


def test_who_is_to_move_and_what_is_refused_are_the_codes() -> None:
    position = make_game(0, 0).position
    kinds = {name: getattr(moves, name) for name in {row.move for row in WALK}}
    for phase in Phase:
        assert phase.side is MOVERS[phase]
        answers = {row.move for row in WALK if row.phase is phase}
        for name, kind in kinds.items():
            if name in answers:
                continue
            with pytest.raises(IllegalMove) as refused:
                rules.apply(replace(position, phase=phase), object.__new__(kind))
            assert refused.value.rule == "WrongPhase", (phase, name)
    assert {make_game(number, 0).position.phase for number in range(50)} <= set(FIRST)


def test_clocks_run_on_chain_as_in_the_model(arena: Arena) -> None:
    clocks, parameters = Clocks(), arena.deployment.parameters
    dispute, position = arena.challenge(arena.claim(HONEST), PROGRAM)
    deadline, idle = arena.now + parameters.clock, parameters.clock
    executor, challenger = Defender(HONEST), MistakenChallenger(LIAR)
    history: list[Opened] = []
    while position.phase is not Phase.STEP:
        assert deadline_of(arena, dispute) == deadline
        move: Move = _reply(executor, challenger, position, history)
        arena.set_next_time(arena.now + 1 + len(history))
        client = arena.executor if position.phase.side is Side.EXECUTOR else arena.challenger
        done = client.transact(calls.answer(dispute, position, move))
        if content := done.event("Moved").arguments["opened"]:
            history.append(Opened(position, content))
        after = moved_to(position, done)
        if after.phase.side is not position.phase.side:
            deadline, idle = clocks.turned(arena.now, deadline, idle)
        position = after
    assert len(history) == 3


def _reply(executor: Defender, challenger: MistakenChallenger, position: Position, history: list[Opened]) -> Move:
    move = executor.answer(position) if position.phase.side is Side.EXECUTOR else challenger.reply(position, history)
    assert move is not None
    return move


def test_payouts_on_chain_are_those_of_the_model(arena: Arena) -> None:
    parameters = arena.deployment.parameters
    claim = arena.claim(LIAR)
    bystander, _ = arena.challenge(claim, PROGRAM, by=arena.other)
    arena.play(claim, PROGRAM, LyingDefender(LIAR), Challenger(HONEST))
    stake = z3.IntVal(parameters.executor_stake)
    burned = z3.simplify(Payouts().burned(stake, z3.IntVal(parameters.burn_share))).as_long()
    assert arena.executor.view("burned") == burned
    settled = arena.other.transact(arena.settlement(bystander)).event("Settled").arguments["paid"]
    won = arena.executor.view("creditsOf", arena.challenger.address)
    pot = parameters.executor_stake - burned
    surplus = z3.simplify(Payouts().surplus(z3.IntVal(settled), z3.IntVal(pot))).as_long()
    assert won == surplus  # its own tariff and the rest: all but the bystander's
