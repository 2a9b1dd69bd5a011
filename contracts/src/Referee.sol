// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Elements} from "./Elements.sol";
import {MoveErrors} from "./Errors.sol";
import {Heads} from "./Heads.sol";
import {Interface, Interfaces, Output} from "./Interfaces.sol";
import {Openings, Table} from "./Openings.sol";
import {Opening, Phase, Position} from "./Positions.sol";
import {Posted} from "./Posted.sol";
import {Operator, Records} from "./Records.sol";
import {Terms} from "./Terms.sol";
import {Trees} from "./Trees.sol";
import {Views} from "./Views.sol";

/// What a proof of a differing output is about: it holds for a claim with these commitments only.
struct Seam {
    bytes32 model;
    bytes32 interfaceHash;
    bytes32 outputs;
    bytes32 traceRoot;
}

/// The end of the walk (protocol, section 7.2, phases 8 to 11): from a chunk to one element, through the terms of
/// long sums, to the step that computes it. Pure, like `Walk`, and called in the same way.
contract Referee {
    using Elements for Table;
    using Openings for Table;
    using Records for Operator;

    uint256 private constant CHUNK = 1024;

    function pickElement(
        bytes32,
        Position memory position,
        bytes calldata record,
        bytes calldata chunk,
        uint256 item
    ) external pure returns (Position memory) {
        _require(position, Phase.ELEMENT_PICK);
        _requireOpened(position, chunk);
        Operator memory op = _operator(position, record);
        if (item >= chunk.length / op.size) revert MoveErrors.NoSuchElement();
        uint256 bits;
        for (uint256 i = op.size; i > 0; --i) bits = bits << 8 | uint8(chunk[item * op.size + i - 1]);
        uint256 top = op.size - 1;
        int256 value;
        assembly ("memory-safe") {
            value := signextend(top, bits)
        }
        position.element = uint64(position.start * (CHUNK / op.size) + item);
        position.value = int64(value);
        position.start = 0;
        position.count = uint64(op.terms());
        position.node = 0;
        position.opened = 0;
        return _descend(position, op);
    }

    function openTerms(
        bytes32,
        Position memory position,
        bytes calldata record,
        bytes calldata values,
        Opening[] calldata finish,
        bytes calldata
    ) external pure returns (Position memory) {
        _require(position, Phase.TERMS_OPEN);
        Operator memory op = _operator(position, record);
        if (values.length != _ranges(position) * Terms.entrySize(op)) revert MoveErrors.WrongValuesLength();
        _requireCombined(position, op, values, finish);
        position.phase = Phase.TERMS_PICK;
        position.opened = keccak256(values);
        return position;
    }

    function pickTerms(
        bytes32,
        Position memory position,
        bytes calldata record,
        bytes calldata values,
        uint256 choice
    ) external pure returns (Position memory) {
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
        return _descend(position, op);
    }

    /// Returns if the opened operands give another value than the committed one; reverts in every other case, so
    /// that no failure can be taken for a verdict.
    function step(bytes32, Position memory position, bytes calldata record, Opening[] calldata operands)
        external
        pure
    {
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

    /// Returns what a proof that an output differs from its checkpoint is about; reverts if it proves nothing.
    /// The caller compares every field with the claim.
    /// INVARIANT: [inv 4] the last checkpoint is bound to the posted output.
    function proveOutput(
        bytes32,
        bytes calldata head,
        bytes calldata interface_,
        uint256 number,
        uint256 chunk,
        Opening calldata posted,
        Opening calldata committed
    ) external pure returns (Seam memory seam) {
        if (head.length != Heads.SIZE) revert MoveErrors.WrongHeadLength();
        seam.model = Heads.modelId(head);
        seam.interfaceHash = keccak256(interface_);
        seam.outputs = keccak256(posted.posted);
        Output memory output = _output(interface_, number);
        if (chunk >= Posted.chunks(output.length)) revert MoveErrors.NoSuchChunk();
        Openings.checkLength(posted, output.length, chunk);
        Openings.checkLength(committed, output.length, chunk);
        Openings.checkPosted(posted, number, output.length, chunk);
        uint256 layers = Heads.decode(head).layers;
        seam.traceRoot = Openings.checkpointTop(committed, layers, output.layer, output.slot, output.slots);
        Openings.checkChunk(committed, committed.root, output.length, chunk);
        if (keccak256(posted.chunk) == keccak256(committed.chunk)) revert MoveErrors.OutputsAgree();
    }

    function _output(bytes calldata interface_, uint256 number) private pure returns (Output memory) {
        (Interface memory declared,) = Interfaces.decode(interface_);
        if (number >= declared.outputs.length) revert MoveErrors.NoSuchOutput();
        return declared.outputs[number];
    }

    /// Sub-ranges of the range in dispute.
    function _ranges(Position memory position) private pure returns (uint256) {
        uint256 size = Views.subRangeSize(position.count);
        return (position.count + size - 1) / size;
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
    function _descend(Position memory position, Operator memory op) private pure returns (Position memory) {
        bool wide = Views.isWide(op, position.element, position.start, position.count);
        position.phase = wide ? Phase.TERMS_OPEN : Phase.STEP;
        return position;
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
