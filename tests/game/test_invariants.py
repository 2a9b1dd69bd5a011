"""The numbered invariants of the protocol, section 11, on a real chain; 1, 2 and 4 have the games beside this file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account

from contracts import calls
from contracts.abi import artifact
from contracts.calls import Call
from contracts.client import Client
from prover import encoding
from prover.game.adversaries import Fault, FaultyInterpretation, LyingDefender, ReplacedOutput, SilentDefender
from prover.game.moves import OpenLayer, RefuteProgram
from prover.game.openings import Opened
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Position, Side
from prover.interpreter import Interpretation
from prover.merkle import leaf, path
from prover.program import DType, InputRef, View
from prover.trace import TraceRoot, tensor_bytes
from tests.game.arena import ETHER, FEE, Arena, moved_to
from tests.strategies import random_program

PROGRAM, WEIGHTS, INPUTS = random_program(3)
HONEST = Interpretation(PROGRAM, WEIGHTS, tuple(INPUTS))
HEAD = encoding.encode_head(PROGRAM)


def _liar() -> FaultyInterpretation:
    """A fault in the last layer's checkpointed result, which no later operator hides."""
    layer = len(PROGRAM.layers) - 1
    return FaultyInterpretation(PROGRAM, WEIGHTS, tuple(INPUTS), Fault(layer, PROGRAM.layers[layer].outputs[-1], 0))


LIAR = _liar()


@pytest.fixture
def arena() -> Arena:
    return Arena()


def walk_to(
    arena: Arena, claim: bytes, phase: Phase, executor: Defender, challenger: Challenger
) -> tuple[bytes, Position, list[Opened]]:
    """Play a dispute until `phase` is to be answered."""
    dispute, position = arena.challenge(claim, PROGRAM)
    history: list[Opened] = []
    while position.phase is not phase:
        executors = position.phase.side is Side.EXECUTOR
        move = executor.answer(position) if executors else challenger.reply(position, history)
        done = (arena.executor if executors else arena.challenger).transact(calls.answer(dispute, position, move))
        if content := done.event("Moved").arguments["opened"]:
            history.append(Opened(position, content))
        position = moved_to(done)
    return dispute, position, history


def dispute_fields(arena: Arena, dispute: bytes) -> dict[str, object]:
    """The contract's view of a dispute, by name."""
    abi = next(e for e in artifact("Refute").abi if e.get("name") == "disputeOf")
    names = [c["name"] for c in abi["outputs"][0]["components"]]
    return dict(zip(names, arena.executor.view("disputeOf", dispute), strict=True))


def deadline_of(arena: Arena, dispute: bytes) -> int:
    return int(dispute_fields(arena, dispute)["deadline"])  # type: ignore[call-overload]


def test_invariant_3_a_stalled_claim_ends_within_window_and_both_clocks(arena: Arena) -> None:
    """Both sides use every second they have; several disputes run beside each other."""
    parameters = arena.deployment.parameters
    claim = arena.claim(LIAR)
    posted = arena.now
    arena.set_time(posted + parameters.window - 5)
    dispute, position = arena.challenge(claim, PROGRAM)
    second, _ = arena.challenge(claim, PROGRAM, by=arena.other)
    executor, challenger, history = LyingDefender(LIAR), Challenger(HONEST), []
    arena.set_time(deadline_of(arena, dispute) - 2)
    while position.phase is not Phase.STEP:
        executors = position.phase.side is Side.EXECUTOR
        move = executor.answer(position) if executors else challenger.reply(position, history)
        done = (arena.executor if executors else arena.challenger).transact(calls.answer(dispute, position, move))
        if content := done.event("Moved").arguments["opened"]:
            history.append(Opened(position, content))
        position = moved_to(done)
        arena.set_time(max(arena.now, deadline_of(arena, dispute) - 1 - len(history)))
        if arena.now >= deadline_of(arena, dispute):
            break
    arena.set_time(max(arena.now, deadline_of(arena, dispute)))
    arena.stranger.transact(calls.expire([dispute, second]))
    status = arena.executor.view("claimOf", claim)[0]
    assert status == 3, "fallen: the executor never answered the second dispute"
    assert arena.now <= posted + parameters.window + 2 * parameters.clock


