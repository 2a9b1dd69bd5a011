"""One request, its claim, and the disputes about it: the contract's transactions as functions from state to state.

Amounts and times are integers without bounds. Accounts are taken together, since conservation is about their sums; what
other requests and claims have in the contract is `elsewhere`. A transaction gives the condition under which it is not
refused, and the state after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import z3

from tests.formal.payouts import Bool, Clocks, Int, Payouts

NO_REQUEST, OPEN, ACCEPTED, CLAIMED, FINAL, ENDED = range(6)
"""Status of a request, as `RequestStatus` numbers it."""

NONE, ACTIVE, WON, LOST, SETTLED = range(5)
"""Status of a dispute, as `DisputeStatus` numbers it."""


@dataclass(frozen=True)
class Parameters:
    """Of the deployment, and what of a request does not change: `stake` is what an acceptance locks."""

    window: Int
    clock: Int
    move_time: Int
    layer_time: Int
    executor_stake: Int
    challenger_bond: Int
    acceptance_bond: Int
    burn_share: Int
    stake: Int
    answer_period: Int


@dataclass(frozen=True)
class Dispute:
    """`opened` and `counted` are the model's own: when it was opened, and whether it stood when its claim fell."""

    status: Int
    challengers: Bool
    """Whether the challenger is to move."""
    deadline: Int
    idle: Int
    tariff: Int
    opened: Int
    counted: Bool


@dataclass(frozen=True)
class State:
    """Fields as in the contract; `posted` and `posted_at` are the model's own."""

    now: Int
    status: Int
    cancelled: Bool
    fee: Int
    due: Int
    posted: Bool
    posted_at: Int
    fallen: Bool
    fallen_at: Int
    unresolved: Int
    lost: Int
    tariffs: Int
    pot: Int
    left: Int
    balance: Int
    free: Int
    locked: Int
    leaving: Int
    credits: Int
    burned: Int
    disputes: tuple[Dispute, ...]
    locked_elsewhere: Int
    escrow_elsewhere: Int

    @property
    def pending(self) -> Bool:
        return z3.And(self.posted, z3.Not(self.fallen), self.status != FINAL)

    def having(self, number: int, **changes: Any) -> State:
        """With one of the disputes changed."""
        changed = replace(self.disputes[number], **changes)
        return replace(self, disputes=(*self.disputes[:number], changed, *self.disputes[number + 1 :]))

    def such_that(self, condition: Callable[[Dispute], Bool], amount: Callable[[Dispute], Int] | int) -> Int:
        """The sum of an amount over the disputes that meet a condition."""
        return z3.Sum([z3.If(condition(d), amount if isinstance(amount, int) else amount(d), 0) for d in self.disputes])


@dataclass(frozen=True)
class Step:
    """What a transaction does where `allowed` holds."""

    allowed: Bool
    after: State


def symbolic(kind: type, prefix: str, disputes: int = 0) -> Any:
    """A dataclass of unknowns."""
    made: dict[str, Any] = {}
    for field in fields(kind):
        name = f"{prefix}.{field.name}"
        if field.name == "disputes":
            made[field.name] = tuple(symbolic(Dispute, f"{prefix}.{i}") for i in range(disputes))
        else:
            made[field.name] = z3.Bool(name) if field.type == "Bool" else z3.Int(name)
    return kind(**made)


def times(count: Int, most: int, amount: Int) -> Int:
    """count * amount for a count of 0 to `most`: a sum, so that no unknowns are multiplied."""
    return z3.Sum([z3.If(count > i, amount, 0) for i in range(most)])


