// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Operators} from "./Operators.sol";
import {Readers} from "./Readers.sol";
import "./Records.sol";

/// Partial values of ranges of terms as they are opened (protocol, section 7.3): i64 each, for argmax followed by
/// the u64 lowest index; big-endian.
library Terms {
    using Records for Operator;

    function entrySize(Operator memory op) internal pure returns (uint256) {
        return op.isArgmax() ? 16 : 8;
    }

    /// Entry number `number`, which exists.
    function entry(Operator memory op, bytes calldata values, uint256 number)
        internal
        pure
        returns (int64 value, uint64 index)
    {
        unchecked {
            uint256 place;
            assembly ("memory-safe") {
                place := values.offset
            }
            place += number * entrySize(op);
            value = int64(uint64(Readers.load(place) >> 192));
            if (op.isArgmax()) index = uint64(Readers.load(place + 8) >> 192);
        }
    }

    /// The value of the whole range: the sum, the maximum, or the maximum and the index where it first comes.
    function combine(Operator memory op, bytes calldata values)
        internal
        pure
        returns (int256 value, uint256 index)
    {
        uint256 size = entrySize(op);
        uint256 place;
        assembly ("memory-safe") {
            place := values.offset
        }
        unchecked {
            uint256 end = place + values.length;
            if (op.opcode == DOT) {
                for (; place < end; place += size) value += int256(Readers.load(place)) >> 192;
                return (value, 0);
            }
            value = type(int256).min;
            for (; place < end; place += size) {
                int256 next = int256(Readers.load(place)) >> 192;
                if (next > value) (value, index) = (next, Readers.load(place + 8) >> 192);
            }
            if (size == 8) index = 0;
        }
    }

    /// The output element of dot or reduce from the value of all its terms; m and c are a dot's.
    function finish(Operator memory op, int256 whole, uint256 index, int256 m, int256 c)
        internal
        pure
        returns (int256)
    {
        if (op.opcode == DOT) whole = Operators.rescale(whole, m, c, op.shift, op.lift);
        else if (op.isArgmax()) whole = int256(index);
        return Operators.clamp(whole, op.lo, op.hi);
    }

    /// Bytes behind the values that state m and c: where the range is all terms of a dot.
    function factorsSize(Operator memory op, bool whole) internal pure returns (uint256) {
        return whole && op.opcode == DOT ? 8 : 0;
    }

    /// m (number 0) or c (1) as the last eight bytes state them: i32 each.
    function factor(bytes calldata values, uint256 number) internal pure returns (int256) {
        unchecked {
            uint256 end;
            assembly ("memory-safe") {
                end := add(values.offset, values.length)
            }
            return int256(Readers.load(end - 8 + 4 * number)) >> 224;
        }
    }
}
