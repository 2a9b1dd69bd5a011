"""What the theorems are about. Tests replace one part by a wrong one and expect that a proof fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.formal.ledger import Ledger
from tests.formal.payouts import Abstract, Clocks, Payouts
from tests.formal.table import TABLE, Row


@dataclass(frozen=True)
class Model:
    """The parts of the game. `abstract` names the results of `payouts` without their formulas."""

    clocks: Clocks = field(default_factory=Clocks)
    payouts: Payouts = field(default_factory=Payouts)
    abstract: Payouts = field(default_factory=Abstract)
    ledger: type[Ledger] = Ledger
    table: Sequence[Row] = TABLE
