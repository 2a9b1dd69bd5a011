"""The contracts on pyrevm beside the model of them: both take or refuse each call, and hold the same afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from contracts import calls
from contracts.calls import Call
from contracts.deployment import DEVNET_PARAMETERS, Parameters
from prover import encoding
from prover.program import Program
from tests.contracts.machine import Refused
from tests.model import players
from tests.model.evm import START, Protocol
from tests.model.games import STEERED, Cell, Game
from tests.model.ledger import RARE, Ledger
from tests.model.records import Account, Illegal, Request

ETHER = 10**18
PARAMETERS = DEVNET_PARAMETERS
ACCOUNTS = [f"0x{number:02x}" + "55" * 19 for number in range(1, 10)]
REQUESTERS, (EXECUTOR, CHALLENGER, *ROGUES) = ACCOUNTS[:2], ACCOUNTS[2:]
"""The first four are honest; the rogues do what they are told."""
HONEST = (EXECUTOR, CHALLENGER)
ANSWER_PERIOD = 600


@dataclass
class Tally:
    """What happened over many worlds. `games`: disputes that ended."""

    games: int = 0
    honest_losses: int = 0
    transactions: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    cells: Counter[Cell] = field(default_factory=Counter)
    astray: list[tuple[Cell, Cell]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> bool:
        """No honest loss, none astray, no cell empty, and what is rare was seen."""
        reached = set(self.cells) == set(STEERED) and all(self.seen[what] for what in RARE)
        return reached and not self.honest_losses and not self.astray


class Twin:
    """Stakes, requests and claims. The accounts and a model are there; who may be slashed has a stake."""

    def __init__(self, tally: Tally, parameters: Parameters, base_fee: int) -> None:
        self.tally = tally
        self.parameters = parameters
        self.protocol = Protocol(parameters, ACCOUNTS, base_fee)
        accounts = {account: Account() for account in ACCOUNTS}
        self.model = Ledger(parameters, min(base_fee, parameters.peak_gas_price), START, accounts)
        self.games: dict[bytes, Game] = {}
        """By claim."""
        self._models: set[bytes] = set()
        for account in ACCOUNTS[2:]:
            self.deposit(account, (500 if account in HONEST else 40) * ETHER)

    # Both at once

    def both(self, who: str, call: Call, allowed: Callable[[], object], then: Callable[..., object]) -> bool:
        """Send a call; whether it was taken. The model must allow it exactly if the contract takes it.

        `allowed` raises Illegal where the model does not; `then` changes the model, given the events.
        """
        self.tally.transactions += 1
        expected = _refusal(allowed)
        try:
            events = self.protocol.send(who, call)
        except Refused as refused:
            if refused.name != expected:
                raise AssertionError(f"{call.function} was refused with {refused.name}, not {expected}") from None
            self.tally.refused[refused.name] += 1
            return False
        assert expected is None, f"{call.function} was taken, though {expected}"
        then(events)
        self.check()
        return True

    def simple(self, who: str, call: Call, change: Callable[[], object]) -> bool:
        """A call whose model refuses before it changes anything."""
        return self.both(who, call, change, lambda _: None)

    def check(self) -> None:
        """INVARIANTS 1, 2, 8 and 9 after each transaction: the model's accounts are the contract's, to the wei."""
        for address, account in self.model.accounts.items():
            held = self.protocol.view("accountOf", address)
            assert held == (account.free, account.locked, account.leaving, account.due), (address, held, account)
            assert self.protocol.view("creditsOf", address) == account.credits, address
        assert self.protocol.view("burned") == self.model.burned
        assert self.protocol.balance == self.model.held()
        for address in HONEST:
            if self.model.accounts[address].slashed:
                self.tally.honest_losses += 1
                raise AssertionError(f"{address} is honest and lost stake")

    # Money

    def deposit(self, who: str, amount: int) -> None:
        self.simple(who, calls.deposit(amount), lambda: self.model.deposit(who, amount))

    def start_withdrawal(self, who: str, amount: int) -> None:
        self.simple(who, calls.start_withdrawal(amount), lambda: self.model.start_withdrawal(who, amount))

    def withdraw(self, who: str) -> None:
        before, leaving = self.protocol.balance_of(who), self.model.accounts[who].leaving
        if self.simple(who, calls.withdraw(), lambda: self.model.withdraw(who)):
            assert self.protocol.balance_of(who) - before == leaving

    def collect(self, who: str) -> None:
        before, credits = self.protocol.balance_of(who), self.model.accounts[who].credits
        if self.simple(who, calls.collect(), lambda: self.model.collect(who)):
            assert self.protocol.balance_of(who) - before == credits

    # Requests and claims

    def _register(self, program: Program) -> None:
        model = encoding.model_id(program)
        if model not in self._models:
            self.protocol.send(REQUESTERS[0], calls.register_model(program, "local"))
            self._models.add(model)

    def ask(self, who: str, game: Game, fee: int, least: int = 0, only: str | None = None) -> bytes:
        """A request for the outputs of a game's program on the inputs of every game; its id."""
        program = game.execution.program
        made: list[bytes] = []

        def then(events: dict[str, dict[str, bytes]]) -> None:
            made.append(events["Requested"]["request"])
            self.model.request(made[0], Request(who, fee, ANSWER_PERIOD, least, only))

        self._register(program)
        call = calls.request_run(program, players.INPUTS, fee, ANSWER_PERIOD, least, only or calls.NOBODY)
        assert self.both(who, call, lambda: None, then)
        return made[0]

    def accept(self, request: bytes, who: str) -> bool:
        return self.simple(who, calls.accept(request), lambda: self.model.accept(request, who))

    def lapse(self, request: bytes, who: str) -> bool:
        return self.simple(who, calls.lapse(request), lambda: self.model.lapse(request))

    def cancel(self, request: bytes, who: str) -> bool:
        return self.simple(who, calls.cancel(request), lambda: self.model.cancel(request, who))

    def claim(self, request: bytes, who: str, game: Game) -> bytes | None:
        """Answer with the execution of a game's executor; the claim's id if it is taken."""
        made: list[bytes] = []

        def then(events: dict[str, dict[str, bytes]]) -> None:
            made.append(events["Claimed"]["claim"])
            self.model.claim(made[0], request, who)
            self.games[made[0]] = game

        call = calls.claim_execution(request, game.execution)
        self.both(who, call, lambda: self.model.require_claim(request, who), then)
        return made[0] if made else None

    def finalise(self, claim: bytes, who: str) -> bool:
        return self.simple(who, calls.finalise(claim), lambda: self.model.finalise(claim))


def _refusal(of: Callable[[], object]) -> str | None:
    try:
        of()
    except Illegal as illegal:
        return illegal.name
    return None
