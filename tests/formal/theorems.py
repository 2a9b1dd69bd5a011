"""What is proven of clocks and money. Each invariant is inductive: if it holds, it holds after any one transaction.

The first state is empty, where every invariant holds, so each holds always, after any number of transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import z3

from tests.formal import truth
from tests.formal.ledger import (
    ACCEPTED,
    ACTIVE,
    CLAIMED,
    NONE,
    OPEN,
    Ledger,
    Parameters,
    State,
    symbolic,
    times,
)
from tests.formal.model import Model
from tests.formal.payouts import BASIS, Bool
from tests.formal.proving import Obligation, Theorem
from tests.formal.transactions import transactions

DISPUTES = 3

Invariant = Callable[[Parameters, State], list[Bool]]


def _bounds(p: Parameters) -> list[Bool]:
    """What the constructor and `accept` see to."""
    return [
        p.window > 0,
        p.move_time > 0,
        p.clock >= p.move_time,
        p.challenger_bond > 0,
        p.acceptance_bond > 0,
        p.stake >= p.acceptance_bond,
        p.answer_period > 0,
    ]


def _induction(model: Model, invariant: Invariant) -> Iterable[Obligation]:
    """One obligation for each transaction."""
    parameters: Parameters = symbolic(Parameters, "p")
    state: State = symbolic(State, "s", DISPUTES)
    ledger: Ledger = model.ledger(parameters, model.clocks, model.abstract)
    for name, step in transactions(ledger, state):
        before = [*_bounds(parameters), *invariant(parameters, state), step.allowed]
        yield Obligation(name, before, z3.And(invariant(parameters, step.after)))


# Outcomes


EXCLUSIVE = (
    ("claim", "lapse"),
    ("challenge 0", "finalise"),
    ("prove 0", "finalise"),
    ("prove 0", "expire_challenger 0"),
    ("prove 0", "settle 0"),
    ("expire_executor 0", "expire_challenger 0"),
    ("expire_executor 0", "finalise"),
)


def _one_outcome(model: Model) -> Iterable[Obligation]:
    now, deadline = z3.Ints("now deadline")
    clocks = model.clocks
    moves, expired = clocks.counts(now, deadline), clocks.expired(now, deadline)
    yield Obligation("a move or a timeout, never both, never neither", [], z3.Xor(moves, expired))
    parameters: Parameters = symbolic(Parameters, "p")
    state: State = symbolic(State, "s", DISPUTES)
    ledger: Ledger = model.ledger(parameters, clocks, model.abstract)
    steps = dict(transactions(ledger, state))
    pairs = [
        ("claim", "lapse"),
        ("challenge 0", "finalise"),
        ("prove 0", "finalise"),
        ("prove 0", "expire_challenger 0"),
    ]
    pairs += [("expire_executor 0", "expire_challenger 0"), ("expire_executor 0", "finalise"), ("prove 0", "settle 0")]
    for first, second in pairs:
        both = z3.And(steps[first].allowed, steps[second].allowed)
        assume = [*_bounds(parameters), *_counted(parameters, state), steps[first].allowed]
        yield Obligation(f"{first} and {second} exclude each other", assume, z3.Not(both))


def _counted(_: Parameters, s: State) -> list[Bool]:
    """As many disputes are unresolved as are active, and none is active where there never was a claim."""
    active = s.such_that(lambda d: d.status == ACTIVE, 1)
    return [
        s.unresolved == active,
        z3.Implies(s.pending, s.status == CLAIMED),
        z3.Implies(z3.Not(s.posted), z3.And(active == 0, z3.Not(s.fallen))),
        z3.Implies(active > 0, z3.Or(s.pending, s.fallen)),
    ]


# Time


def _timed(p: Parameters, s: State) -> list[Bool]:
    """What both clocks of a dispute have left, from its opening on, is what they had."""
    running = [
        z3.Implies(
            d.status == ACTIVE,
            z3.And(
                z3.Implies(z3.Not(s.fallen), d.deadline + d.idle == d.opened + 2 * p.clock),
                z3.Implies(z3.Not(s.fallen), d.idle > 0),
                d.opened < s.posted_at + p.window,
            ),
        )
        for d in s.disputes
    ]
    return [z3.Implies(s.pending, s.due == s.posted_at + p.window), *_counted(p, s), *running]


def _delay(model: Model) -> Iterable[Obligation]:
    yield from _induction(model, _timed)
    parameters: Parameters = symbolic(Parameters, "p")
    state: State = symbolic(State, "s", DISPUTES)
    ledger: Ledger = model.ledger(parameters, model.clocks, model.abstract)
    late = state.now >= state.posted_at + parameters.window + 2 * parameters.clock
    assume = [*_bounds(parameters), *_timed(parameters, state), late, state.pending]
    steps = dict(transactions(ledger, state))
    ends = [
        z3.Or(steps[f"expire_executor {i}"].allowed, steps[f"expire_challenger {i}"].allowed) for i in range(DISPUTES)
    ]
    for i, end in enumerate(ends):
        running = [*assume, state.disputes[i].status == ACTIVE]
        yield Obligation(f"dispute {i} can be ended by then", running, end)
    idle = [*assume, *(d.status != ACTIVE for d in state.disputes)]
    yield Obligation("then the claim is final", idle, steps["finalise"].allowed)


# Money


def _conserved(p: Parameters, s: State) -> list[Bool]:
    escrow = z3.If(z3.Or([s.status == x for x in (OPEN, ACCEPTED, CLAIMED)]), s.fee, 0)
    forfeited = z3.If(s.pending, times(s.lost, DISPUTES, p.challenger_bond), 0)
    accounts = s.free + s.locked + s.leaving + s.credits + s.burned
    ended = s.such_that(lambda d: d.status != NONE, 1)
    return [
        s.balance == accounts + s.left + forfeited + escrow + s.escrow_elsewhere,
        z3.And(s.lost >= 0, s.lost + s.unresolved <= ended),
        z3.Implies(s.pending, s.left == 0),
        z3.Implies(z3.Not(s.posted), z3.And(s.left == 0, s.lost == 0)),
        *_counted(p, s),
    ]


def _at_stake(p: Parameters, s: State) -> list[Bool]:
    """Nothing is locked but the stake of an acceptance or claim that stands, and the bonds of active disputes."""
    stake = z3.If(z3.Or(s.status == ACCEPTED, s.pending), p.stake, 0)
    bonds = s.such_that(lambda d: d.status == ACTIVE, lambda _: p.challenger_bond)
    exclusive = z3.Implies(s.pending, s.status != ACCEPTED)
    return [s.locked == s.locked_elsewhere + stake + bonds, exclusive, *_counted(p, s)]


def _payouts(model: Model) -> Iterable[Obligation]:
    stake, share, pot, total = z3.Ints("stake share pot total")
    burned = model.payouts.burned(stake, share)
    legal = [stake >= 0, 2 * share >= BASIS, share <= BASIS]
    yield Obligation("half of a stake is burned, a wei of rounding apart", legal, 2 * burned >= stake - 1)
    yield Obligation("no more is burned than there is", legal, burned <= stake)
    tariffs = [z3.Int(f"tariff{i}") for i in range(DISPUTES)]
    assume = [pot >= 0, total > 0, *(t >= 0 for t in tariffs), total == z3.Sum(tariffs)]
    enough = [*assume, total <= pot]
    shares = [model.payouts.share(t, total, pot) for t in tariffs]
    owed = z3.Sum(shares) + model.payouts.surplus(total, pot)
    yield Obligation("each is paid its tariff, and the winner the rest", enough, owed == pot)
    for t, part in zip(tariffs, shares, strict=True):
        yield Obligation(f"a small pot is shared in proportion: {t}", [*assume, total > pot], part * total <= pot * t)
    # From there: with part_i * total <= pot * t_i, the sum of the parts is at most the pot.
    parts, products = [z3.Int(f"part{i}") for i in range(DISPUTES)], [z3.Int(f"pot*t{i}") for i in range(DISPUTES)]
    bounded = [part * total <= product for part, product in zip(parts, products, strict=True)]
    whole = z3.Sum(products) == pot * total
    yield Obligation("a small pot is not overdrawn", [total > 0, pot >= 0, *bounded, whole], z3.Sum(parts) <= pot)


THEOREMS = (
    Theorem(
        "one outcome",
        "at each instant a running dispute is open to a move or to a timeout, not both; two endings exclude each other",
        "none of clocks; as many disputes unresolved as active",
        f"any times; {DISPUTES} disputes on a claim",
        _one_outcome,
    ),
    Theorem(
        "counted",
        "a claim counts its unresolved disputes exactly, so that none is left behind when it is final",
        "",
        f"any number of transactions; {DISPUTES} disputes",
        lambda model: _induction(model, _counted),
    ),
    Theorem(
        "bounded delay",
        "every dispute can be ended by window + both clocks after the claim, and the claim is final then",
        "clocks are positive",
        f"any times, any number of moves; {DISPUTES} disputes",
        _delay,
    ),
    Theorem(
        "conservation",
        "what the contract holds is what accounts, escrow, pot, forfeited bonds and burned wei add up to",
        "",
        f"any amounts, any number of transactions; {DISPUTES} disputes",
        lambda model: _induction(model, _conserved),
    ),
    Theorem(
        "nothing is locked for nothing",
        "what is locked is the stake of a standing acceptance or claim and the bonds of active disputes, to the wei",
        "",
        f"any amounts, any number of transactions; {DISPUTES} disputes",
        lambda model: _induction(model, _at_stake),
    ),
    Theorem(
        "payouts",
        "at least half of a slashed stake is burned; shares add up to the pot, or to less where it is small",
        "burn share between a half and all",
        f"any amounts; {DISPUTES} disputes",
        _payouts,
    ),
    Theorem(
        "the honest side wins",
        "whatever the other does, the honest side has a move that keeps it winning, and it never loses by a proof",
        "hashes bind; both move in time",
        "every phase and move of the table",
        truth.obligations,
    ),
)
