"""The numbered invariants of the protocol, section 11, on a real chain; 1, 2 and 4 have the games beside this file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import calls
from contracts.abi import artifact
from contracts.snapshot import ClaimStatus
from prover import encoding
from prover.game.adversaries import (
    LyingDefender,
    MistakenChallenger,
    ReplacedOutput,
)
from prover.game.moves import OpenLayer
from prover.game.openings import Opened
from prover.game.players import Challenger, Defender
from prover.game.position import Ground, Party, Phase, Position, Side
from prover.interpreter import Interpretation
from prover.merkle import fold, keccak
from prover.trace import Array, tensor_bytes
from tests.game.arena import ETHER, FEE, Arena, Conduct, moved_to
from tests.game.walks import HONEST, INPUTS, LIAR, PROGRAM, deadline_of, walk_to


@pytest.fixture
def arena() -> Arena:
    return Arena()


def test_invariant_3_a_claim_ends_within_window_and_both_clocks_however_slow_both_sides_are(arena: Arena) -> None:
    """Challenged in the last second; every move takes as long as the clocks allow."""
    parameters = arena.deployment.parameters
    claim = arena.claim(HONEST)
    end = arena.now + parameters.window + 2 * parameters.clock
    arena.set_next_time(arena.now + parameters.window - 1)
    dispute, position = arena.challenge(claim, PROGRAM)
    executor, challenger = Defender(HONEST), MistakenChallenger(LIAR)
    history: list[Opened] = []
    while position.phase is not Phase.STEP:
        executors = position.phase.side is Side.EXECUTOR
        move = executor.answer(position) if executors else challenger.reply(position, history)
        arena.set_next_time(arena.now + parameters.clock // SLOW_MOVES)
        done = (arena.executor if executors else arena.challenger).transact(calls.answer(dispute, position, move))
        if content := done.event("Moved").arguments["opened"]:
            history.append(Opened(position, content))
        position = moved_to(position, done)
    assert arena.refuses(arena.stranger, calls.finalise(claim)) == "DisputesUnresolved"
    arena.set_time(deadline_of(arena, dispute))
    arena.stranger.transact(arena.expiry([dispute]))
    arena.stranger.transact(calls.finalise(claim))
    assert end - parameters.clock < arena.now <= end


SLOW_MOVES = 8
"""More moves than either side makes in this game."""


def test_invariant_3_disputes_run_beside_each_other(arena: Arena) -> None:
    """Three of them, opened in the last seconds, take no longer than one."""
    parameters = arena.deployment.parameters
    claim = arena.claim(LIAR)
    posted = arena.now
    disputes = []
    for seconds, client in ((9, arena.other), (6, arena.challenger), (3, arena.requester)):
        if client is arena.requester:
            client.transact(calls.deposit(ETHER))
        arena.set_next_time(posted + parameters.window - seconds)
        disputes.append(arena.challenge(claim, PROGRAM, by=client)[0])
    arena.set_time(posted + parameters.window + parameters.clock)
    arena.stranger.transact(arena.expiry(disputes))
    assert arena.look().claims[claim].status is ClaimStatus.FALLEN
    for dispute in disputes[1:]:
        arena.stranger.transact(arena.settlement(dispute))
    arena.check_conservation()


def test_invariant_4_an_output_that_is_not_the_last_checkpoint_falls_in_one_transaction(arena: Arena) -> None:
    number = len(HONEST.outputs) - 1
    replaced = HONEST.outputs[number] ^ 1
    lie = ReplacedOutput(HONEST, (*HONEST.outputs[:number], replaced))
    claim = arena.claim(lie)
    outputs = [tensor_bytes(output) for output in lie.outputs]
    done = arena.challenger.transact(calls.prove_output(claim, HONEST, outputs, number, 0))
    assert done.event("Resolved").arguments["challengerWon"]
    arena.check_conservation()
    honest = [tensor_bytes(output) for output in HONEST.outputs]
    proof = calls.prove_output(arena.claim(HONEST), HONEST, honest, number, 0)
    assert arena.refuses(arena.challenger, proof) == "OutputsAgree"


def test_invariant_4_proofs_about_another_claim_are_refused(arena: Arena) -> None:
    """Every commitment in the proof is compared with the claim's own."""
    outputs = [tensor_bytes(output) for output in ReplacedOutput(HONEST, _altered(HONEST)).outputs]
    proof = calls.prove_output(arena.claim(HONEST), HONEST, outputs, 0, 0)
    assert arena.refuses(arena.challenger, proof) == "WrongPostedList"
    claim = arena.claim(ReplacedOutput(LIAR, _altered(LIAR)))
    outputs = [tensor_bytes(output) for output in _altered(LIAR)]
    proof = calls.prove_output(claim, HONEST, outputs, 0, 0)
    assert arena.refuses(arena.challenger, proof) == "WrongTraceRoot"
    *rest, (chunk, chunk_path, root, root_path, none) = proof.arguments
    longer = replace(proof, arguments=(*rest, (chunk, chunk_path, root, [*root_path, bytes(32)], none)))
    assert arena.refuses(arena.challenger, longer) == "WrongTensorPath"


