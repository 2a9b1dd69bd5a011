"""Every transaction that anyone can send, with any arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import z3

from tests.formal.ledger import Ledger, State, Step


def transactions(ledger: Ledger, s: State) -> Sequence[tuple[str, Step]]:
    """Every transaction that anyone can send in a state, and the passing of time, with any arguments."""
    amount, tariff = z3.Int("amount"), z3.Int("tariff")
    turn, later = z3.Bool("turn"), z3.Int("later")
    steps = [
        ("time passes", Step(later >= s.now, replace(s, now=later))),
        *((f.__name__, f(s, amount)) for f in (ledger.deposit, ledger.start_withdrawal, ledger.withdraw)),
        *((f.__name__, f(s, amount)) for f in (ledger.collect, ledger.request)),
        *((f.__name__, f(s)) for f in (ledger.accept, ledger.lapse, ledger.cancel, ledger.claim, ledger.finalise)),
    ]
    for i in range(len(s.disputes)):
        steps += [
            (f"challenge {i}", ledger.challenge(s, i, tariff, turn)),
            (f"move {i}", ledger.move(s, i, tariff, turn)),
            (f"prove {i}", ledger.prove(s, i, tariff)),
            (f"expire_executor {i}", ledger.expire_executor(s, i)),
            (f"expire_challenger {i}", ledger.expire_challenger(s, i)),
            (f"settle {i}", ledger.settle(s, i)),
        ]
    return steps
