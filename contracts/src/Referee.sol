// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Elements} from "./Elements.sol";
import {MoveErrors} from "./Errors.sol";
import {Openings, Table} from "./Openings.sol";
import {Ground, Opening, Phase, Position, Positions} from "./Positions.sol";
import {Operator, Records} from "./Records.sol";
import {Terms} from "./Terms.sol";
import {Trees} from "./Trees.sol";
import {Views} from "./Views.sol";

/// Where the walk ends in arithmetic (protocol, section 7.2): the step, and a factor of a long sum that was stated
/// wrong. Pure, like `Walk`, and called in the same way. Each function returns if the executor is refuted and reverts in
/// every other case, so that no failure can be taken for a verdict.
contract Referee {
    using Elements for Table;
    using Openings for Table;
    using Records for Operator;

    /// Operands that a range of terms reads, and all that an operator can have.
    uint256 private constant TERM_OPERANDS = 2;
    uint256 private constant ALL = 4;

    /// The opened operands give another value than the committed one.
    function step(
        bytes32,
        bytes32[8] calldata from,
        Ground calldata given,
        bytes calldata record,
        Opening[] calldata operands
    ) external pure {
        Position memory position = Positions.read(from, Phase.STEP);
        Operator memory op = _operator(position, record, TERM_OPERANDS);
        bool whole = position.start == 0 && position.count == op.terms();
        if (whole) op = _operator(position, record, ALL);
        if (operands.length != op.operands.length) revert MoveErrors.WrongOpeningCount();
        Ground memory ground = Positions.requireGround(position.ground, given);
        Table memory table = Openings.lay(ground, position, op, 0, operands);
        int256 value;
        uint256 index;
        if (whole) {
            value = table.element(position.element);
        } else {
            (value, index) = table.partialValue(position.element, position.start, position.count);
        }
        table.finish();
        if (value == position.value && index == position.index) revert MoveErrors.StepAgrees();
    }

    /// m (number 0) or c (1) is not what was stated with the partial values: its operand is opened.
    function refuteFactor(
        bytes32,
        bytes32[8] calldata from,
        Ground calldata given,
        bytes calldata record,
        bytes calldata values,
        uint256 number,
        Opening[] calldata operand
    ) external pure {
        Position memory position = Positions.read(from, Phase.TERMS_PICK);
        if (keccak256(values) != position.opened) revert MoveErrors.NotWhatWasOpened();
        Operator memory op = _operator(position, record, ALL);
        bool whole = position.start == 0 && position.count == op.terms();
        if (number > 1 || Terms.factorsSize(op, whole) == 0) revert MoveErrors.NoSuchFactor();
        if (operand.length != 1) revert MoveErrors.WrongOpeningCount();
        Ground memory ground = Positions.requireGround(position.ground, given);
        Table memory table = Openings.lay(ground, position, op, 2 + number, operand);
        int256 value = table.fetch(2 + number, Views.outputCoordinates(op, position.element));
        table.finish();
        if (value == Terms.factor(values, number)) revert MoveErrors.OpeningHolds();
    }

    /// The operator in dispute; its record was found valid when it was picked.
    /// `operands`: how many of its operands are needed.
    function _operator(Position memory position, bytes calldata record, uint256 operands)
        private
        pure
        returns (Operator memory op)
    {
        if (Trees.leaf(record) != position.records) revert MoveErrors.WrongRecord();
        (op,) = Records.decode(record, operands);
    }
}
