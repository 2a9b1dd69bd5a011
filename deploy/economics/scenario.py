"""What the formulas are asked about: a deployment, an answer that something hangs on, and who watches it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from contracts.amounts import format_amount
from contracts.deployment import Parameters
from deploy.economics.gas import GasOfGame, tariff
from prover.errors import RefuteError
from prover.game.position import MOST_MOVES

DEFENCE_GAS = 5_000_000
"""Gas of the dearest defence, by which the contract's constructor measures a bond (`Parameters.sol`)."""


class NoScenario(RefuteError):
    """A figure that cannot be; the message says which and what can."""


@dataclass(frozen=True)
class Scenario:
    """Amounts in wei, times in seconds. The defaults are an example, in which a model like MiniLM answers.

    Attributes:
        parameters: of the deployment; its stake is what stands behind the answer.
        gas: of an answer and of a dispute over it.
        fee: what the answer pays.
        value: what a lie that is believed brings its executor besides the fee.
        inference: what one run of the model costs, to the executor as to a watcher.
        base_fee, tip: per gas.
        watchers: how many there are, each honest and on its own.
        sample: the share of claims that each verifies.
        availability: the chance that a watcher which wants to verify a claim does so, and is heard, in the window.
        lies: the share of claims that are lies, as far as a watcher knows.
        interest: a year's, on money that is locked.
        claims: how many are in their window at once.
        check_time: to verify one claim.
        block_gas: a block's limit.
    """

    parameters: Parameters
    gas: GasOfGame
    fee: int = 5 * 10**15
    value: int = 10**18
    inference: int = 10**14
    base_fee: int = 10 * 10**9
    tip: int = 10**9
    watchers: int = 3
    sample: float = 0.2
    availability: float = 0.95
    lies: float = 0.001
    interest: float = 0.05
    claims: int = 10
    check_time: float = 10.0
    block_gas: int = 36_000_000

    def __post_init__(self) -> None:
        for name in ("sample", "availability", "lies"):
            if not 0 <= getattr(self, name) <= 1:
                raise NoScenario(f"--{name} is {getattr(self, name):g}, not a share; give 0 to 1")
        for field in fields(self)[2:]:
            value = getattr(self, field.name)
            if not 0 <= value < 2**128:
                raise NoScenario(f"--{field.name.replace('_', '-')} is {value:g}; give 0 or more, and less than 2^128")
        if not self.block_gas:
            raise NoScenario("--block-gas is 0; give the gas limit of a block")
        if broken := broken_relation(self.parameters):
            raise NoScenario(f"no such deployment: {broken}")

    @property
    def price(self) -> int:
        """Wei per gas, all in all."""
        return self.base_fee + self.tip

    @property
    def tariff(self) -> int:
        """Wei that a dispute is owed that is played to its last move: no more is paid than the peak gas price."""
        moves = self.gas.moves
        return tariff(moves, [self.base_fee] * len(moves), self.parameters.peak_gas_price)

    @property
    def checked_by_one(self) -> float:
        """The chance that a given watcher verifies a given claim in time."""
        return self.sample * self.availability


def least_bond(p: Parameters) -> int:
    """The least bond that the constructor takes: 1.25 times the dearest defence at the peak gas price."""
    return -(-5 * DEFENCE_GAS * p.peak_gas_price // 4)


def fitting(p: Parameters) -> Parameters:
    """The same with a delay of withdrawals that its window and clock allow."""
    return replace(p, withdrawal_delay=max(p.withdrawal_delay, p.window + 2 * p.clock))


def broken_relation(p: Parameters) -> str | None:
    """The first relation of section 5 that these parameters break, and what keeps it; None if they keep all."""
    least_stake = max(2 * p.challenger_bond, p.acceptance_bond + 1)
    window, clock = p.move_time + p.layer_time, MOST_MOVES * p.move_time + p.layer_time
    delay = p.window + 2 * p.clock
    rules = (
        (p.move_time >= 1, "a move_time of 0; it is at least 1 s"),
        (p.window >= window, f"a window of {p.window} s; a move and a layer take {window} s"),
        (p.clock >= clock, f"a clock of {p.clock} s; 12 moves and a layer take {clock} s"),
        (p.withdrawal_delay >= delay, f"a withdrawal_delay of {p.withdrawal_delay} s; a claim may take {delay} s"),
        (p.acceptance_bond >= 1, "an acceptance_bond of 0; it is at least 1 wei"),
        (p.peak_gas_price >= 1, "a peak_gas_price of 0; it is at least 1 wei"),
        (
            p.executor_stake >= least_stake,
            f"a stake of {format_amount(p.executor_stake)}; it is at least {format_amount(least_stake)}, two bonds "
            "and more than acceptance_bond",
        ),
        (p.executor_stake < 2**96, f"a stake of {format_amount(p.executor_stake)}, which is more than there is"),
        (
            p.challenger_bond >= least_bond(p),
            f"a bond of {format_amount(p.challenger_bond)}; it is at least {format_amount(least_bond(p))}, 1.25 times "
            "5,000,000 gas at peak_gas_price",
        ),
        (5_000 <= p.burn_share <= 10_000, f"a burn_share of {p.burn_share}; it is 5000 to 10000 basis points"),
    )
    return next((said for kept, said in rules if not kept), None)
