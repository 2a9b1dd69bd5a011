"""What a theorem is, and how z3 is asked: no obligation has a counterexample, each has a case."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import z3

if TYPE_CHECKING:
    from tests.formal.model import Model

TIMEOUT_MS = 20_000


@dataclass(frozen=True)
class Obligation:
    """`prove` follows from `assume`."""

    what: str
    assume: Sequence[z3.BoolRef]
    prove: z3.BoolRef


@dataclass(frozen=True)
class Theorem:
    """Attributes:

    says: what is proven.
    assumes: from what.
    bounds: for which sizes.
    """

    name: str
    says: str
    assumes: str
    bounds: str
    obligations: Callable[[Model], Iterable[Obligation]]


@dataclass(frozen=True)
class Verdict:
    """How z3 answered; `failures` names obligations with a counterexample, or on which z3 gave up."""

    theorem: Theorem
    obligations: int
    seconds: float
    failures: tuple[str, ...]
    vacuous: tuple[str, ...]

    @property
    def proven(self) -> bool:
        return self.obligations > 0 and not self.failures and not self.vacuous


def check(theorem: Theorem, model: Model) -> Verdict:
    """Ask z3 for a counterexample to each obligation, and for a case in which its assumptions hold."""
    began = time.monotonic()
    failures, vacuous, asked = [], [], 0
    for obligation in theorem.obligations(model):
        asked += 1
        solver = z3.Solver()
        solver.set("timeout", TIMEOUT_MS)
        solver.add(*obligation.assume)
        if (answer := solver.check()) != z3.sat:
            vacuous.append(f"{obligation.what}: the assumptions are {answer}")
        solver.add(z3.Not(obligation.prove))
        if (answer := solver.check()) != z3.unsat:
            found = f": {solver.model()}" if answer == z3.sat else ""
            failures.append(f"{obligation.what}: a counterexample is {answer}{found}")
    return Verdict(theorem, asked, time.monotonic() - began, tuple(failures), tuple(vacuous))
