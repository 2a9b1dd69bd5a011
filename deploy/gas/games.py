"""Plays measured disputes and answers: every transaction sent for real, its gas from its receipt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eth_account import Account

from contracts import calls
from contracts.abi import refute_abi
from contracts.batch import Done
from contracts.calls import Call
from contracts.chain import Chain, Receipt
from contracts.client import Client
from contracts.deployment import DEVNET_PARAMETERS, deploy
from contracts.ledger import first_position, position_after
from contracts.provider import DEVNET_KEYS
from deploy.acts.stage import ETHER, FEE
from deploy.gas.recorded import RecordedChain
from prover.errors import RefuteError
from prover.game.adversaries import LyingDefender
from prover.game.moves import Move, Step, opened_content
from prover.game.openings import Opened
from prover.game.players import Challenger
from prover.game.position import Side
from prover.program import Program
from prover.trace import Execution

ANSWER_PERIOD = 600
ZERO_BYTE, NONZERO_BYTE = 4, 16
"""Gas of a byte of calldata (EIP-2028)."""


def calldata_gas(data: bytes) -> int:
    """What a transaction pays for these bytes of its calldata, above the floor of EIP-7623."""
    zeros = data.count(0)
    return ZERO_BYTE * zeros + NONZERO_BYTE * (len(data) - zeros)


@dataclass(frozen=True)
class Sent:
    """One transaction: its function, its calldata and its gas, as the receipt has it; `block` is its number."""

    function: str
    data: bytes
    gas: int
    block: int


@dataclass(frozen=True)
class Dispute:
    """A dispute that the challenger won by the step: its transactions, the challenge first, and its moves."""

    sent: tuple[Sent, ...]
    moves: tuple[Move, ...]

    @property
    def gas(self) -> int:
        return sum(sent.gas for sent in self.sent)

    @property
    def gas_step(self) -> int:
        return self.sent[-1].gas


class Game:
    """A fresh chain with the contracts; what is played on it is the first that its accounts do."""

    def __init__(self) -> None:
        self.recorded = RecordedChain()
        self.sent: list[Sent] = []
        """What `send` has sent."""
        self.chain = Chain(self.recorded)
        self.accounts = [Account.from_key(key) for key in DEVNET_KEYS]
        self.deployment = deploy(self.chain, self.accounts[0], DEVNET_PARAMETERS)
        clients = [Client(self.chain, self.deployment, account) for account in self.accounts[1:4]]
        self.executor, self.challenger, self.requester = clients
        for client in (self.executor, self.challenger):
            client.transact(calls.deposit(100 * ETHER))

    def send(self, client: Client, call: Call) -> tuple[Sent, Done]:
        """Send a call and wait for it. ContractRefused if it is refused."""
        done = client.transact(call)
        data = refute_abi().encode_call(call.function, call.arguments)
        self.sent.append(Sent(call.function, data, done.gas, done.block))
        return self.sent[-1], done

    def raw(self, to: str | None, data: bytes, gas: int) -> Receipt:
        """Send a transaction that is not the protocol's, or deploy if `to` is None."""
        return self.chain.transact(self.accounts[0], to, data, gas=gas)

    def register(self, program: Program) -> None:
        self.requester.transact(calls.register_model(program, "local"))

    def answer(self, execution: Execution) -> tuple[list[Sent], bytes]:
        """Request an inference and answer it: request, accept, claim; the claim's id."""
        asking = calls.request_run(execution.program, execution.inputs, FEE, ANSWER_PERIOD)
        asked, done = self.send(self.requester, asking)
        request: bytes = done.event("Requested").arguments["request"]
        accepted, _ = self.send(self.executor, calls.accept(request))
        claimed, done = self.send(self.executor, calls.claim_execution(request, execution))
        claim: bytes = done.event("Claimed").arguments["claim"]
        return [asked, accepted, claimed], claim

    def happy(self, execution: Execution) -> tuple[Sent, ...]:
        """Request, accept, claim and finalise."""
        sent, claim = self.answer(execution)
        self.recorded.wait(self.deployment.parameters.window)
        # Not simulated first: a simulation runs at the time of the block before.
        final, _ = self.send(self.executor, replace(calls.finalise(claim), simulated=False))
        return *sent, final

    def dispute(self, honest: Execution, liar: Execution) -> Dispute:
        """The liar's claim is disputed down to the step. RefuteError if it ends otherwise."""
        _, claim = self.answer(liar)
        defender, challenger = LyingDefender(liar), Challenger(honest)
        nodes = liar.trace.nodes
        call = calls.challenge_at(claim, liar.program, nodes, challenger.first_pick(nodes))
        opened, done = self.send(self.challenger, call)
        root, moved = first_position(done.event("Challenged").arguments), done.event("Moved").arguments
        dispute, position = moved["dispute"], position_after(root, moved)
        sent, moves, history = [opened], list[Move](), [Opened(root, moved["opened"])]
        while True:
            by_executor = position.phase.side is Side.EXECUTOR
            move = defender.answer(position) if by_executor else challenger.reply(position, history)
            client = self.executor if by_executor else self.challenger
            made, done = self.send(client, calls.answer(dispute, position, move))
            sent.append(made)
            moves.append(move)
            if isinstance(move, Step):
                if not done.event("Resolved").arguments["challengerWon"]:
                    raise RefuteError("the measured dispute was not won by its step; the contracts are broken")
                return Dispute(tuple(sent), tuple(moves))
            if content := opened_content(move):
                history.append(Opened(position, content))
            position = position_after(position, done.event("Moved").arguments)
