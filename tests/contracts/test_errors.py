"""Every error that the contracts declare is reached by a test, which this table names, and used by a contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contracts.compile import SOURCES
from tests.contracts.machine import machine

ROOT = Path(__file__).resolve().parents[2]
DECLARED = sorted(entry["name"] for entry in machine("Harness").artifact_errors())

REACHED: dict[str, dict[str, list[str]]] = {
    "contracts/test/Games.t.sol": {
        "test_a_move_that_needs_the_ground_carries_the_disputes_own": ["WrongGround"],
        "test_an_answer_that_fell_is_not_claimed_again_in_its_block": ["ClaimExists"],
    },
    "contracts/test/Refusals.t.sol": {
        "test_a_dispute_is_settled_only_when_its_claim_has_fallen": ["ClaimHasNotFallen"],
        "test_a_head_of_another_length": ["WrongHeadLength"],
        "test_a_malformed_interface": ["MalformedInterface"],
        "test_a_payment_that_fails": ["PaymentFailed"],
        "test_a_proof_of_an_output_that_there_is_not": ["NoSuchOutput", "NoSuchChunk"],
        "test_a_proof_with_another_posted_list": ["WrongInputLength"],
        "test_a_request_cancelled_twice": ["AlreadyCancelled"],
        "test_an_interface_that_is_not_in_the_head": ["InterfaceNotInHead"],
        "test_another_version": ["UnsupportedVersion"],
        "test_no_time_to_answer": ["AnswerPeriodIsZero"],
        "test_numbers_of_layers": ["LayerCountOutOfRange"],
        "test_numbers_of_operators": ["OperatorCountOutOfRange"],
        "test_rules_without_code": ["NoCodeAt"],
        "test_the_interface_of_another_model": ["InterfaceNotOfModel"],
    },
    "contracts/test/Steps.t.sol": {"test_every_step_agrees_with_the_specification": ["StepAgrees"]},
    "tests/commands/test_bad_input.py": {
        "test_a_model_is_registered_once": ["ModelAlreadyRegistered"],
        "test_a_model_that_nobody_registered_cannot_be_asked_for": ["UnknownModel"],
        "test_only_its_requester_cancels_a_request_and_only_once": ["RequestIsOver"],
    },
    "tests/contracts/test_deployment.py": {
        "test_parameters_that_break_a_relation_are_refused_by_its_name": [
            "WindowTooShort",
            "ClockTooShort",
            "MoveTimeIsZero",
            "WithdrawalDelayTooShort",
            "ExecutorStakeTooLow",
            "ChallengerBondTooLow",
            "AcceptanceBondIsZero",
            "PeakGasPriceIsZero",
            "BurnShareOutOfRange",
        ]
    },
    "tests/contracts/test_moves.py": {"test_a_valid_record_cannot_be_refuted": ["RecordIsValid"]},
    "tests/contracts/test_records.py": {
        "test_each_rule_is_refused_by_its_name": [
            "RecordTruncated",
            "RecordTooLong",
            "UnknownOpcode",
            "UnknownDType",
            "UnknownSource",
            "UnusedFieldNotZero",
            "WrongAxes",
            "WrongReducedAxes",
            "EmptyAxis",
            "TensorTooLarge",
            "TooManyTerms",
            "ShiftTooLarge",
            "ExponentTooLarge",
            "WrongPlaceAxis",
            "ImmediateNotAllowed",
            "EmptyTensor",
            "NoSuchInput",
            "OperandNotEarlier",
            "NoSuchSlot",
            "TableTooLarge",
            "ViewOutsideTensor",
        ],
        "test_each_rule_of_a_layer_record": ["WrongOperatorCount", "LayerWithoutOutputs", "WrongLayerOutputs"],
    },
    "tests/game/test_invariants.py": {
        "test_invariant_10_half_is_burned_and_every_standing_dispute_is_paid_for_its_moves": ["ClaimHasFallen"],
        "test_invariant_13_no_function_belongs_to_anyone": ["NotTheRequester"],
        "test_invariant_4_an_output_that_is_not_the_last_checkpoint_falls_in_one_transaction": ["OutputsAgree"],
        "test_invariant_4_proofs_about_another_claim_are_refused": [
            "WrongPostedList",
            "WrongTensorPath",
            "WrongTraceRoot",
        ],
        "test_invariant_5_an_unbound_opening_counts_only_from_the_executor_or_its_delegate": ["NotTheExecutorsOpening"],
        "test_invariant_7_nothing_is_missing_because_its_hash_is_zero": [
            "UnknownRequest",
            "UnknownClaim",
            "UnknownDispute",
        ],
        "test_invariant_9_no_wei_appears_or_vanishes": ["WithdrawalNotDue", "ExecutorBarred"],
    },
    "tests/game/test_picks_and_programs.py": {
        "test_a_program_that_breaks_a_rule_falls_when_it_is_opened": ["WrongClamp"],
    },
    "tests/game/test_refusals_on_chain.py": {
        "test_a_claim_is_challenged_once_by_each_and_only_in_its_window": [
            "HeadNotOfModel",
            "FreeStakeTooLow",
            "WindowStillOpen",
            "WindowIsOver",
            "DisputesUnresolved",
            "AlreadyChallenged",
        ],
        "test_a_final_claim_is_final": ["ClaimIsFinal"],
        "test_a_request_has_one_acceptor_and_one_claim": ["RequestNotOpen", "RequestNotAccepted", "NotTheAcceptor"],
        "test_a_side_that_is_not_to_move_cannot": ["WrongPhase", "StalePosition", "NotTheChallenger"],
        "test_an_answer_has_the_declared_form_and_is_in_time": [
            "WrongNumberOfTensors",
            "WrongTensorLength",
            "AnswerNotOverdue",
            "AnswerTooLate",
        ],
        "test_locked_stake_neither_leaves_nor_is_locked_twice": [
            "NothingToWithdraw",
            "NothingToCollect",
            "AmountIsZero",
            "ReservedFor",
        ],
        "test_no_move_counts_from_the_deadline_on_nor_after_the_end": [
            "DisputeIsResolved",
            "MoveAfterDeadline",
            "NothingExpired",
        ],
    },
    "tests/game/test_what_is_kept.py": {
        "test_amounts_that_no_account_can_hold_are_refused_by_name": ["AmountTooLarge"]
    },
    "tests/game/test_shown_paths.py": {"test_what_has_no_place_is_refused_by_name": ["NothingToShow"]},
    "tests/game/test_wrong_moves_on_chain.py": {
        "test_wrong_moves_are_refused_by_name_at_every_level": [
            "NotWhatWasOpened",
            "WrongNodes",
            "NoSuchChild",
            "WrongLayerPath",
            "WrongRootCount",
            "WrongSlots",
            "WrongRecordPath",
            "WrongChunkLength",
            "WrongRecord",
            "NoSuchElement",
            "OpeningHolds",
            "WrongValuesLength",
            "ValuesDoNotCombine",
            "WrongFactor",
            "NoSuchFactor",
            "NoSuchRange",
            "WrongOpeningCount",
            "UnreadOpening",
            "WrongChunkPath",
        ]
    },
}
"""By file and test, the errors by whose names it expects a refusal."""
TESTS = [(file, test) for file, tests in REACHED.items() for test in tests]


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"\w+", path.read_text()))


def test_every_error_is_in_the_table_once() -> None:
    assert sorted(name for tests in REACHED.values() for names in tests.values() for name in names) == DECLARED


@pytest.mark.parametrize(("file", "test"), TESTS)
def test_the_test_exists_and_names_its_errors(file: str, test: str) -> None:
    assert re.search(rf"(def|function) {test}\(", (ROOT / file).read_text())
    assert set(REACHED[file][test]) <= names_in(ROOT / file)


def test_no_error_is_declared_that_no_contract_uses() -> None:
    sources = [path for path in SOURCES.glob("*.sol") if path.name != "Errors.sol"]
    used = set().union(*map(names_in, sources))
    assert [name for name in DECLARED if name not in used] == []