@dataclass(frozen=True)
class Ledger:
    """The transactions. `tariff` is what the move adds to the dispute's; any amount."""

    parameters: Parameters
    clocks: Clocks
    payouts: Payouts

    # Accounts

    def deposit(self, s: State, amount: Int) -> Step:
        return Step(amount > 0, replace(s, balance=s.balance + amount, free=s.free + amount))

    def start_withdrawal(self, s: State, amount: Int) -> Step:
        allowed = z3.And(amount > 0, amount <= s.free)
        return Step(allowed, replace(s, free=s.free - amount, leaving=s.leaving + amount))

    def withdraw(self, s: State, amount: Int) -> Step:
        allowed = z3.And(amount > 0, amount <= s.leaving)
        return Step(allowed, replace(s, leaving=s.leaving - amount, balance=s.balance - amount))

    def collect(self, s: State, amount: Int) -> Step:
        allowed = z3.And(amount > 0, amount <= s.credits)
        return Step(allowed, replace(s, credits=s.credits - amount, balance=s.balance - amount))

    # The request

    def request(self, s: State, fee: Int) -> Step:
        allowed = z3.And(s.status == NO_REQUEST, fee >= 0)
        return Step(allowed, replace(s, status=z3.IntVal(OPEN), fee=fee, balance=s.balance + fee))

    def accept(self, s: State) -> Step:
        stake = self.parameters.stake
        after = self._lock(s, stake)
        due = s.now + self.parameters.answer_period
        return Step(z3.And(s.status == OPEN, s.free >= stake), replace(after, status=z3.IntVal(ACCEPTED), due=due))

    def lapse(self, s: State) -> Step:
        bond = self.parameters.acceptance_bond
        burned = bond / 2
        after = self._unlock(s, self.parameters.stake - bond)
        after = replace(after, locked=after.locked - bond, burned=s.burned + burned, credits=s.credits + bond - burned)
        return Step(z3.And(s.status == ACCEPTED, s.now >= s.due), self._reopen(after))

    def cancel(self, s: State) -> Step:
        allowed = z3.And(z3.Or([s.status == x for x in (OPEN, ACCEPTED, CLAIMED)]), z3.Not(s.cancelled))
        ended = replace(s, status=z3.IntVal(ENDED), credits=s.credits + s.fee)
        return Step(allowed, replace(_either(s.status == OPEN, ended, s), cancelled=z3.BoolVal(True)))

    def claim(self, s: State) -> Step:
        """The request's first claim; one after a fall is a claim like any other."""
        allowed = z3.And(s.status == ACCEPTED, s.now < s.due, z3.Not(s.posted))
        due = s.now + self.parameters.window
        return Step(allowed, replace(s, status=z3.IntVal(CLAIMED), due=due, posted=z3.BoolVal(True), posted_at=s.now))

    def finalise(self, s: State) -> Step:
        allowed = z3.And(s.pending, s.now >= s.due, s.unresolved == 0)
        after = self._unlock(s, self.parameters.stake)
        earned = s.fee + times(s.lost, len(s.disputes), self.parameters.challenger_bond)
        return Step(allowed, replace(after, status=z3.IntVal(FINAL), credits=s.credits + earned))

    # Disputes

    def challenge(self, s: State, i: int, tariff: Int, challengers: Bool) -> Step:
        """`challengers` is False for every first position (`table.FIRST`); the clocks do not depend on it."""
        bond = self.parameters.challenger_bond
        allowed = z3.And(s.pending, self.clocks.in_window(s.now, s.due), s.disputes[i].status == NONE, s.free >= bond)
        clock = self.parameters.clock
        after = self._lock(s, bond).having(
            i,
            status=z3.IntVal(ACTIVE),
            challengers=challengers,
            deadline=s.now + clock,
            idle=clock,
            tariff=tariff,
            opened=s.now,
        )
        after = replace(after, unresolved=s.unresolved + 1, tariffs=s.tariffs + tariff)
        return Step(z3.And(allowed, tariff >= 0), after)

    def move(self, s: State, i: int, tariff: Int, challengers: Bool) -> Step:
        """`challengers`: whether it is the challenger's turn after the move."""
        d = s.disputes[i]
        deadline, idle = self.clocks.turned(s.now, d.deadline, d.idle)
        same = challengers == d.challengers
        after = self._tariff(s, i, tariff).having(
            i,
            challengers=challengers,
            deadline=z3.If(same, d.deadline, deadline),
            idle=z3.If(same, d.idle, idle),
        )
        return Step(z3.And(self.may_move(s, i), tariff >= 0), after)

    def may_move(self, s: State, i: int) -> Bool:
        d = s.disputes[i]
        return z3.And(d.status == ACTIVE, z3.Not(s.fallen), self.clocks.counts(s.now, d.deadline))

    def may_expire(self, s: State, i: int) -> Bool:
        d = s.disputes[i]
        return z3.And(d.status == ACTIVE, z3.Not(s.fallen), self.clocks.expired(s.now, d.deadline))

    def prove(self, s: State, i: int, tariff: Int) -> Step:
        """A move that wins."""
        after = self._win(self._tariff(s, i, tariff), i)
        return Step(z3.And(self.may_move(s, i), tariff >= 0), after)

    def expire_executor(self, s: State, i: int) -> Step:
        return Step(z3.And(self.may_expire(s, i), z3.Not(s.disputes[i].challengers)), self._win(s, i))

    def expire_challenger(self, s: State, i: int) -> Step:
        bond = self.parameters.challenger_bond
        after = replace(
            s.having(i, status=z3.IntVal(LOST)),
            unresolved=s.unresolved - 1,
            lost=s.lost + 1,
            tariffs=s.tariffs - s.disputes[i].tariff,
            locked=s.locked - bond,
        )
        return Step(z3.And(self.may_expire(s, i), s.disputes[i].challengers), after)

    def settle(self, s: State, i: int) -> Step:
        d, bond = s.disputes[i], self.parameters.challenger_bond
        late = z3.And(d.challengers, self.clocks.too_late(d.deadline, s.fallen_at))
        share = self.payouts.share(d.tariff, s.tariffs, s.pot)
        lost = replace(s, locked=s.locked - bond, burned=s.burned + bond).having(i, status=z3.IntVal(LOST))
        paid = replace(self._unlock(s, bond), credits=s.credits + share).having(i, status=z3.IntVal(SETTLED))
        left = s.left - z3.If(late, 0, share)
        after = self._settled(_either(late, lost, paid), s.unresolved - 1, left)
        return Step(z3.And(d.status == ACTIVE, s.fallen), after)

    # What transactions share

    def _win(self, s: State, i: int) -> State:
        d, stake, bond = s.disputes[i], self.parameters.stake, self.parameters.challenger_bond
        burned = self.payouts.burned(stake, self.parameters.burn_share)
        pot = stake - burned
        owed = self.payouts.share(d.tariff, s.tariffs, pot) + self.payouts.surplus(s.tariffs, pot)
        after = self._unlock(s.having(i, status=z3.IntVal(WON)), bond)
        after = replace(
            after,
            fallen=z3.BoolVal(True),
            fallen_at=s.now,
            locked=after.locked - stake,
            burned=s.burned + burned + times(s.lost, len(s.disputes), bond),
            credits=s.credits + owed,
        )
        for number, other in enumerate(s.disputes):
            after = after.having(number, counted=other.status == ACTIVE)
        alone = s.unresolved == 1
        after = replace(after, pot=z3.If(alone, s.pot, pot))
        return self._reopen(self._settled(after, s.unresolved - 1, pot - owed))

    def _settled(self, s: State, unresolved: Int, left: Int) -> State:
        """The pot is paid out or burned to the last wei."""
        last = unresolved == 0
        burned = s.burned + z3.If(last, self.payouts.remainder(left), 0)
        return replace(s, unresolved=unresolved, left=z3.If(last, 0, left), burned=burned)

    def _tariff(self, s: State, i: int, tariff: Int) -> State:
        return replace(s.having(i, tariff=s.disputes[i].tariff + tariff), tariffs=s.tariffs + tariff)

    def _reopen(self, s: State) -> State:
        ended = replace(s, status=z3.IntVal(ENDED), credits=s.credits + s.fee)
        return _either(s.cancelled, ended, replace(s, status=z3.IntVal(OPEN)))

    def _lock(self, s: State, amount: Int) -> State:
        return replace(s, free=s.free - amount, locked=s.locked + amount)

    def _unlock(self, s: State, amount: Int) -> State:
        return replace(s, free=s.free + amount, locked=s.locked - amount)


def _either(condition: Bool, yes: Any, no: Any) -> Any:
    """Field by field, the one or the other."""
    if isinstance(yes, tuple):
        return tuple(_either(condition, a, b) for a, b in zip(yes, no, strict=True))
    if isinstance(yes, (State, Dispute)):
        return type(yes)(*(_either(condition, getattr(yes, f.name), getattr(no, f.name)) for f in fields(yes)))
    return yes if yes is no else z3.If(condition, yes, no)
