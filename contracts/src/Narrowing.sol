// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Commitments} from "./Commitments.sol";
import {Errors, MoveErrors} from "./Errors.sol";
import {Phase, Position, Positions} from "./Positions.sol";
import {Posted} from "./Posted.sol";
import "./Records.sol";
import {Rows} from "./Rows.sol";
import {Terms} from "./Terms.sol";
import {Trees} from "./Trees.sol";
import {Views} from "./Views.sol";

/// The lower half of the walk (protocol, section 7.2, phases 8 to 10): from a chunk to one element, and through the
/// terms of long sums.
abstract contract Narrowing {
    using Positions for Position;
    using Records for Operator;

    uint256 private constant CHUNK = 1024;
    /// Operands that tell whether a range is wide, and all that an operator can have.
    uint256 private constant WALKED = 2;
    uint256 private constant MOST = 4;

    Commitments private immutable _commitments;

    constructor(Commitments commitments_) {
        if (address(commitments_).code.length == 0) revert Errors.NoCodeAt(address(commitments_));
        _commitments = commitments_;
    }

    function pickElement(
        bytes32,
        bytes32[8] calldata from,
        bytes calldata record,
        bytes calldata chunk,
        uint256 item
    ) external pure returns (bytes32[8] memory) {
        unchecked {
            Position memory position = Positions.read(from, Phase.ELEMENT_PICK);
            _requireOpened(position, chunk);
            Operator memory op = _operator(position, record, WALKED);
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

    /// What m and c are is only stated; whoever states another than the committed one loses to `refuteFactor`.
    function openTerms(
        bytes32,
        bytes32[8] calldata from,
        bytes calldata record,
        bytes calldata values,
        bytes calldata
    ) external pure returns (bytes32[8] memory) {
        Position memory position = Positions.read(from, Phase.TERMS_OPEN);
        Operator memory op = _operator(position, record, MOST);
        bool whole = position.start == 0 && position.count == op.terms();
        uint256 length = _ranges(position) * Terms.entrySize(op);
        if (values.length != length + Terms.factorsSize(op, whole)) revert MoveErrors.WrongValuesLength();
        (int256 value, uint256 index) = Terms.combine(op, values[:length]);
        if (whole) (value, index) = (_finish(op, value, index, values), 0);
        if (value != position.value || index != position.index) revert MoveErrors.ValuesDoNotCombine();
        position.phase = Phase.TERMS_PICK;
        position.opened = keccak256(values);
        position.give();
    }

    /// `shown`, or nothing: the chaining value of the chunk of b in which the range lies, and its path. Then the step,
    /// which hashes the other operand, need not hash it.
    function pickTerms(
        bytes32,
        bytes32[8] calldata from,
        bytes calldata record,
        bytes calldata values,
        uint256 choice,
        bytes32[] calldata shown
    ) external view returns (bytes32[8] memory) {
        unchecked {
            Position memory position = Positions.read(from, Phase.TERMS_PICK);
            _requireOpened(position, values);
            Operator memory op = _operator(position, record, WALKED);
            if (choice >= _ranges(position)) revert MoveErrors.NoSuchRange();
            uint256 size = Views.subRangeSize(position.count);
            uint256 left = position.count - choice * size;
            position.start += uint64(choice * size);
            position.count = uint64(left < size ? left : size);
            position.opened = 0;
            (position.value, position.index) = Terms.entry(op, values, choice);
            _descend(position, op);
            if (shown.length > 0) position.node = _show(position, op, shown);
            position.give();
        }
    }

    /// What the step compares b's chunk and root with. Whether the root is b's is for the step to say.
    function _show(Position memory position, Operator memory op, bytes32[] calldata shown)
        private
        view
        returns (bytes32)
    {
        if (position.phase != Phase.STEP || op.operands.length < WALKED) revert MoveErrors.NothingToShow();
        Operand memory b = op.operands[1];
        if (b.source == IMMEDIATE || b.source == INPUT) revert MoveErrors.NothingToShow();
        uint256 count = Posted.chunks(b.numel * b.size);
        uint256 chunk = Views.chunkOfRange(op, 1, position.element, position.start);
        if (shown.length != 1 + Trees.pathLength(count, chunk)) revert MoveErrors.WrongChunkPath();
        return Trees.node(shown[0], _commitments.rootAbove(shown[0], count, chunk, shown[1:]));
    }

    /// Sub-ranges of the range in dispute.
    function _ranges(Position memory position) private pure returns (uint256) {
        unchecked {
            uint256 size = Views.subRangeSize(position.count);
            return (position.count + size - 1) / size;
        }
    }

    /// The element from the value of all its terms, with m and c as stated; immediates are stated as they are.
    function _finish(Operator memory op, int256 value, uint256 index, bytes calldata values)
        private
        pure
        returns (int256)
    {
        int256[2] memory factors;
        for (uint256 i = 0; i < 2 && op.opcode == DOT; ++i) {
            factors[i] = Terms.factor(values, i);
            Operand memory operand = op.operands[2 + i];
            if (operand.source == IMMEDIATE && operand.value != factors[i]) revert MoveErrors.WrongFactor();
        }
        return Terms.finish(op, value, index, factors[0], factors[1]);
    }

    /// Phase 9 or 11, by whether the range of terms is wide.
    function _descend(Position memory position, Operator memory op) private pure {
        bool wide = Views.isWide(op, position.element, position.start, position.count);
        position.phase = wide ? Phase.TERMS_OPEN : Phase.STEP;
    }

    function _requireOpened(Position memory position, bytes calldata content) private pure {
        if (keccak256(content) != position.opened) revert MoveErrors.NotWhatWasOpened();
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
