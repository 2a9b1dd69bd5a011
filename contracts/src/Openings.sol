// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Blake3} from "./Blake3.sol";
import {MoveErrors} from "./Errors.sol";
import {Posted} from "./Posted.sol";
import {Ground, Opening, Position} from "./Positions.sol";
import "./Records.sol";
import {Rows} from "./Rows.sol";
import {Trees} from "./Trees.sol";
import {Row, Views} from "./Views.sol";

/// What operands are read from: the ground and position that bind them, their operator, and which were opened so far.
/// Opening number i is that of operand `first` + i; `offset` is where the list of them lies in calldata; `chunks`
/// holds each opened chunk's number plus 1, `bases` where the first byte of its tensor would lie in calldata, modulo
/// 2^256.
struct Table {
    Ground ground;
    Position position;
    Operator op;
    uint256 offset;
    uint256 first;
    uint256[] chunks;
    uint256[] bases;
}

/// Operands as they are opened (protocol, section 7.4): each opening is checked when it is first read, all reads
/// of one operand lie in one chunk, and an opening that is never read must be empty.
library Openings {
    using Records for Operator;

    uint256 private constant CHUNK = 1024;

    /// A table for `op`, whose operands from `first` on are opened by `given`.
    function lay(
        Ground memory ground,
        Position memory position,
        Operator memory op,
        uint256 first,
        Opening[] calldata given
    ) internal pure returns (Table memory table) {
        table.ground = ground;
        table.position = position;
        table.op = op;
        table.first = first;
        table.chunks = new uint256[](given.length);
        table.bases = new uint256[](given.length);
        uint256 offset;
        assembly ("memory-safe") {
            offset := given.offset
        }
        table.offset = offset;
    }

    /// The operand's value at coordinates `coords` of its first axes.
    function fetch(Table memory table, uint256 slot, uint256[] memory coords)
        internal
        pure
        returns (int256)
    {
        Operand memory operand = table.op.operands[slot];
        if (operand.source == IMMEDIATE) return operand.value;
        return read(table, slot, Views.addressOf(operand, coords));
    }

    /// Element `address_` of the tensor that operand `slot` looks at.
    function read(Table memory table, uint256 slot, int256 address_) internal pure returns (int256 value) {
        return Rows.element(_locate(table, slot, address_), table.op.operands[slot].size);
    }

    // Rows of terms, which lie in one chunk of each operand

    /// The sum of products of a dot; b may be an immediate.
    function sumOfProducts(Table memory table, Row memory row) internal pure returns (int256) {
        unchecked {
            (uint256 a, uint256 stepA) = _row(table, 0, row);
            Operand memory first = table.op.operands[0];
            Operand memory second = table.op.operands[1];
            if (second.source == IMMEDIATE) return Rows.sum(a, stepA, first.size, row.count) * second.value;
            (uint256 b, uint256 stepB) = _row(table, 1, row);
            return Rows.sumOfProducts(a, stepA, first.size, b, stepB, second.size, row.count);
        }
    }

    function largest(Table memory table, Row memory row) internal pure returns (int256 value, uint256 first) {
        (uint256 a, uint256 step) = _row(table, 0, row);
        return Rows.largest(a, step, table.op.operands[0].size, row.count);
    }

    function largestMagnitude(Table memory table, Row memory row) internal pure returns (int256 value) {
        (uint256 a, uint256 step) = _row(table, 0, row);
        return Rows.largestMagnitude(a, step, table.op.operands[0].size, row.count);
    }

    function _row(Table memory table, uint256 slot, Row memory row) private pure returns (uint256 place, uint256 step) {
        unchecked {
            Operand memory operand = table.op.operands[slot];
            place = _locate(table, slot, Views.addressOf(operand, row.coords));
            step = uint256(operand.strides[row.axis] * int256(operand.size));
        }
    }

    /// Refuses openings that were not read.
    function finish(Table memory table) internal pure {
        unchecked {
            for (uint256 i = 0; i < table.chunks.length; ++i) {
                if (table.chunks[i] == 0 && !_isEmpty(_given(table, i))) revert MoveErrors.UnreadOpening();
            }
        }
    }

    // One chunk

    /// Opening number `number`.
    function _given(Table memory table, uint256 number) private pure returns (Opening calldata) {
        Opening[] calldata all;
        uint256 offset = table.offset;
        uint256 length = table.chunks.length;
        assembly ("memory-safe") {
            all.offset := offset
            all.length := length
        }
        return all[number];
    }

    /// Where in calldata the element at an address lies, after checking the opening that shows it.
    function _locate(Table memory table, uint256 slot, int256 address_) private pure returns (uint256) {
        Operand memory operand = table.op.operands[slot];
        uint256 number = slot - table.first;
        uint256 offset = uint256(address_) * operand.size;
        uint256 chunk = offset / CHUNK;
        if (table.chunks[number] == 0) {
            Opening calldata opening = _given(table, number);
            bool shown = slot == 1 && table.position.node != 0;
            if (shown || !_repeats(table, number, opening, chunk)) _check(table, operand, opening, chunk, shown);
            table.chunks[number] = chunk + 1;
            bytes calldata data = opening.chunk;
            uint256 base;
            assembly ("memory-safe") {
                base := data.offset
            }
            unchecked {
                table.bases[number] = base - chunk * CHUNK;
            }
        }
        // A range that is not wide, and everything else that is read, lies in one chunk of each operand.
        assert(table.chunks[number] == chunk + 1);
        unchecked {
            return table.bases[number] + offset;
        }
    }

    /// Whether an opening is the one before it once more (m and c often lie side by side), which need not be
    /// checked again.
    function _repeats(Table memory table, uint256 number, Opening calldata opening, uint256 chunk)
        private
        pure
        returns (bool)
    {
        unchecked {
            if (number == 0 || table.chunks[number - 1] != chunk + 1) return false;
            Operand memory x = table.op.operands[table.first + number - 1];
            Operand memory y = table.op.operands[table.first + number];
            if (x.source != y.source || x.size != y.size || x.numel != y.numel || x.index != y.index) return false;
            if (x.slot != y.slot || x.slots != y.slots || x.root != y.root) return false;
            return _digest(_given(table, number - 1)) == _digest(opening);
        }
    }

    function _digest(Opening calldata o) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(o.chunk),
                Trees.hashOf(o.chunkPath),
                o.root,
                Trees.hashOf(o.rootPath),
                keccak256(o.posted)
            )
        );
    }

    /// Reverts unless `opening` shows chunk number `chunk` of the tensor that `operand` looks at. `shown`: its path
    /// was, by the pick before the step.
    /// INVARIANT: [inv 4] every operand is bound to the posted input, the program, the trace or the opened layer.
    function _check(Table memory table, Operand memory operand, Opening calldata opening, uint256 chunk, bool shown)
        private
        pure
    {
        uint256 length = operand.numel * operand.size;
        checkLength(opening, length, chunk);
        if (operand.source == INPUT) {
            if (keccak256(opening.posted) != table.ground.inputs) revert MoveErrors.WrongPostedList();
            checkPosted(opening, operand.index, length, chunk);
            return;
        }
        bytes32 root = opening.root;
        if (operand.source == WEIGHT) {
            root = operand.root;
        } else if (operand.source == CHECKPOINT) {
            bytes32 top = checkpointTop(opening, table.ground.layers, operand.index, operand.slot, operand.slots);
            if (top != table.ground.traceRoot) revert MoveErrors.WrongTensorPath();
        } else {
            bytes32 leaf = Trees.leafOf(root);
            Position memory position = table.position;
            bool bound =
                Trees.proves(position.tensorsRoot, leaf, position.operators, operand.index, opening.rootPath);
            if (!bound) revert MoveErrors.WrongTensorPath();
        }
        if (!shown) return checkChunk(opening, root, length, chunk);
        if (opening.chunkPath.length != 0) revert MoveErrors.WrongChunkPath();
        bytes32 value = Blake3.above(opening.chunk, Posted.chunks(length), chunk, opening.chunkPath);
        if (Trees.node(value, root) != table.position.node) revert MoveErrors.WrongChunkPath();
    }

    /// Reverts unless the opened chunk is as long as chunk number `chunk` of a tensor of `length` bytes.
    function checkLength(Opening calldata opening, uint256 length, uint256 chunk) internal pure {
        if (opening.chunk.length != Posted.chunkLength(length, chunk)) revert MoveErrors.WrongChunkLength();
    }

    /// Reverts unless the opened chunk, of the right length, is number `chunk` of a tensor of `length` bytes with
    /// BLAKE3 root `root`.
    function checkChunk(Opening calldata opening, bytes32 root, uint256 length, uint256 chunk) internal pure {
        uint256 count = Posted.chunks(length);
        if (!Blake3.proves(root, opening.chunk, count, chunk, opening.chunkPath)) revert MoveErrors.WrongChunkPath();
    }

    /// Reverts unless the opened chunk, of the right length, is number `chunk` of tensor `number` of the opened
    /// posted list, which has `length` bytes.
    function checkPosted(Opening calldata opening, uint256 number, uint256 length, uint256 chunk) internal pure {
        (bool ok, uint256 listed, bytes32 root) = Posted.entry(opening.posted, number);
        if (!ok || listed != length) revert MoveErrors.WrongInputLength();
        bytes32 leaf = Trees.leaf(opening.chunk);
        if (!Trees.proves(root, leaf, Posted.chunks(length), chunk, opening.chunkPath)) {
            revert MoveErrors.WrongChunkPath();
        }
    }

    /// The trace root under which the opened root is slot `slot` of the `slots` outputs of layer `layer`.
    function checkpointTop(Opening calldata opening, uint256 layers, uint256 layer, uint256 slot, uint256 slots)
        internal
        pure
        returns (bytes32 top)
    {
        bytes32[] calldata path = opening.rootPath;
        uint256 inner = Trees.pathLength(slots, slot);
        if (path.length < inner) revert MoveErrors.WrongTensorPath();
        bool ok;
        (ok, top) = Trees.climb(Trees.leafOf(opening.root), slots, slot, path[:inner]);
        if (ok) (ok, top) = Trees.climb(Trees.leafOf(top), layers, layer, path[inner:]);
        if (!ok) revert MoveErrors.WrongTensorPath();
    }

    function _isEmpty(Opening calldata o) private pure returns (bool) {
        return o.chunk.length == 0 && o.chunkPath.length == 0 && o.root == 0 && o.rootPath.length == 0
            && o.posted.length == 0;
    }
}
