"""The contract's errors in words: what each means for whoever sent the transaction, and what to do.

A *race* means that the chain moved on between our look and our transaction: look again. Anything else that a
contract refuses to an agent is the agent's own mistake.
"""

from __future__ import annotations

from typing import Any

from contracts.amounts import format_amount
from contracts.errors import ContractRefused

RACES = frozenset(
    {
        "AlreadyCancelled",
        "AlreadyChallenged",
        "AnswerNotOverdue",
        "AnswerTooLate",
        "ClaimHasFallen",
        "ClaimHasNotFallen",
        "ClaimIsFinal",
        "DisputeIsResolved",
        "DisputesUnresolved",
        "ExecutorBarred",
        "FreeStakeTooLow",
        "ModelAlreadyRegistered",
        "MoveAfterDeadline",
        "NothingExpired",
        "NothingToCollect",
        "Overtaken",
        "RequestIsOver",
        "RequestNotAccepted",
        "RequestNotOpen",
        "ReservedFor",
        "StalePosition",
        "UnknownClaim",
        "UnknownDispute",
        "UnknownRequest",
        "WindowIsOver",
        "WindowStillOpen",
    }
)

_TEXTS = {
    "AcceptanceBondIsZero": "acceptanceBond is at least 1 wei",
    "AlreadyCancelled": "the request was cancelled before",
    "AlreadyChallenged": "this account has disputed the claim before; one dispute per claim and challenger",
    "AmountIsZero": "give an amount above zero",
    "AmountTooLarge": "{0:money} is more than the contract can hold for anyone, 2^96 wei",
    "AnswerNotOverdue": "the executor still has time, until {0}",
    "AnswerPeriodIsZero": "give the executor at least a second to answer",
    "AnswerTooLate": "the answer was due before {0}",
    "BurnShareOutOfRange": "burnShare is 5,000 to 10,000 basis points",
    "ChallengerBondTooLow": "challengerBond is at least 1.25 * 5,000,000 gas * peakGasPrice",
    "ClaimExists": "the same answer was claimed in this block; claim it in a later one",
    "ClaimHasFallen": "the claim has fallen already",
    "ClaimHasNotFallen": "there is nothing to settle before the claim falls",
    "ClaimIsFinal": "the claim is final",
    "ClockTooShort": "clock is at least 12 * moveTime + layerTime",
    "DisputeIsResolved": "the dispute is over",
    "DisputesUnresolved": "{0} disputes of the claim are not over; expire or finish them first",
    "Error": "that is the reason it gave",
    "ExecutorBarred": "this account let the request lapse and may not accept it again",
    "ExecutorStakeTooLow": "executorStake is more than acceptanceBond and at least twice challengerBond",
    "FreeStakeTooLow": "the free stake is {0:money}, {1:money} are needed; deposit more or wait until some is unlocked",
    "HeadNotOfModel": "the head does not hash to the model's id",
    "InterfaceNotInHead": "the interface does not hash to what the head says",
    "InterfaceNotOfModel": "the interface is not the registered model's",
    "LayerCountOutOfRange": "{0} layers; 1 to 4,096 are allowed",
    "MalformedInterface": "the interface record breaks a rule of the protocol, section 3.5",
    "ModelAlreadyRegistered": "the model is registered already; add a place to find it instead",
    "MoveAfterDeadline": "the side to move ran out of time at {0}",
    "MoveTimeIsZero": "moveTime is at least 1 second",
    "NoCodeAt": "there is no contract at {0}",
    "NoReason": "it gave no reason; the transaction ran out of gas, or no such contract stands at the address",
    "NotTheAcceptor": "only the executor that accepted the request may answer it",
    "NotTheChallenger": "only the challenger of this dispute may make this move",
    "NotTheExecutorsOpening": "only the executor or its delegate may send or sign this opening",
    "NotTheRequester": "only its requester may cancel a request",
    "NothingExpired": "none of the disputes has run out of time",
    "NothingToCollect": "the account has no credits",
    "NothingToWithdraw": "no stake is leaving; start a withdrawal first",
    "OperatorCountOutOfRange": "{0} operators do not fit the number of layers",
    "OutputsAgree": "the posted output and the committed checkpoint are the same there",
    "Overtaken": "it failed where it was mined and would succeed now; the chain was reorganised, or others were faster",
    "Panic": "an assertion of the contract failed: that is a bug of Refute, please report it",
    "PaymentFailed": "the account does not take payments",
    "PeakGasPriceIsZero": "peakGasPrice is at least 1 wei",
    "RequestIsOver": "the request is over",
    "RequestNotAccepted": "nobody has accepted the request, or it has its answer",
    "RequestNotOpen": "another executor was faster, or the request is over",
    "ReservedFor": "only {0} may accept this request",
    "StalePosition": "the dispute has moved on",
    "StepAgrees": "the contract computes the value that the executor committed",
    "Unreadable": "its reason cannot be read; another contract may stand at the address",
    "UnknownClaim": "there is no such claim",
    "UnknownDispute": "there is no such dispute",
    "UnknownModel": "the model is not registered; publish it first",
    "UnknownRequest": "there is no such request",
    "UnsupportedVersion": "the model has version {0}; this contract takes version 1",
    "WindowIsOver": "the window to dispute the claim closed at {0}",
    "WindowStillOpen": "the claim may be disputed until {0}",
    "WindowTooShort": "window is at least moveTime + layerTime",
    "WithdrawalDelayTooShort": "withdrawalDelay is at least window + 2 * clock",
    "WithdrawalNotDue": "the stake leaves at {0}",
    "WrongHeadLength": "a model head has 74 bytes",
    "WrongNumberOfTensors": "{1} tensors were given, the model has {0}",
    "WrongTensorLength": "tensor {0} has {2} bytes, the model takes {1}",
    "WrongTraceRoot": "that is not the trace root of the claim; it is in the claim's log",
}


class _Argument:
    """An argument of an error in a text: amounts as money."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, form: str) -> str:
        if form == "money":
            return format_amount(self._value)
        return "0x" + self._value.hex() if isinstance(self._value, bytes) else str(self._value)


def refusal(name: str, arguments: tuple[Any, ...]) -> ContractRefused:
    """The error of a refusal, with its meaning in words."""
    text = _TEXTS.get(name, "the move breaks this rule of the protocol" if name != "Unknown" else "")
    return ContractRefused(name, arguments, text.format(*map(_Argument, arguments)))


def is_race(error: ContractRefused) -> bool:
    return error.name in RACES
