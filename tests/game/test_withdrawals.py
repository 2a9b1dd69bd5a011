"""Money leaves by its owner's hand alone, and not while anything it answers for can still be decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import calls
from contracts.deployment import Parameters
from prover.game.adversaries import LyingDefender
from prover.game.players import Challenger, Defender
from tests.game.arena import ETHER, FEE, Arena
from tests.game.walks import HONEST, INPUTS, LIAR, PROGRAM, deadline_of

STAKE = 1000 * ETHER
"""What the arena's executor and challengers have deposited."""
WITHDRAW = replace(calls.withdraw(), simulated=False)
"""Not tried before: a trial has the time of the last block."""


@pytest.fixture
def arena() -> Arena:
    return Arena()


def account_of(arena: Arena, address: str) -> tuple[int, int, int, int]:
    """(free, locked, leaving, credits)."""
    free, locked, leaving, _ = arena.executor.view("accountOf", address)
    return free, locked, leaving, arena.executor.view("creditsOf", address)


def test_leaving_stake_is_paid_when_it_is_due_and_once(arena: Arena) -> None:
    delay = arena.deployment.parameters.withdrawal_delay
    arena.other.transact(calls.start_withdrawal(2 * ETHER))
    arena.set_next_time(arena.now + delay - 10)
    arena.other.transact(calls.start_withdrawal(ETHER))
    due = arena.now + delay
    assert arena.refuses(arena.stranger, calls.withdraw()) == "NothingToWithdraw"
    held = arena.held_by_contract()
    arena.set_next_time(due - 1)
    assert arena.refuses(arena.other, WITHDRAW) == "WithdrawalNotDue", "what was leaving before waits again, too"
    arena.set_next_time(due)
    arena.other.transact(WITHDRAW)
    assert arena.held_by_contract() == held - 3 * ETHER
    assert arena.refuses(arena.other, calls.withdraw()) == "NothingToWithdraw"
    assert account_of(arena, arena.other.address) == (STAKE - 3 * ETHER, 0, 0, 0)
    arena.check_conservation()


def test_stake_that_is_leaving_backs_nothing(arena: Arena) -> None:
    """Neither an acceptance nor a dispute: what it would answer for may be decided after it is gone."""
    challenge = arena.challenging(arena.claim(HONEST), PROGRAM)
    arena.challenger.transact(calls.start_withdrawal(STAKE))
    assert arena.refuses(arena.challenger, challenge) == "FreeStakeTooLow"
    arena.other.transact(calls.start_withdrawal(STAKE))
    assert arena.refuses(arena.other, calls.accept(arena.ask(PROGRAM, INPUTS))) == "FreeStakeTooLow"


def test_an_executor_that_withdraws_in_the_window_is_slashed_in_full(arena: Arena) -> None:
    """All that is not locked leaves; what the claim locks stays until it has fallen."""
    stake = arena.deployment.parameters.executor_stake
    claim = arena.claim(LIAR)
    assert arena.refuses(arena.executor, calls.start_withdrawal(STAKE)) == "FreeStakeTooLow"
    arena.executor.transact(calls.start_withdrawal(STAKE - stake))
    due = arena.now + arena.deployment.parameters.withdrawal_delay
    assert arena.play(claim, PROGRAM, LyingDefender(LIAR), Challenger(HONEST)).ending == "step"
    assert account_of(arena, arena.executor.address) == (0, 0, STAKE - stake, 0)
    assert arena.executor.view("burned") == stake // 2
    assert arena.refuses(arena.executor, calls.start_withdrawal(1)) == "FreeStakeTooLow"
    arena.set_next_time(due)
    arena.executor.transact(WITHDRAW)
    assert account_of(arena, arena.executor.address) == (0, 0, 0, 0)
    arena.check_conservation()


