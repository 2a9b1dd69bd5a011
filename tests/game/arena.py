"""Disputes on a real chain (eth-tester in this process): the players of the simulator, the rules of the contract.

Every move is made twice: by `prover.game.rules` and by a transaction; the positions must be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account

from contracts import calls
from contracts.abi import artifact, refute_abi
from contracts.calls import Call
from contracts.chain import Chain
from contracts.client import Client, Done
from contracts.deployment import DEVNET_PARAMETERS, Parameters, deploy
from contracts.errors import ContractRefused
from contracts.ledger import first_position, position_after
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider
from contracts.snapshot import Snapshot
from deploy.testkit.books import accounted_for
from deploy.testkit.participant import Conduct, Participant
from prover import encoding
from prover.errors import IllegalMove
from prover.game import rules
from prover.game.moves import Move, Step, opened_content
from prover.game.openings import Opened
from prover.game.players import Challenger, NothingDiffers
from prover.game.position import Phase, Position, Side
from prover.game.refutations import Refuted
from prover.game.simulator import Opens, Picks
from prover.program import Program
from prover.trace import Array, Execution

ETHER = 10**18
FEE = ETHER // 10


@dataclass
class Walked:
    """How a dispute on chain ended: `ending` is "step", "silence", or the name of the refusal."""

    winner: Side
    ending: str
    phases: list[Phase] = field(default_factory=list)
    gas: list[int] = field(default_factory=list)
    largest: int = 0
    """Bytes of the largest move."""


class Arena:
    """One chain with the contracts and a few staked accounts; `executor`, `challenger` and so on are their clients."""

    def __init__(self, parameters: Parameters = DEVNET_PARAMETERS) -> None:
        self.devnet = DevnetChain()
        self.chain = Chain(LocalProvider(self.devnet))
        accounts = [Account.from_key(key) for key in DEVNET_KEYS]
        self.deployment = deploy(self.chain, accounts[0], parameters)
        clients = [Client(self.chain, self.deployment, account) for account in accounts]
        self.executor, self.challenger, self.requester, self.stranger, self.other = clients[1:6]
        for client in (self.executor, self.challenger, self.other):
            client.transact(calls.deposit(1000 * ETHER))
        self._registered: set[bytes] = set()
        self._contracts: dict[str, Participant] = {}
        self.participants: list[str] = []
        """Addresses besides the devnet's that have money in the contract."""
        self._observer = Observer(self.executor)

    def look(self) -> Snapshot:
        return self._observer.observe()

    # Time and money

    @property
    def now(self) -> int:
        return self.chain.block().timestamp

    def set_time(self, timestamp: int) -> None:
        """The next block has at least this timestamp."""
        self.devnet.handle("evm_mine", [timestamp])

    def set_next_time(self, timestamp: int) -> None:
        """The next transaction is mined in a block of exactly this timestamp."""
        self.devnet.handle("evm_setNextBlockTimestamp", [timestamp])

    def pass_time(self, seconds: int) -> None:
        self.set_time(self.now + seconds)

    # Contracts as participants

    def participant(self, conduct: Conduct) -> str:
        """A contract that acts through `through` and misbehaves when it is paid; its address."""
        account = Account.from_key(DEVNET_KEYS[0])
        made = Participant(self.chain, self.deployment, account, conduct)
        self._contracts[made.address] = made
        self.participants.append(made.address)
        return made.address

    def through(self, participant: str, call: Call) -> bool:
        """Have a contract make a call in its own name; whether it succeeded."""
        return self._contracts[participant].act(call)

    # Requests and claims

    def ask(self, program: Program, inputs: Sequence[Array], **options: object) -> bytes:
        """Register the model if need be, and request its outputs; the request's id."""
        model = encoding.model_id(program)
        if model not in self._registered:
            self.requester.transact(calls.register_model(program, "local"))
            self._registered.add(model)
        done = self.requester.transact(
            calls.request_run(program, inputs, FEE, 600, **options)  # type: ignore[arg-type]
        )
        request: bytes = done.event("Requested").arguments["request"]
        return request

    def claim(self, execution: Execution, request: bytes | None = None, delegate: str = calls.NOBODY) -> bytes:
        """Accept a request and claim an execution's outputs and trace; the claim's id."""
        if request is None:
            request = self.ask(execution.program, execution.inputs)
        self.executor.transact(calls.accept(request))
        done = self.executor.transact(calls.claim_execution(request, execution, delegate))
        claim: bytes = done.event("Claimed").arguments["claim"]
        return claim

    def challenge(self, claim: bytes, program: Program, by: Client | None = None) -> tuple[bytes, Position]:
        """Open a dispute; its id and first position."""
        done = (by or self.challenger).transact(self.challenging(claim, program))
        event = done.event("Challenged")
        return event.arguments["dispute"], first_position(event.arguments)

    # Disputes

    def challenging(self, claim: bytes, program: Program) -> Call:
        """The call that disputes a claim at its trace root."""
        return calls.challenge(claim, program, self.look().claims[claim].trace_root)

    def expiry(self, disputes: Sequence[bytes]) -> Call:
        """The call that expires disputes, by their ids."""
        held = self.look().disputes
        return calls.expire([held[dispute].party for dispute in disputes])

    def settlement(self, dispute: bytes) -> Call:
        return calls.settle(self.look().disputes[dispute].party)

    def challenge_at(self, claim: bytes, program: Program, challenger: Challenger) -> tuple[bytes, Position, Opened]:
        """Open a dispute at the first of the claim's nodes that differs: its id, its position, and what was opened."""
        nodes = self.look().claims[claim].nodes
        call = calls.challenge_at(claim, program, nodes, challenger.first_pick(nodes))
        done = self.challenger.transact(call)
        root = first_position(done.event("Challenged").arguments)
        moved = done.event("Moved")
        return moved.arguments["dispute"], moved_to(root, done), Opened(root, moved.arguments["opened"])

    def play(
        self, claim: bytes, program: Program, executor: Opens, challenger: Picks, at: Challenger | None = None
    ) -> Walked:
        """Play a dispute to its end on chain, beside the pure rules. A side that is stuck loses by the clock.

        It begins at the trace root, or where challenger `at` sees a difference in the claim's nodes.
        """
        walked = Walked(Side.EXECUTOR, "")
        history: list[Opened] = []
        if at is None:
            dispute, position = self.challenge(claim, program)
        else:
            dispute, position, opened = self.challenge_at(claim, program, at)
            history.append(opened)
        while True:
            side = position.phase.side
            mover = self.executor if side is Side.EXECUTOR else self.challenger
            walked.phases.append(position.phase)
            try:
                move = executor.answer(position) if side is Side.EXECUTOR else challenger.reply(position, history)
            except NothingDiffers:
                move = None
            if move is None:
                return self._stuck(walked, dispute, side, "silence")
            call = calls.answer(dispute, position, move)
            (done,) = mover.transact_all([call])
            if isinstance(done, ContractRefused):
                assert refusal_of(position, move) == done.name
                return self._stuck(walked, dispute, side, done.name)
            walked.gas.append(done.gas)
            walked.largest = max(walked.largest, size_of(call))
            expected = rules.apply(position, move)
            if isinstance(expected, Refuted):
                assert done.event("Resolved").arguments["challengerWon"]
                walked.winner, walked.ending = Side.CHALLENGER, ending_of(move)
                return walked
            assert moved_to(position, done) == expected
            if content := opened_content(move):
                assert done.event("Moved").arguments["opened"] == content
                history.append(Opened(position, content))
            position = expected

    def _stuck(self, walked: Walked, dispute: bytes, side: Side, ending: str) -> Walked:
        """The clock of the side to move runs out."""
        self.pass_time(self.deployment.parameters.clock)
        event = self.stranger.transact(self.expiry([dispute])).event("Resolved")
        challenger_won = side is Side.EXECUTOR
        assert event.arguments["challengerWon"] is challenger_won
        walked.winner = Side.CHALLENGER if challenger_won else Side.EXECUTOR
        walked.ending = ending
        return walked

    # Money

    def held_by_contract(self) -> int:
        return self.chain.balance(self.deployment.refute)

    def accounted_for(self) -> int:
        """Stakes, escrow, credits and burned, from the contract's views and the requests and claims of this arena."""
        addresses = [Account.from_key(key).address for key in DEVNET_KEYS] + self.participants
        return accounted_for(self.executor, self.look(), addresses)

    def credits(self, client: Client) -> int:
        """What the contract owes an account, in wei."""
        return int(self.executor.view("creditsOf", client.address))

    def by_name(self, function: str, *arguments: object) -> dict[str, Any]:
        """What a view of the contract returns, by the names of the results and of their fields."""
        outputs = next(e["outputs"] for e in artifact("Refute").abi if e.get("name") == function)
        values = self.executor.view(function, *arguments)
        return _named(outputs, [values] if len(outputs) == 1 else values)

    def check_conservation(self) -> None:
        """INVARIANT 9."""
        assert self.held_by_contract() == self.accounted_for()

    def refuses(self, client: Client, call: Call) -> str:
        """The name of the contract's refusal of a call."""
        try:
            client.transact(call)
        except ContractRefused as refused:
            return refused.name
        raise AssertionError(f"{call.function} was not refused")


def _named(fields: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
    return {
        f["name"]: _named(f["components"], value) if f["type"] == "tuple" else value
        for f, value in zip(fields, values, strict=True)
    }


def moved_to(position: Position, done: Done) -> Position:
    """The position after a move that answered `position`, as its event tells it."""
    return position_after(position, done.event("Moved").arguments)


def refusal_of(position: Position, move: Move) -> str:
    """The name under which the pure rules refuse a move."""
    try:
        rules.apply(position, move)
    except IllegalMove as error:
        return error.rule
    raise AssertionError(f"the rules allow {type(move).__name__} in {position.phase.name}")


def ending_of(move: Move) -> str:
    """How a dispute ends that this move wins."""
    return "step" if isinstance(move, Step) else type(move).__name__


def size_of(call: Call) -> int:
    """Bytes of calldata."""
    return len(refute_abi().encode_call(call.function, call.arguments))