def _altered(execution: Interpretation) -> tuple[Array, ...]:
    return tuple(output ^ 1 for output in execution.outputs)


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
    content = keccak(b"".join(honest.roots))
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
    move = calls.answer(dispute, position, Defender(HONEST).answer(position))
    arena.set_next_time(deadline_of(arena, dispute) + seconds)
    if seconds < 0:
        arena.executor.transact(move)
        assert arena.refuses(arena.stranger, arena.expiry([dispute])) == "NothingExpired"
    else:
        assert arena.refuses(arena.executor, move) == "MoveAfterDeadline"
        arena.stranger.transact(arena.expiry([dispute]))


def test_invariant_7_nothing_is_missing_because_its_hash_is_zero(arena: Arena) -> None:
    """A trace of zeros is a claim like any other, and so are all-zero tensors."""

    class Zero(ReplacedOutput):
        @property
        def trace(self) -> object:  # type: ignore[override]
            held = HONEST.trace
            zero = type(held)(held.checkpoints, held.roots)
            zero.__dict__["leaves"] = [bytes(32)] * len(PROGRAM.layers)
            return zero

    claim = arena.claim(Zero(HONEST, HONEST.outputs))
    dispute, position = arena.challenge(claim, PROGRAM)
    assert position.ground.trace_root == fold([bytes(32)] * len(PROGRAM.layers))
    arena.set_time(deadline_of(arena, dispute))
    assert arena.stranger.transact(arena.expiry([dispute])).event("Resolved").arguments["challengerWon"]
    unknown = bytes(32)
    assert arena.refuses(arena.challenger, calls.challenge(unknown, PROGRAM, unknown)) == "UnknownClaim"
    assert arena.refuses(arena.executor, calls.accept(unknown)) == "UnknownRequest"
    assert arena.refuses(arena.executor, calls.settle(Party(unknown, arena.executor.address))) == "UnknownDispute"


@pytest.mark.parametrize("conduct", [Conduct.REFUSES, Conduct.BURNS_GAS, Conduct.RE_ENTERS])
def test_invariant_8_a_participant_that_misbehaves_on_payment_holds_up_nobody(arena: Arena, conduct: Conduct) -> None:
    """The winning challenger is a contract: the claim falls, the others are settled, and it gets no second payment."""
    contract = arena.participant(conduct)
    assert arena.through(contract, calls.deposit(2 * ETHER))
    claim = arena.claim(LIAR)
    assert arena.through(contract, arena.challenging(claim, PROGRAM))
    second, _ = arena.challenge(claim, PROGRAM)
    first = arena.executor.view("disputeId", claim, contract)
    arena.pass_time(arena.deployment.parameters.clock)
    arena.stranger.transact(arena.expiry([first]))
    arena.challenger.transact(arena.settlement(second))
    credits = arena.executor.view("creditsOf", contract)
    assert credits > 0
    assert not arena.through(contract, calls.collect())
    assert arena.executor.view("creditsOf", contract) == credits, "a failed payment changes nothing"
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
    arena.other.transact(arena.settlement(arena.executor.view("disputeId", claim, arena.other.address)))
    arena.check_conservation()
    claim = arena.claim(HONEST)
    arena.challenge(claim, PROGRAM)
    arena.executor.transact(calls.answer(*_first_move(arena, claim)))
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(arena.expiry([arena.executor.view("disputeId", claim, arena.challenger.address)]))
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
    request = arena.by_name("claimOf", claim)["held"]["request"]
    inputs = arena.by_name("requestOf", request)[""]["inputs"]
    ground = Ground(len(PROGRAM.layers), commitment, HONEST.trace.root, inputs, arena.challenger.address)
    position = Position.initial(ground, claim)
    return dispute, position, Defender(HONEST).answer(position)


def test_invariant_10_half_is_burned_and_every_standing_dispute_is_paid_for_its_moves(arena: Arena) -> None:
    stake = arena.deployment.parameters.executor_stake
    claim = arena.claim(LIAR)
    bystander, _ = arena.challenge(claim, PROGRAM, by=arena.other)
    walked = arena.play(claim, PROGRAM, LyingDefender(LIAR), Challenger(HONEST))
    assert walked.ending == "step"
    assert arena.executor.view("burned") == stake // 2
    settled = arena.other.transact(arena.settlement(bystander)).event("Settled").arguments["paid"]
    assert settled > 0
    assert settled + arena.executor.view("creditsOf", arena.challenger.address) == stake // 2
    assert arena.refuses(arena.other, arena.settlement(bystander)) == "DisputeIsResolved"
    assert arena.refuses(arena.other, arena.challenging(claim, PROGRAM)) == "AlreadyChallenged"
    assert arena.refuses(arena.stranger, arena.challenging(claim, PROGRAM)) == "ClaimHasFallen"


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
