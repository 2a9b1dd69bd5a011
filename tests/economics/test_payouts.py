"""What the formulas say the contract pays, beside what it pays: real disputes on eth-tester, to the wei."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import calls
from contracts.abi import artifact
from contracts.client import Client
from contracts.deployment import DEVNET_PARAMETERS, Parameters
from contracts.ledger import first_position
from deploy.economics import payouts
from deploy.economics.gas import EXPIRE_EACH, EXPIRE_FIRST, TARIFF, tariff
from prover.game.adversaries import LyingDefender
from prover.game.players import Challenger, Defender
from prover.game.position import Phase, Side
from tests.game.arena import FEE, Arena
from tests.game.walks import HONEST, LIAR, PROGRAM
from tests.model import ledger

MOVES = {
    Phase.TRACE_PICK: "pickTrace",
    Phase.OPERATOR_PICK: "pickOperator",
    Phase.TENSOR_PICK: "pickTensor",
    Phase.ELEMENT_PICK: "pickElement",
    Phase.TERMS_PICK: "pickTerms",
    Phase.STEP: "step",
}
CHEAP = replace(
    DEVNET_PARAMETERS,
    executor_stake=12_500_000 * 10**9 // 5,
    challenger_bond=6_250_000 * 10**9 // 5,
    acceptance_bond=1,
    peak_gas_price=10**9 // 5,
    burn_share=9_900,
)
"""Gas at a fifth of a gwei, which is less than the base fee of the first challenge, and a pot that it exhausts."""


def tariff_of(arena: Arena, claim: bytes, client: Client) -> int:
    dispute = arena.executor.view("disputeId", claim, client.address)
    return int(arena.by_name("disputeOf", dispute)[""]["standing"]["tariff"])


def base_fees(arena: Arena, client: Client) -> list[int]:
    """Of the blocks in which the client challenged, picked and won."""
    last = arena.chain.block().number
    fees = []
    for log in arena.chain.logs(arena.deployment.refute, arena.deployment.block, last):
        event = client.decode(log)
        if event is None or event.name not in ("Challenged", "Moved", "Fallen"):
            continue
        if client.address in (event.arguments.get("challenger"), event.arguments.get("mover")):
            fees.append(arena.chain.block(log["blockNumber"]).base_fee)
    return fees


@pytest.mark.parametrize(
    "parameters",
    [DEVNET_PARAMETERS, replace(DEVNET_PARAMETERS, burn_share=7_777), CHEAP],
    ids=["half", "more", "short"],
)
def test_a_fallen_claims_stake_goes_where_the_formula_says(parameters: Parameters) -> None:
    arena = Arena(parameters)
    claim = arena.claim(LIAR)
    arena.challenge(claim, PROGRAM, by=arena.other)
    walked = arena.play(claim, PROGRAM, LyingDefender(LIAR), Challenger(HONEST))
    assert walked.ending == "step"
    moves = ["challenge", *(MOVES[phase] for phase in walked.phases if phase.side is Side.CHALLENGER)]
    winner, standing = arena.challenger, arena.other
    owed = tariff(moves, base_fees(arena, winner), parameters.peak_gas_price)
    bystanders = tariff(["challenge"], base_fees(arena, standing), parameters.peak_gas_price)
    capped = max(base_fees(arena, standing)) > parameters.peak_gas_price
    assert bystanders == tariff_of(arena, claim, standing) > 0
    assert owed == tariff_of(arena, claim, winner)
    arena.other.transact(
        calls.settle(arena.look().disputes[arena.executor.view("disputeId", claim, standing.address)].party)
    )
    expected = payouts.fall(parameters.executor_stake, parameters.burn_share, [owed, bystanders], winner=0)
    assert (arena.credits(winner), arena.credits(standing)) == expected.paid
    assert arena.executor.view("burned") == expected.burned
    assert sum(expected.paid) + expected.burned == parameters.executor_stake
    assert expected.burned >= payouts.burned(parameters.executor_stake, parameters.burn_share)
    short = owed + bystanders > payouts.pot(parameters.executor_stake, parameters.burn_share)
    assert short == capped == (parameters is CHEAP), "of the three, only this pot is too small, and its gas too dear"


def test_a_defended_claim_pays_fee_and_bonds_and_its_gas_is_what_the_formula_says() -> None:
    arena = Arena()
    claim, disputes = arena.claim(HONEST), []
    for client in (arena.challenger, arena.other):
        done = client.transact(arena.challenging(claim, PROGRAM))
        position = first_position(done.event("Challenged").arguments)
        disputes.append(done.event("Challenged").arguments["dispute"])
        arena.executor.transact(calls.answer(disputes[-1], position, Defender(HONEST).answer(position)))
    arena.pass_time(arena.deployment.parameters.clock)
    gas = arena.executor.transact(arena.expiry(disputes)).gas
    assert gas <= EXPIRE_FIRST + 2 * EXPIRE_EACH <= 1.05 * gas
    arena.pass_time(arena.deployment.parameters.window)
    arena.stranger.transact(calls.finalise(claim))
    bond = arena.deployment.parameters.challenger_bond
    assert arena.credits(arena.executor) == payouts.finalised(FEE, lost=2, bond=bond)


def test_tariffs_are_the_protocols() -> None:
    """The model of the contracts, which agrees with them to the wei (tests/model), was written from the protocol."""
    units = {
        "pickTrace": ledger.NODE_UNITS,
        "pickTensor": ledger.NODE_UNITS,
        "challenge": ledger.CHALLENGE_UNITS,
        "challengeAt": ledger.CHALLENGE_UNITS,
        **dict.fromkeys(("pickOperator", "pickElement", "pickTerms"), ledger.PICK_UNITS),
    }
    assert {move: units.get(move, ledger.PROOF_UNITS) for move in TARIFF} == TARIFF
    functions = {entry["name"] for entry in artifact("Refute").abi if entry["type"] == "function"}
    assert set(TARIFF) <= functions


@pytest.mark.parametrize("burns", [0, 1, 10**18, 10**18 + 1, 7])
@pytest.mark.parametrize("burn_share", [5_000, 5_001, 9_999, 10_000])
def test_the_least_stake_burns_enough_and_a_wei_less_does_not(burns: int, burn_share: int) -> None:
    stake = payouts.least_stake(burns, burn_share)
    assert payouts.burned(stake, burn_share) >= burns
    assert stake == 0 or payouts.burned(stake - 1, burn_share) < burns