def test_a_challenger_that_withdraws_in_its_dispute_loses_its_bond_all_the_same(arena: Arena) -> None:
    bond = arena.deployment.parameters.challenger_bond
    claim = arena.claim(HONEST)
    dispute, position = arena.challenge(claim, PROGRAM)
    assert arena.refuses(arena.challenger, calls.start_withdrawal(STAKE)) == "FreeStakeTooLow"
    arena.challenger.transact(calls.start_withdrawal(STAKE - bond))
    arena.executor.transact(calls.answer(dispute, position, Defender(HONEST).answer(position)))
    arena.set_time(max(deadline_of(arena, dispute), arena.now + arena.deployment.parameters.withdrawal_delay))
    arena.challenger.transact(calls.withdraw())
    assert account_of(arena, arena.challenger.address) == (0, bond, 0, 0), "the delay frees nothing that is locked"
    arena.stranger.transact(arena.expiry([dispute]))
    assert account_of(arena, arena.challenger.address) == (0, 0, 0, 0)
    arena.stranger.transact(calls.finalise(claim))
    assert account_of(arena, arena.executor.address) == (STAKE, 0, 0, FEE + bond)
    arena.check_conservation()


def test_stake_leaves_no_sooner_than_every_dispute_about_it_could_end(arena: Arena) -> None:
    """Claimed stake is locked until the claim is final, then waits longer than a window and both clocks."""
    parameters = arena.deployment.parameters
    stake = parameters.executor_stake
    claim = arena.claim(HONEST)
    arena.executor.transact(calls.start_withdrawal(STAKE - stake))
    window_end = arena.look().claims[claim].window_end
    arena.set_next_time(window_end)
    arena.stranger.transact(replace(calls.finalise(claim), simulated=False))
    assert account_of(arena, arena.executor.address) == (stake, 0, STAKE - stake, FEE)
    arena.executor.transact(calls.start_withdrawal(stake))
    arena.set_next_time(window_end + parameters.window + 2 * parameters.clock)
    assert arena.refuses(arena.executor, WITHDRAW) == "WithdrawalNotDue"
    arena.set_time(window_end + parameters.withdrawal_delay + 10)
    arena.executor.transact(calls.withdraw())
    assert account_of(arena, arena.executor.address) == (0, 0, 0, FEE)


def test_parameters_are_those_of_the_deployment_for_ever(arena: Arena) -> None:
    """They are in the code, which nothing changes: no function takes parameters, and no slot holds one."""
    chosen = arena.deployment.parameters
    code = arena.chain.code(arena.deployment.refute)
    fall_and_finalise(arena)
    assert Parameters(*arena.executor.view("parameters")) == chosen
    assert arena.chain.code(arena.deployment.refute) == code
    for amount in (chosen.executor_stake, chosen.challenger_bond):
        assert amount.to_bytes(32, "big") in code


def fall_and_finalise(arena: Arena) -> None:
    assert arena.play(arena.claim(LIAR), PROGRAM, LyingDefender(LIAR), Challenger(HONEST)).ending == "step"
    claim = arena.claim(HONEST)
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(calls.finalise(claim))


CREATE, CALL, CALLCODE, DELEGATECALL, CREATE2, STATICCALL, SELFDESTRUCT = 0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA, 0xFF
SLOAD, SSTORE, INVALID = 0x54, 0x55, 0xFE


def operations(code: bytes) -> list[int]:
    """Opcodes in order, without what PUSH pushes and the constants behind INVALID."""
    found, at = [], 0
    while at < len(code) and code[at] != INVALID:
        found.append(code[at])
        at += 1 + (code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)
    return found


def test_no_code_but_its_own_runs_on_the_contracts_money(arena: Arena) -> None:
    """One payment, to the caller, and questions to the rules, which hold nothing and ask nobody but each other."""
    refute = operations(arena.chain.code(arena.deployment.refute))
    for operation in (CREATE, CALLCODE, DELEGATECALL, CREATE2, SELFDESTRUCT):
        assert operation not in refute
    assert refute.count(CALL) == 1, "of Stakes._pay"
    for rules in (arena.deployment.walk, arena.deployment.referee, arena.deployment.commitments):
        held = operations(arena.chain.code(rules))
        for operation in (CREATE, CALL, CALLCODE, DELEGATECALL, CREATE2, SELFDESTRUCT, SLOAD, SSTORE):
            assert operation not in held
