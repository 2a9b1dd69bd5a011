"""Dishonest executors: what they commit to, what they open, and when they say nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from contracts import calls
from contracts.errors import ContractRefused
from contracts.shelf import Run
from contracts.snapshot import ClaimStatus, RequestStatus
from deploy.lies import Substituted
from deploy.testkit.adversary import Played, adversary
from deploy.testkit.models import DEEP_LAYERS, ROWS, deep_model, interpret, liar
from deploy.testkit.stage import PARAMETERS, Stage
from prover.game.adversaries import LyingDefender, LyingFactorDefender, MisopeningDefender, ReplacedOutput
from prover.game.adversaries import SilentDefender as Silent
from prover.game.moves import Move, OpenChunk, OpenLayer, OpenTensor, OpenTerms, OpenTrace
from prover.game.players import Defender
from prover.game.position import Phase, Position
from prover.model_folder import Model
from prover.trace import Array, Execution

Defend = Callable[[Execution], Defender]

LONG_SUM = liar(0, 0, ROWS - 3, 640)
"""A wrong element of a long sum: its dispute goes through every level."""


def caught(stage: Stage, run: Run, defend: Defend = LyingDefender) -> Played:
    """The adversary answers; an honest watcher disputes it, and an honest executor answers what is open again."""
    liar_ = stage.executor(run, defend, client=stage.other, stake=PARAMETERS.executor_stake)
    request = stage.answered(liar_)
    stage.play(liar_, stage.watcher(), stage.executor())
    first, *later = stage.claims_of(request)
    assert first.executor == stage.other.address
    assert first.status is ClaimStatus.FALLEN
    assert [claim.executor for claim in later] == [stage.executor_client.address]
    assert stage.request(request).status is RequestStatus.FINAL
    return Played((stage.other,), stage.honest)


# What it commits to


@adversary("element-of-a-long-sum", "an element of a product is wrong, and so is all that follows; opens sums to match")
def _long_sum(stage: Stage) -> Played:
    return caught(stage, LONG_SUM)


@adversary("element-of-an-operator", "an element of a layer's inner operator is wrong")
def _inner(stage: Stage) -> Played:
    return caught(stage, liar(0, 1, 7))


@adversary("element-of-a-layer", "an element that a layer in the middle hands on is wrong")
def _middle(stage: Stage) -> Played:
    return caught(stage, liar(DEEP_LAYERS // 2, 0, ROWS // 2))


@adversary("element-of-the-output", "an element of the last layer is wrong")
def _last(stage: Stage) -> Played:
    return caught(stage, liar(DEEP_LAYERS - 1, 0, ROWS - 1, -1))


@adversary("output-that-is-not-the-last-checkpoint", "the trace is right, the posted output another")
def _output(stage: Stage) -> Played:
    def run(model: Model, inputs: Sequence[Array]) -> Execution:
        honest = interpret(model, inputs)
        (output,) = honest.outputs
        return ReplacedOutput(honest, (output + 1,))

    return caught(stage, run)


@adversary("trace-of-another-program", "runs another model, and passes its trace off as that of the one asked for")
def _program(stage: Stage) -> Played:
    other = deep_model(seed=8)
    return caught(stage, lambda model, inputs: Substituted(model, interpret(other, inputs)))


@adversary("trace-of-another-input", "runs the model on another input")
def _input(stage: Stage) -> Played:
    return caught(stage, lambda model, inputs: interpret(model, [np.roll(array, 1) for array in inputs]))


@adversary("factors-that-make-the-lie", "states honest sums, and an offset that is not the weights'")
def _factors(stage: Stage) -> Played:
    return caught(stage, LONG_SUM, LyingFactorDefender)


# What it opens


class _Garbage(LyingDefender):
    """Opens noise in one phase."""

    phase: Phase

    def answer(self, position: Position) -> Move:
        move = super().answer(position)
        return _noise(move) if position.phase is self.phase else move


def _noise(move: Move) -> Move:
    match move:
        case OpenTrace(nodes) | OpenTensor(nodes):
            return replace(move, nodes=tuple(node[::-1] for node in nodes))
        case OpenLayer(_, _, roots, _):
            return replace(move, roots=tuple(root[::-1] for root in roots))
        case OpenChunk(chunk):
            return replace(move, chunk=bytes(byte ^ 0x5A for byte in chunk))
        case OpenTerms(_, values):
            return replace(move, values=bytes(byte ^ 0x5A for byte in values))
    return move


_OPENED = {
    "trace": Phase.TRACE_OPEN,
    "layer": Phase.LAYER_OPEN,
    "tensor": Phase.TENSOR_OPEN,
    "chunk": Phase.CHUNK_OPEN,
    "terms": Phase.TERMS_OPEN,
}


def _at_level(level: str, phase: Phase) -> None:
    """One adversary that withholds and one that garbles what is to be opened at a level."""

    @adversary(f"withheld-{level}", f"opens everything down to the {level}, and then nothing")
    def _withheld(stage: Stage) -> Played:
        return caught(stage, LONG_SUM, type("Withheld", (Silent, LyingDefender), {"silent_from": phase}))

    @adversary(f"garbage-{level}", f"opens noise where the {level} is asked for")
    def _garbage(stage: Stage) -> Played:
        return caught(stage, LONG_SUM, type("Garbage", (_Garbage,), {"phase": phase}))


for _level, _phase in _OPENED.items():
    _at_level(_level, _phase)


def _misopening(stage: Stage, phase: Phase) -> Played:
    """Opens what the watcher has itself, so that nothing differs."""

    def defend(execution: Execution) -> Defender:
        return MisopeningDefender(execution, interpret(stage.model, execution.inputs), phase)

    return caught(stage, LONG_SUM, defend)


@adversary("layer-that-does-not-hash", "opens honest operators, which do not hash to the checkpoint it committed to")
def _layer(stage: Stage) -> Played:
    return _misopening(stage, Phase.LAYER_OPEN)


@adversary("tensor-that-does-not-hash", "opens the nodes of the honest tensor, which do not hash to its own")
def _tensor(stage: Stage) -> Played:
    return _misopening(stage, Phase.TENSOR_OPEN)


@adversary("chunk-that-does-not-hash", "opens the honest chunk, which does not hash to its own")
def _chunk(stage: Stage) -> Played:
    return _misopening(stage, Phase.CHUNK_OPEN)


# What it does with requests


@adversary("accepts-and-does-not-answer", "locks a request up and answers nothing")
def _idle(stage: Stage) -> Played:
    request = stage.ask()
    stage.other.transact(calls.deposit(PARAMETERS.executor_stake))
    stage.other.transact(calls.accept(request))
    stage.commanded.set_time(stage.request(request).deadline)
    stage.requester.transact(calls.lapse(request))
    stage.play(stage.executor(), stage.watcher())
    assert stage.request(request).status is RequestStatus.FINAL
    return Played((stage.other,), stage.honest)


def _refused(stage: Stage, call: calls.Call) -> str:
    try:
        stage.other.transact(call)
    except ContractRefused as refused:
        return refused.name
    raise AssertionError(f"{call.function} was taken")


@adversary("claim-on-a-closed-request", "claims where another has answered, and where the answer is final")
def _closed(stage: Stage) -> Played:
    request, watcher, executor = stage.ask(), stage.watcher(), stage.executor()
    claim = calls.claim_execution(request, LONG_SUM(stage.model, stage.inputs()))
    stage.other.transact(calls.deposit(PARAMETERS.executor_stake))
    assert _refused(stage, claim) == "RequestNotAccepted"
    stage.settle_down(executor, until=lambda: bool(stage.claims_of(request)))
    assert _refused(stage, calls.accept(request)) == "RequestNotOpen"
    assert _refused(stage, claim) == "RequestNotAccepted"
    stage.play(executor, watcher)
    assert _refused(stage, claim) == "RequestNotAccepted"
    return Played((stage.other,), stage.honest, loses=False)


@adversary("two-claims-on-one-request", "claims a lie, and then the truth beside it")
def _two_claims(stage: Stage) -> Played:
    request = stage.ask()
    stage.other.transact(calls.deposit(PARAMETERS.executor_stake))
    stage.other.transact(calls.accept(request))
    inputs = stage.inputs()
    stage.other.transact(calls.claim_execution(request, LONG_SUM(stage.model, inputs)))
    assert _refused(stage, calls.claim_execution(request, interpret(stage.model, inputs))) == "RequestNotAccepted"
    stage.play(stage.watcher(), stage.executor())
    first, *_ = stage.claims_of(request)
    assert first.status is ClaimStatus.FALLEN
    return Played((stage.other,), stage.honest)
