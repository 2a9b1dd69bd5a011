// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Operators} from "../src/Operators.sol";
import "../src/Records.sol";
import {Rows} from "../src/Rows.sol";
import {Terms} from "../src/Terms.sol";
import {Views} from "../src/Views.sol";
import {Property} from "./Property.sol";

/// Numbers that a step reads, adds up and rounds are those of the definition.
contract NumbersProperties is Property {
    uint256 private constant ENTRIES = 4;

    function check_an_element_is_its_bytes(bytes4 raw) external view {
        uint256 low = uint8(raw[0]);
        uint256 two = low | uint256(uint8(raw[1])) << 8;
        uint256 four = two | uint256(uint8(raw[2])) << 16 | uint256(uint8(raw[3])) << 24;
        bytes memory data = abi.encodePacked(raw);
        assert(this.element(data, 1) == int8(uint8(low)));
        assert(this.element(data, 2) == int16(uint16(two)));
        assert(this.element(data, 4) == int32(uint32(four)));
    }

    /// Whoever opens sums that add up to another number is found out: no sum wraps around.
    function check_partial_sums_add_up_without_loss(int64[ENTRIES] calldata sums) external view {
        Operator memory op;
        op.opcode = DOT;
        bytes memory list = abi.encodePacked(sums[0], sums[1], sums[2], sums[3]);
        (int256 value, uint256 index) = this.combine(op, list);
        assert(value == int256(sums[0]) + sums[1] + sums[2] + sums[3] && index == 0);
        for (uint256 i = 0; i < ENTRIES; ++i) {
            (int64 entry_,) = this.entry(op, list, i);
            assert(entry_ == sums[i]);
        }
    }

    function check_argmax_is_the_lowest_index_of_the_maximum(
        int64[ENTRIES] calldata values,
        uint64[ENTRIES] calldata at
    ) external view {
        Operator memory op;
        (op.opcode, op.variant) = (REDUCE, REDUCE_ARGMAX);
        bytes memory list = abi.encodePacked(values[0], at[0], values[1], at[1], values[2], at[2]);
        list = abi.encodePacked(list, values[3], at[3]);
        (int256 most, uint256 index) = this.combine(op, list);
        bool found;
        for (uint256 i = 0; i < ENTRIES; ++i) {
            assert(values[i] <= most);
            if (!found && values[i] == most) {
                found = true;
                assert(index == at[i]);
            }
        }
        assert(found);
    }

    /// Rounding half up: the only integer y with 2^s y <= acc + c + h < 2^s (y + 1). The sum has the size of the largest
    /// acc * m + c * 2^t.
    function check_rescaling_rounds_half_up(int96 acc, int96 c, uint8 s) external pure {
        for (uint256 shift = 0; shift <= 62; ++shift) {
            if (s != shift) continue;
            int256 y = Operators.rescale(acc, 1, c, shift, 0);
            int256 half = shift == 0 ? int256(0) : int256(1 << (shift - 1));
            int256 rest = int256(acc) + c + half - (y << shift);
            assert(rest >= 0 && rest < int256(1 << shift));
        }
    }

    function check_a_clamp_stays_inside_and_leaves_what_is(int256 x, int256 lo, int256 hi) external pure {
        vm.assume(lo <= hi);
        int256 y = Operators.clamp(x, lo, hi);
        assert(lo <= y && y <= hi && (y == x || x < lo || x > hi));
        assert(x >= lo || y == lo);
        assert(x <= hi || y == hi);
    }

    /// The sub-ranges of a range follow on each other, none is empty, and there are at most 128.
    function check_sub_ranges_cover_the_range(uint32 count, uint8 choice) external pure {
        vm.assume(count > 0 && count <= 1 << 21);
        uint256 size = Views.subRangeSize(count);
        uint256 ranges = (count + size - 1) / size;
        assert(size & (size - 1) == 0 && ranges >= 1 && ranges <= 128);
        assert(size == 1 || size / 2 * 128 < count);
        vm.assume(choice < ranges);
        uint256 left = count - choice * size;
        assert(left > 0 && (left > size) == (choice + 1 < ranges));
    }

    function element(bytes calldata data, uint256 size) external pure returns (int256) {
        uint256 place;
        assembly ("memory-safe") {
            place := data.offset
        }
        return Rows.element(place, size);
    }

    function combine(Operator memory op, bytes calldata values) external pure returns (int256, uint256) {
        return Terms.combine(op, values);
    }

    function entry(Operator memory op, bytes calldata values, uint256 number) external pure returns (int64, uint64) {
        return Terms.entry(op, values, number);
    }
}
