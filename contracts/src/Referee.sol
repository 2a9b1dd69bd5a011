// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Elements} from "./Elements.sol";
import {MoveErrors} from "./Errors.sol";
import {Openings, Table} from "./Openings.sol";
import {Opening, Phase, Position, Positions} from "./Positions.sol";
import {Operator, Records} from "./Records.sol";
import {Rows} from "./Rows.sol";
import {Terms} from "./Terms.sol";
import {Trees} from "./Trees.sol";
import {Views} from "./Views.sol";

/// The end of the walk (protocol, section 7.2, phases 8 to 11): from a chunk to one element, through the terms of
/// long sums, to the step that computes it. Pure, like `Walk`, and called in the same way.
contract Referee {
    using Elements for Table;
    using Openings for Table;
    using Positions for Position;
    using Records for Operator;

    uint256 private constant CHUNK = 1024;

    function pickElement(
        bytes32,
        Position calldata from,
        bytes calldata record,
        bytes calldata chunk,
        uint256 item
    ) external pure returns (bytes32[19] memory) {
        unchecked {
            Position memory position = Positions.read(from);
            _require(position, Phase.ELEMENT_PICK);
            _requireOpened(position, chunk);
            Operator memory op = _operator(position, record);
            if (item >= chunk.length / op.size) revert MoveErrors.NoSuchElement();
            uint256 place;
            assembly ("memory-safe") {
                place := chunk.offset
            }
            int256 value = Rows.element(place + item * op.size, op.size);
            position.element = uint64(position.start * (CHUNK / op.size) + item);
            position.value = int64(value);
            position.start = 0;
            position.count = uint64(op.terms());
            position.node = 0;
            position.opened = 0;
            _descend(position, op);
            position.give();
        }
    }

    function openTerms(
        bytes32,
        Position calldata from,
        bytes calldata record,
        bytes calldata values,
        Opening[] calldata finish,
        bytes calldata
    ) external pure returns (bytes32[19] memory) {
        Position memory position = Positions.read(from);
        _require(position, Phase.TERMS_OPEN);
        Operator memory op = _operator(position, record);
        if (values.length != _ranges(position) * Terms.entrySize(op)) revert MoveErrors.WrongValuesLength();
        _requireCombined(position, op, values, finish);
        position.phase = Phase.TERMS_PICK;
        position.opened = keccak256(values);
        position.give();
    }

    function pickTerms(
        bytes32,
        Position calldata from,
        bytes calldata record,
        bytes calldata values,
        uint256 choice
    ) external pure returns (bytes32[19] memory) {
        unchecked {
            Position memory position = Positions.read(from);
            _require(position, Phase.TERMS_PICK);
            _requireOpened(position, values);
            Operator memory op = _operator(position, record);
            if (choice >= _ranges(position)) revert MoveErrors.NoSuchRange();
            uint256 size = Views.subRangeSize(position.count);
            uint256 left = position.count - choice * size;
            position.start += uint64(choice * size);
            position.count = uint64(left < size ? left : size);
            position.opened = 0;
            (position.value, position.index) = Terms.entry(op, values, choice);
            _descend(position, op);
            position.give();
        }
    }

    /// Returns if the opened operands give another value than the committed one; reverts in every other case, so
    /// that no failure can be taken for a verdict.
    function step(bytes32, Position calldata from, bytes calldata record, Opening[] calldata operands)
        external
        pure
    {
        Position memory position = Positions.read(from);
        _require(position, Phase.STEP);
        Operator memory op = _operator(position, record);
        if (operands.length != op.operands.length) revert MoveErrors.WrongOpeningCount();
        Table memory table = Openings.lay(position, op, 0, operands);
        int256 value;
        uint256 index;
        if (position.start == 0 && position.count == op.terms()) {
            value = table.element(position.element);
        } else {
            (value, index) = table.partialValue(position.element, position.start, position.count);
        }
        table.finish();
        if (value == position.value && index == position.index) revert MoveErrors.StepAgrees();
    }

    /// Sub-ranges of the range in dispute.
    function _ranges(Position memory position) private pure returns (uint256) {
        unchecked {
            uint256 size = Views.subRangeSize(position.count);
            return (position.count + size - 1) / size;
        }
    }

    /// Reverts unless the opened values combine to the value in dispute, through the finish if they are all terms.
    function _requireCombined(
        Position memory position,
        Operator memory op,
        bytes calldata values,
        Opening[] calldata finish
    ) private pure {
        if (finish.length != 2) revert MoveErrors.WrongOpeningCount();
        (int256 value, uint256 index) = Terms.combine(op, values);
        Table memory table = Openings.lay(position, op, 2, finish);
        if (position.start == 0 && position.count == op.terms()) {
            value = table.finish(position.element, value, index);
            index = 0;
        }
        if (value != position.value || index != position.index) revert MoveErrors.ValuesDoNotCombine();
        table.finish();
    }

    /// Phase 9 or 11, by whether the range of terms is wide.
    function _descend(Position memory position, Operator memory op) private pure {
        bool wide = Views.isWide(op, position.element, position.start, position.count);
        position.phase = wide ? Phase.TERMS_OPEN : Phase.STEP;
    }

    function _require(Position memory position, uint8 phase) private pure {
        if (position.phase != phase) revert MoveErrors.WrongPhase();
    }

    function _requireOpened(Position memory position, bytes calldata content) private pure {
        if (keccak256(content) != position.opened) revert MoveErrors.NotWhatWasOpened();
    }

    /// The operator in dispute; its record was found valid when it was picked.
    function _operator(Position memory position, bytes calldata record) private pure returns (Operator memory op) {
        if (Trees.leaf(record) != position.record) revert MoveErrors.WrongRecord();
        (op,) = Records.decode(record);
    }
}
