"""A chain in this process with agents on it that are stepped round by round: what the tests of agents are played on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from eth_account import Account
from web3.types import RPCEndpoint, RPCResponse

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import DEVNET_PARAMETERS, deploy
from contracts.observer import Observer
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider
from contracts.service.feed import Feed
from contracts.service.store import Store
from contracts.shelf import Run, Shelf
from contracts.snapshot import AccountView, ClaimView, DisputeView, RequestView, Snapshot
from executor import decide as executing
from executor.service import Defend, ExecutorService
from prover import encoding, model_folder
from prover.game.adversaries import Fault, FaultyInterpretation
from prover.game.players import Challenger, Defender
from prover.interpreter import Interpretation
from prover.model_folder import Model
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
    Operator,
    OutputSpec,
    Program,
    ResultRef,
    TensorSpec,
    View,
    WeightRef,
)
from prover.trace import Array, Execution, array_root, tensor_bytes
from watcher import decide as watching
from watcher.service import Challenge, WatcherService
from watcher.verdict import Judge, TwoBackends

ETHER = 10**18
FEE = ETHER // 10
PARAMETERS = DEVNET_PARAMETERS


def small_model(seed: int = 7) -> Model:
    """Three layers over 300 numbers: a product with a matrix of 4 x 300, a table-free rescaling, a maximum.

    The product's weight crosses a chunk, so that disputes over it go through the terms. `seed` draws the matrix.
    """
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-90, 90, (4, 300)).astype("<i4")
    root = array_root(matrix)
    weight = View(WeightRef(root), DType.I32, 1200, 0, (300, 1))
    given = View(InputRef(0), DType.I8, 300, 0, (0, 1))
    one, zero = Immediate(1), Immediate(0)
    lo, hi = DType.I32.lo, DType.I32.hi
    product = Operator(Opcode.DOT, 0, DType.I32, (4, 300), (given, weight, one, zero), lo, hi, reduced=1)
    first = View(CheckpointRef(0, 0, 1), DType.I32, 4, 0, (1,))
    halved = Operator(Opcode.ZIP, 0, DType.I32, (4,), (first, one, one, zero), lo, hi, shift=1)
    shifted = View(ResultRef(0), DType.I32, 4, 0, (1,))
    raised = Operator(Opcode.ZIP, 0, DType.I32, (4,), (shifted, one, one, Immediate(9)), lo, hi)
    second = View(CheckpointRef(1, 0, 1), DType.I32, 4, 0, (1,))
    largest = Operator(Opcode.REDUCE, 0, DType.I32, (4,), (second,), lo, hi, reduced=1)
    layers = Layer((product,), (0,)), Layer((halved, raised), (1,)), Layer((largest,), (0,))
    outputs = OutputSpec(CheckpointRef(1, 0, 1), DType.I32, (4,)), OutputSpec(CheckpointRef(2, 0, 1), DType.I32, (1,))
    program = Program((TensorSpec(DType.I8, (300,)),), layers, outputs, ("product", "rescale", "largest"))
    return Model(program, {root: matrix.reshape(-1)})


def interpret(model: Model, inputs: Sequence[Array]) -> Execution:
    """The honest way to run a model in these tests."""
    return Interpretation(model.program, model.weights, tuple(inputs))


def liar(layer: int, operator: int = 0, element: int = 0, delta: int = 1) -> Run:
    """A machine that gets one element wrong, and everything after it accordingly."""
    fault = Fault(layer, operator, element, delta)

    def run(model: Model, inputs: Sequence[Array]) -> Execution:
        return FaultyInterpretation(model.program, model.weights, tuple(inputs), fault=fault)

    return run


class Faltering(LocalProvider):
    """A node that drops the connection at the call that comes after `good` more."""

    good = 1_000

    def make_request(self, method: RPCEndpoint, params: object) -> RPCResponse:
        self.good -= 1
        if self.good == -1:
            raise ConnectionError("the node hung up")
        return super().make_request(method, params)


class Stage:
    """A chain, the contracts, a published model, and clients for everyone."""

    def __init__(self, folder: Path) -> None:
        self.devnet = DevnetChain()
        self.chain = Chain(LocalProvider(self.devnet))
        accounts = [Account.from_key(key) for key in DEVNET_KEYS]
        self.deployment = deploy(self.chain, accounts[0], PARAMETERS)
        clients = [Client(self.chain, self.deployment, account) for account in accounts]
        self.requester, self.executor_client, self.watcher_client, self.other, self.another = clients[1:6]
        self.model = small_model()
        model_folder.publish(self.model, folder)
        self.models = folder
        self.requester.transact(calls.register_model(self.model.program, folder.as_uri()))
        self._observer = Observer(self.requester)

    # Agents

    def executor(
        self,
        run: Run = interpret,
        defend: Defend = Defender,
        client: Client | None = None,
        stake: int = 50 * ETHER,
        models: Path | None = None,
        confirmations: int = 0,
    ) -> ExecutorService:
        """An executor that computes in its rounds. A new one is what a restart leaves."""
        shelf, policy, account = Shelf(models or self.models), executing.Policy(stake), client or self.executor_client
        return ExecutorService(account, shelf, run, policy, defend=defend, inline=True, confirmations=confirmations)

    def watcher(
        self,
        judge: Judge | None = None,
        challenge: Challenge = Challenger,
        client: Client | None = None,
        stake: int = 10 * ETHER,
        models: Path | None = None,
        store: Store | None = None,
        confirmations: int = 0,
        feed: Feed | None = None,
    ) -> WatcherService:
        """A watcher that judges in its rounds. A new one is what a restart leaves."""
        return WatcherService(
            client or self.watcher_client,
            Shelf(models or self.models),
            judge or TwoBackends(interpret, interpret),
            watching.Policy(stake),
            challenge=challenge,
            inline=True,
            store=store,
            confirmations=confirmations,
            feed=feed,
        )

    # What happens

    def ask(self, seed: int = 0, fee: int = FEE, **options: object) -> bytes:
        """Request an inference on random numbers; the request's id."""
        numbers = np.random.default_rng(seed).integers(-128, 127, 300).astype("<i1")
        interface = encoding.encode_interface(self.model.program)
        posted = [tensor_bytes(numbers)]
        done = self.requester.transact(
            calls.request(bytes(self.model.id), interface, posted, fee, 600, **options)  # type: ignore[arg-type]
        )
        request: bytes = done.event("Requested").arguments["request"]
        return request

    def pass_time(self, seconds: int) -> None:
        self.chain.travel(seconds)

    def settle_down(self, *agents: ExecutorService | WatcherService, until: Callable[[], bool] | None = None) -> None:
        """Step the agents in turn until none has anything to do, or `until` holds."""
        for _ in range(200):
            if until is not None and until():
                return
            busy = [agent.round() for agent in agents]  # each has its turn
            if not any(busy):
                return
        raise AssertionError("the agents do not come to rest")

    def look(self) -> Snapshot:
        return self._observer.observe()

    def request(self, id: bytes) -> RequestView:
        return self.look().requests[id]

    def claims_of(self, request: bytes) -> list[ClaimView]:
        """Every claim on a request, the first first."""
        return [c for c in self.look().claims.values() if c.request == request]

    def disputes_of(self, request: bytes) -> list[DisputeView]:
        snapshot = self.look()
        return [d for d in snapshot.disputes.values() if snapshot.claims[d.claim].request == request]

    def account(self, client: Client) -> AccountView:
        """An account's money in the contract and outside it."""
        return Observer(client, client.address).observe().account

    # The chain itself

    def snapshot(self) -> object:
        """A point of the chain to `revert` to: what a reorganisation goes back to."""
        return self.devnet.tester.take_snapshot()

    def revert(self, point: object) -> None:
        self.devnet.tester.revert_to_snapshot(point)
