// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Rules that an operator or layer record can break (protocol, sections 3.1 to 3.5).
/// The names are those of the loader's rules.
interface RecordErrors {
    error RecordTruncated();
    error RecordTooLong();
    error UnknownOpcode();
    error UnknownDType();
    error UnknownSource();
    error UnusedFieldNotZero();
    error WrongAxes();
    error WrongReducedAxes();
    error EmptyAxis();
    error TensorTooLarge();
    error TooManyTerms();
    error WrongClamp();
    error ShiftTooLarge();
    error ExponentTooLarge();
    error WrongPlaceAxis();
    error ImmediateNotAllowed();
    error EmptyTensor();
    error NoSuchInput();
    error OperandNotEarlier();
    error NoSuchSlot();
    error TableTooLarge();
    error ViewOutsideTensor();
    error WrongOperatorCount();
    error LayerWithoutOutputs();
    error WrongLayerOutputs();
}

/// Rules that a move can break (sections 7.2 to 7.4). The names are those of the game's rules.
interface MoveErrors {
    error WrongPhase();
    error WrongGround();
    error NotWhatWasOpened();
    error WrongNodes();
    error NoSuchChild();
    error WrongLayerPath();
    error WrongRootCount();
    error WrongSlots();
    error WrongRecordPath();
    error RecordIsValid();
    error WrongChunkLength();
    error WrongRecord();
    error NoSuchElement();
    error WrongValuesLength();
    error ValuesDoNotCombine();
    error WrongFactor();
    error NoSuchFactor();
    error OpeningHolds();
    error NoSuchRange();
    error NothingToShow();
    error StepAgrees();
    error WrongOpeningCount();
    error UnreadOpening();
    error WrongPostedList();
    error WrongInputLength();
    error WrongChunkPath();
    error WrongTensorPath();
    error WrongHeadLength();
    error NoSuchOutput();
    error NoSuchChunk();
    error OutputsAgree();
}

/// Everything about money, time and authority.
interface Errors is RecordErrors, MoveErrors {
    // deployment (section 5)
    error WindowTooShort();
    error ClockTooShort();
    error MoveTimeIsZero();
    error WithdrawalDelayTooShort();
    error ExecutorStakeTooLow();
    error ChallengerBondTooLow();
    error AcceptanceBondIsZero();
    error PeakGasPriceIsZero();
    error BurnShareOutOfRange();
    error NoCodeAt(address rules);

    // models
    error UnsupportedVersion(uint256 version);
    error LayerCountOutOfRange(uint256 layers);
    error OperatorCountOutOfRange(uint256 operators);
    error MalformedInterface();
    error InterfaceNotInHead();
    error InterfaceNotOfModel();
    error ModelAlreadyRegistered(bytes32 model);
    error UnknownModel(bytes32 model);
    error HeadNotOfModel();

    // stakes
    error FreeStakeTooLow(uint256 free, uint256 needed);
    error NothingToWithdraw();
    error WithdrawalNotDue(uint64 due);
    error NothingToCollect();
    error AmountIsZero();
    error AmountTooLarge(uint256 amount);
    error PaymentFailed();

    // requests
    error UnknownRequest(bytes32 request);
    error WrongNumberOfTensors(uint256 expected, uint256 given);
    error WrongTensorLength(uint256 tensor, uint256 expected, uint256 given);
    error AnswerPeriodIsZero();
    error RequestNotOpen();
    error RequestNotAccepted();
    error RequestIsOver();
    error ReservedFor(address only);
    error ExecutorBarred();
    error NotTheRequester();
    error AlreadyCancelled();
    error AnswerNotOverdue(uint64 deadline);

    // claims
    error NotTheAcceptor();
    error AnswerTooLate(uint64 deadline);
    error ClaimExists();
    error UnknownClaim(bytes32 claim);
    error ClaimIsFinal();
    error ClaimHasFallen();
    error ClaimHasNotFallen();
    error WindowStillOpen(uint64 end);
    error WindowIsOver(uint64 end);
    error DisputesUnresolved(uint256 disputes);

    // disputes
    error WrongTraceRoot();
    error AlreadyChallenged(bytes32 dispute);
    error UnknownDispute(bytes32 dispute);
    error DisputeIsResolved();
    error StalePosition(bytes32 current);
    error MoveAfterDeadline(uint64 deadline);
    error NotTheChallenger();
    error NotTheExecutorsOpening();
    error NothingExpired();
}
