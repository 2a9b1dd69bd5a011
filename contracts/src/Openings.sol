// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Blake3} from "./Blake3.sol";
import {MoveErrors} from "./Errors.sol";
import {Posted} from "./Posted.sol";
import {Opening, Position} from "./Positions.sol";
import "./Records.sol";
import {Trees} from "./Trees.sol";
import {Views} from "./Views.sol";

/// What operands are read from: the position that binds them, their operator, and which were opened so far.
/// Opening number i is that of operand `first` + i; `offset` is where the list of them lies in calldata; `chunks`
/// holds each opened chunk's number plus 1.
struct Table {
    Position position;
    Operator op;
    uint256 offset;
    uint256 first;
    uint256[] chunks;
}

/// Operands as they are opened (protocol, section 7.4): each opening is checked when it is first read, all reads
/// of one operand lie in one chunk, and an opening that is never read must be empty.
library Openings {
    using Records for Operator;

    uint256 private constant CHUNK = 1024;

    /// A table for `op`, whose operands from `first` on are opened by `given`.
    function lay(Position memory position, Operator memory op, uint256 first, Opening[] calldata given)
        internal
        pure
        returns (Table memory table)
    {
        table.position = position;
        table.op = op;
        table.first = first;
        table.chunks = new uint256[](given.length);
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
    function read(Table memory table, uint256 slot, int256 address_)
        internal
        pure
        returns (int256 value)
    {
        uint256 pointer = _locate(table, slot, address_);
        uint256 size = table.op.operands[slot].size;
        assembly ("memory-safe") {
            let x := shr(224, calldataload(pointer))
            x := or(shl(8, and(x, 0x00ff00ff)), and(shr(8, x), 0x00ff00ff))
            value := signextend(sub(size, 1), or(shl(16, x), shr(16, x)))
        }
    }

    /// The operand's values over the terms start .. start+count-1 of an output element, which lie in one chunk.
    function terms(
        Table memory table,
        uint256 slot,
        uint256[] memory out,
        uint256 start,
        uint256 count
    ) internal pure returns (int256[] memory values) {
        values = new int256[](count);
        Operand memory operand = table.op.operands[slot];
        if (operand.source == IMMEDIATE) {
            for (uint256 i = 0; i < count; ++i) values[i] = operand.value;
            return values;
        }
        Odometer memory o = _odometer(table.op, operand, start);
        int256 address_ = Views.addressOf(operand, out) + o.address_;
        uint256 from = _locate(table, slot, address_);
        uint256 inner = o.extents.length - 1;
        for (uint256 done = 0; done < count;) {
            uint256 run = o.extents[inner] - o.coords[inner];
            if (run > count - done) run = count - done;
            // Offsets may wrap around 2^256 on the way: `from` is where the first term lies, terms before it
            // have negative distances.
            uint256 pointer;
            unchecked {
                pointer = from + uint256((o.moved) * int256(operand.size));
            }
            _copyRun(values, done, run, pointer, o.strides[inner] * int256(operand.size), operand.size);
            done += run;
            _advance(o, inner, run);
        }
    }

    /// Refuses openings that were not read.
    function finish(Table memory table) internal pure {
        for (uint256 i = 0; i < table.chunks.length; ++i) {
            if (table.chunks[i] == 0 && !_isEmpty(_given(table, i))) revert MoveErrors.UnreadOpening();
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
    function _locate(Table memory table, uint256 slot, int256 address_)
        private
        pure
        returns (uint256 pointer)
    {
        Operand memory operand = table.op.operands[slot];
        uint256 number = slot - table.first;
        uint256 chunk = Views.chunkOf(operand, address_);
        if (table.chunks[number] == 0) {
            check(table.position, operand, _given(table, number), chunk);
            table.chunks[number] = chunk + 1;
        }
        // A range that is not wide, and everything else that is read, lies in one chunk of each operand.
        assert(table.chunks[number] == chunk + 1);
        bytes calldata data = _given(table, number).chunk;
        uint256 offset = uint256(address_) * operand.size % CHUNK;
        assembly ("memory-safe") {
            pointer := add(data.offset, offset)
        }
    }

    /// Reverts unless `opening` shows chunk number `chunk` of the tensor that `operand` looks at.
    /// INVARIANT: [inv 4] every operand is bound to the posted input, the program, the trace or the opened layer.
    function check(Position memory position, Operand memory operand, Opening calldata opening, uint256 chunk)
        internal
        pure
    {
        uint256 length = operand.numel * operand.size;
        checkLength(opening, length, chunk);
        if (operand.source == INPUT) {
            if (keccak256(opening.posted) != position.inputs) revert MoveErrors.WrongPostedList();
            checkPosted(opening, operand.index, length, chunk);
            return;
        }
        bytes32 root = opening.root;
        if (operand.source == WEIGHT) {
            root = operand.root;
        } else if (operand.source == CHECKPOINT) {
            bytes32 top = checkpointTop(opening, position.layers, operand.index, operand.slot, operand.slots);
            if (top != position.traceRoot) revert MoveErrors.WrongTensorPath();
        } else {
            bytes32 leaf = Trees.leafOf(root);
            bool bound =
                Trees.proves(position.tensorsRoot, leaf, position.operators, operand.index, opening.rootPath);
            if (!bound) revert MoveErrors.WrongTensorPath();
        }
        checkChunk(opening, root, length, chunk);
    }

    /// Reverts unless the opened chunk is as long as chunk number `chunk` of a tensor of `length` bytes.
    function checkLength(Opening calldata opening, uint256 length, uint256 chunk) internal pure {
        if (opening.chunk.length != Posted.chunkLength(length, chunk)) revert MoveErrors.WrongChunkLength();
    }

    /// Reverts unless the opened chunk, of the right length, is number `chunk` of a tensor of `length` bytes with
    /// BLAKE3 root `root`.
    function checkChunk(Opening calldata opening, bytes32 root, uint256 length, uint256 chunk) internal pure {
        uint256 count = Posted.chunks(length);
        bytes32 value = Blake3.chunkValue(opening.chunk, chunk, count == 1);
        if (!Blake3.proves(root, value, count, chunk, opening.chunkPath)) revert MoveErrors.WrongChunkPath();
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
        (, uint256 inner) = Trees.sides(slots, slot);
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

    // Terms in row-major order

    /// Coordinates in the reduced axes, those of extent 1 left out. `address_` is the first term's address less
    /// that of the output element; `moved` the current term's distance from the first, in elements.
    struct Odometer {
        uint256[] extents;
        int256[] strides;
        uint256[] coords;
        int256 address_;
        int256 moved;
    }

    function _odometer(Operator memory op, Operand memory operand, uint256 start)
        private
        pure
        returns (Odometer memory o)
    {
        uint256 outer = op.shape.length - op.reduced;
        uint256 kept;
        for (uint256 i = outer; i < op.shape.length; ++i) {
            if (op.shape[i] > 1) ++kept;
        }
        uint256 size = kept == 0 ? 1 : kept;
        o.extents = new uint256[](size);
        o.strides = new int256[](size);
        o.coords = new uint256[](size);
        o.extents[0] = 1;
        for (uint256 i = op.shape.length; i > outer; --i) {
            uint256 extent = op.shape[i - 1];
            if (extent == 1) continue;
            --kept;
            o.extents[kept] = extent;
            o.strides[kept] = operand.strides[i - 1];
            o.coords[kept] = start % extent;
            o.address_ += o.strides[kept] * int256(o.coords[kept]);
            start /= extent;
        }
    }

    function _advance(Odometer memory o, uint256 axis, uint256 run) private pure {
        unchecked {
            o.coords[axis] += run;
            o.moved += o.strides[axis] * int256(run);
            while (axis > 0 && o.coords[axis] == o.extents[axis]) {
                o.coords[axis] = 0;
                o.moved -= o.strides[axis] * int256(o.extents[axis]);
                --axis;
                ++o.coords[axis];
                o.moved += o.strides[axis];
            }
        }
    }

    /// values[done .. done+run] = the little-endian elements of `size` bytes at calldata `at`, `step` bytes apart.
    function _copyRun(int256[] memory values, uint256 done, uint256 run, uint256 pointer, int256 step, uint256 size)
        private
        pure
    {
        assembly ("memory-safe") {
            let to := add(add(values, 32), shl(5, done))
            let end := add(to, shl(5, run))
            let top := sub(size, 1)
            switch size
            case 1 {
                for {} lt(to, end) { to := add(to, 32) } {
                    mstore(to, signextend(0, byte(0, calldataload(pointer))))
                    pointer := add(pointer, step)
                }
            }
            default {
                for {} lt(to, end) { to := add(to, 32) } {
                    let x := shr(224, calldataload(pointer))
                    x := or(shl(8, and(x, 0x00ff00ff)), and(shr(8, x), 0x00ff00ff))
                    mstore(to, signextend(top, or(shl(16, x), shr(16, x))))
                    pointer := add(pointer, step)
                }
            }
        }
    }
}