def test_invariant_4_an_output_that_is_not_the_last_checkpoint_falls_in_one_transaction(arena: Arena) -> None:
    other = tuple(
        np.where(output == output.min(), output, output - 1).astype(output.dtype) for output in HONEST.outputs
    )
    lie = ReplacedOutput(HONEST, tuple(o + 1 if np.array_equal(o, h) else o for o, h in zip(other, HONEST.outputs)))
    claim = arena.claim(lie)
    outputs = [tensor_bytes(output) for output in lie.outputs]
    honest = [tensor_bytes(output) for output in HONEST.outputs]
    number = next(i for i, (a, b) in enumerate(zip(outputs, honest, strict=True)) if a != b)
    chunk = next(
        i for i in range(0, len(outputs[number]), 1024) if outputs[number][i:][:1024] != honest[number][i:][:1024]
    )
    done = arena.challenger.transact(calls.prove_output(claim, HONEST, outputs, number, chunk // 1024))
    assert done.event("Resolved").arguments["challengerWon"]
    arena.check_conservation()
    honest_claim = arena.claim(HONEST)
    proof = calls.prove_output(honest_claim, HONEST, honest, number, chunk // 1024)
    assert arena.refuses(arena.challenger, proof) == "OutputsAgree"


def test_invariant_5_an_unbound_opening_counts_only_from_the_executor_or_its_delegate(arena: Arena) -> None:
    claim = arena.claim(HONEST, delegate=arena.other.address)
    dispute, position, _ = walk_to(arena, claim, Phase.LAYER_OPEN, Defender(HONEST), Challenger(LIAR))
    honest = Defender(HONEST).answer(position)
    assert isinstance(honest, OpenLayer)
    inner = [i for i in range(len(honest.roots)) if i not in PROGRAM.layers[position.layer].outputs]
    roots = tuple(bytes(32) if i in inner[:1] else root for i, root in enumerate(honest.roots))
    forged = replace(honest, roots=roots)
    for move in (honest, forged):
        assert arena.refuses(arena.stranger, calls.answer(dispute, position, move)) == "NotTheExecutorsOpening"
    content = calls.keccak(b"".join(honest.roots))
    mine = arena.stranger.sign_opening(claim, position, content)
    assert arena.refuses(arena.stranger, calls.answer(dispute, position, honest, mine)) == "NotTheExecutorsOpening"
    signed = arena.executor.sign_opening(claim, position, content)
    if forged != honest:
        assert (
            arena.refuses(arena.stranger, calls.answer(dispute, position, forged, signed)) == "NotTheExecutorsOpening"
        )
    elsewhere = arena.executor.sign_opening(bytes(32), position, content)
    assert arena.refuses(arena.stranger, calls.answer(dispute, position, honest, elsewhere)) == "NotTheExecutorsOpening"
    arena.stranger.transact(calls.answer(dispute, position, honest, signed))


def test_invariant_5_a_delegate_sends_in_its_own_name(arena: Arena) -> None:
    claim = arena.claim(HONEST, delegate=arena.other.address)
    dispute, position, _ = walk_to(arena, claim, Phase.LAYER_OPEN, Defender(HONEST), Challenger(LIAR))
    arena.other.transact(calls.answer(dispute, position, Defender(HONEST).answer(position)))


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_invariant_6_a_move_counts_before_the_deadline_and_a_timeout_from_it_on(arena: Arena, seconds: int) -> None:
    claim = arena.claim(HONEST)
    dispute, position = arena.challenge(claim, PROGRAM)
    arena.set_time(deadline_of(arena, dispute) + seconds - 1)
    move = calls.answer(dispute, position, Defender(HONEST).answer(position))
    arena.freeze_next_block(deadline_of(arena, dispute) + seconds)
    if seconds < 0:
        arena.executor.transact(move)
        assert arena.refuses(arena.stranger, calls.expire([dispute])) == "NothingExpired"
    else:
        assert arena.refuses(arena.executor, move) == "MoveAfterDeadline"
        arena.stranger.transact(calls.expire([dispute]))


def test_invariant_7_nothing_is_missing_because_its_hash_is_zero(arena: Arena) -> None:
    """A trace root of zeros is a claim like any other, and so are all-zero tensors."""

    class Zero(ReplacedOutput):
        @property
        def trace(self) -> object:  # type: ignore[override]
            held = HONEST.trace
            zero = type(held)(held.checkpoints, held.roots)
            zero.__dict__["root"] = TraceRoot(bytes(32))
            return zero

    claim = arena.claim(Zero(HONEST, HONEST.outputs))
    dispute, position = arena.challenge(claim, PROGRAM)
    assert position.trace_root == bytes(32)
    arena.set_time(deadline_of(arena, dispute))
    assert arena.stranger.transact(calls.expire([dispute])).event("Resolved").arguments["challengerWon"]
    unknown = bytes(32)
    assert arena.refuses(arena.challenger, calls.challenge(unknown, HEAD)) == "UnknownClaim"
    assert arena.refuses(arena.executor, calls.accept(unknown)) == "UnknownRequest"
    assert arena.refuses(arena.executor, calls.settle(unknown)) == "UnknownDispute"


FORWARDER = bytes.fromhex(
    # Forwards calldata after its first 20 bytes, and its value, to the address in them; reverts on a plain payment.
    "36600757600080fd5b60143603806014600037600060008260003460003560601c5af1602857600080fd5b00"
)


def test_invariant_8_a_participant_that_refuses_payment_holds_up_nobody(arena: Arena) -> None:
    """The challenger is a contract that reverts when it is paid: the claim falls and the others are settled."""
    contract = arena.deploy_raw(FORWARDER)
    arena.participants.append(contract)

    def through(call: Call) -> None:
        data = bytes.fromhex(arena.deployment.refute[2:]) + arena.encode(call)
        arena.send_raw(arena.stranger, contract, data, call.value)

    through(calls.deposit(2 * ETHER))
    claim = arena.claim(SilentDefender(LIAR).execution)
    through(calls.challenge(claim, HEAD))
    second, _ = arena.challenge(claim, PROGRAM)
    first = arena.executor.view("disputeId", claim, contract)
    arena.pass_time(arena.deployment.parameters.clock)
    arena.stranger.transact(calls.expire([first]))
    arena.challenger.transact(calls.settle(second))
    assert arena.executor.view("creditsOf", contract) > 0
    with pytest.raises(AssertionError):
        through(calls.collect())
    assert arena.executor.view("creditsOf", contract) > 0, "a failed payment changes nothing"
    arena.check_conservation()


def test_invariant_9_no_wei_appears_or_vanishes(arena: Arena) -> None:
    """Through every way a request and a claim can end."""
    arena.check_conservation()
    request = arena.ask(PROGRAM, INPUTS)
    arena.check_conservation()
    arena.executor.transact(calls.accept(request))
    arena.pass_time(600)
    arena.stranger.transact(calls.lapse(request))
    arena.check_conservation()
    assert arena.refuses(arena.executor, calls.accept(request)) == "ExecutorBarred"
    arena.requester.transact(calls.cancel(request))
    arena.check_conservation()
    claim = arena.claim(LIAR)
    arena.challenge(claim, PROGRAM, by=arena.other)
    arena.check_conservation()
    walked = arena.play(claim, PROGRAM, LyingDefender(LIAR), Challenger(HONEST))
    assert walked.winner is Side.CHALLENGER
    arena.check_conservation()
    arena.other.transact(calls.settle(arena.executor.view("disputeId", claim, arena.other.address)))
    arena.check_conservation()
    claim = arena.claim(HONEST)
    arena.challenge(claim, PROGRAM)
    arena.executor.transact(calls.answer(*_first_move(arena, claim)))
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(calls.expire([arena.executor.view("disputeId", claim, arena.challenger.address)]))
    arena.check_conservation()
    arena.executor.transact(calls.finalise(claim))
    arena.check_conservation()
    for client in (arena.executor, arena.challenger, arena.requester):
        client.transact(calls.collect())
        arena.check_conservation()
    arena.challenger.transact(calls.start_withdrawal(ETHER))
    arena.check_conservation()
    assert arena.refuses(arena.challenger, calls.withdraw()) == "WithdrawalNotDue"
    arena.pass_time(arena.deployment.parameters.withdrawal_delay)
    arena.challenger.transact(calls.withdraw())
    arena.check_conservation()


def _first_move(arena: Arena, claim: bytes) -> tuple[bytes, Position, object]:
    dispute = arena.executor.view("disputeId", claim, arena.challenger.address)
    commitment = encoding.layers_root(PROGRAM)
    request = arena.executor.view("claimOf", claim)[6]
    inputs = arena.executor.view("requestOf", request)[8]
    position = Position.initial(len(PROGRAM.layers), commitment, HONEST.trace.root, inputs)
    return dispute, position, Defender(HONEST).answer(position)


def test_invariant_10_half_is_burned_and_every_standing_dispute_is_paid_for_its_moves(arena: Arena) -> None:
    stake = arena.deployment.parameters.executor_stake
    claim = arena.claim(LIAR)
    bystander, _ = arena.challenge(claim, PROGRAM, by=arena.other)
    walked = arena.play(claim, PROGRAM, LyingDefender(LIAR), Challenger(HONEST))
    assert walked.ending == "step"
    assert arena.executor.view("burned") == stake // 2
    settled = arena.other.transact(calls.settle(bystander)).event("Settled").arguments["paid"]
    assert settled > 0
    assert settled + arena.executor.view("creditsOf", arena.challenger.address) == stake // 2
    assert arena.refuses(arena.other, calls.settle(bystander)) == "DisputeIsResolved"
    assert arena.refuses(arena.other, calls.challenge(claim, HEAD)) == "AlreadyChallenged"
    assert arena.refuses(arena.stranger, calls.challenge(claim, HEAD)) == "ClaimHasFallen"


def test_invariant_11_no_clock_but_the_blocks_timestamp() -> None:
    sources = "\n".join(p.read_text() for p in Path("contracts/src").glob("*.sol"))
    assert "block.timestamp" in sources
    assert not re.findall(r"block\.(number|difficulty|prevrandao)|blockhash", sources)


def test_invariant_12_a_move_cannot_be_replayed_or_redirected(arena: Arena) -> None:
    first, second = arena.claim(LIAR), arena.claim(LIAR)
    assert first != second
    dispute, position, _ = walk_to(arena, first, Phase.TRACE_PICK, LyingDefender(LIAR), Challenger(HONEST))
    other, start = arena.challenge(second, PROGRAM)
    assert position.digest != start.digest
    replayed = calls.answer(dispute, start, Defender(LIAR).answer(start))
    assert arena.refuses(arena.executor, replayed) == "StalePosition"
    redirected = calls.answer(other, position, Challenger(HONEST).reply(position, walk_history(start)))
    assert arena.refuses(arena.challenger, redirected) == "StalePosition"


def walk_history(start: Position) -> list[Opened]:
    nodes = b"".join(Defender(LIAR).trace_nodes(start))
    return [Opened(start, nodes)]


def test_invariant_13_no_function_belongs_to_anyone(arena: Arena) -> None:
    names = {e["name"] for e in artifact("Refute").abi if e["type"] == "function"}
    assert not {n for n in names if re.search(r"owner|admin|pause|upgrade|set[A-Z]|initiali", n)}
    request = arena.ask(PROGRAM, INPUTS)
    arena.stranger.transact(calls.add_uri(encoding.model_id(PROGRAM), "https://example.org/model"))
    assert arena.refuses(arena.stranger, calls.cancel(request)) == "NotTheRequester"
    arena.requester.transact(calls.cancel(request))
    assert arena.executor.view("creditsOf", arena.requester.address) == FEE


def test_picks_come_only_from_the_disputes_challenger(arena: Arena) -> None:
    claim = arena.claim(LIAR)
    dispute, position, history = walk_to(arena, claim, Phase.TRACE_PICK, LyingDefender(LIAR), Challenger(HONEST))
    pick = calls.answer(dispute, position, Challenger(HONEST).reply(position, history))
    for stranger in (arena.executor, arena.stranger):
        assert arena.refuses(stranger, pick) == "NotTheChallenger"
    opening = calls.answer(dispute, replace(position, phase=Phase.TRACE_OPEN), Defender(LIAR).answer(_open(position)))
    assert arena.refuses(arena.executor, opening) == "StalePosition"


def _open(position: Position) -> Position:
    return replace(position, phase=Phase.TRACE_OPEN)


def test_a_program_that_breaks_a_rule_falls_when_it_is_opened(arena: Arena) -> None:
    """A publisher who registers an invalid program with an executor's help gains nothing."""
    layer = PROGRAM.layers[0]
    broken = replace(layer.operators[0], operands=(View(InputRef(0), DType.I8, 1, 1, (0,) * layer.operators[0].axes),))
    operators = (broken, *layer.operators[1:])
    program = replace(PROGRAM, layers=(replace(layer, operators=operators), *PROGRAM.layers[1:]))
    assert program != PROGRAM


_ = (Client, RefuteProgram, Account, leaf, path)
