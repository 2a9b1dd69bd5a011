// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Openings, Table} from "./Openings.sol";
import {Operators} from "./Operators.sol";
import "./Records.sol";
import {Terms} from "./Terms.sol";
import {Row, Views} from "./Views.sol";

/// What the step computes, from opened operands: one output element, or the partial value of a range of terms.
library Elements {
    using Openings for Table;
    using Records for Operator;

    /// Output element `element`.
    function element(Table memory table, uint256 number) internal pure returns (int256) {
        Operator memory op = table.op;
        if (op.hasTerms()) {
            (int256 whole, uint256 index) = partialValue(table, number, 0, op.terms());
            return finish(table, number, whole, index);
        }
        uint256[] memory coords = Views.outputCoordinates(op, number);
        return Operators.clamp(_pointwise(table, coords), op.lo, op.hi);
    }

    /// The value of terms start .. start+count-1, and for argmax the lowest index where it is reached.
    function partialValue(Table memory table, uint256 number, uint256 start, uint256 count)
        internal
        pure
        returns (int256 value, uint256 index)
    {
        unchecked {
            Operator memory op = table.op;
            Row memory row = Views.rows(op, number, start, count);
            bool isMaximum = op.opcode == REDUCE && op.variant != REDUCE_ABSMAX;
            if (isMaximum) value = type(int256).min;
            for (; row.count > 0; Views.advance(op, row)) {
                if (isMaximum) {
                    (int256 most, uint256 first) = table.largest(row);
                    if (most > value) (value, index) = (most, row.term + first);
                } else if (op.opcode == DOT) {
                    value += table.sumOfProducts(row);
                } else {
                    value = Operators.max(value, table.largestMagnitude(row));
                }
            }
            if (!op.isArgmax()) index = 0;
        }
    }

    /// The output element of dot or reduce from the value of all its terms.
    function finish(Table memory table, uint256 number, int256 whole, uint256 index)
        internal
        pure
        returns (int256)
    {
        Operator memory op = table.op;
        int256 m;
        int256 c;
        if (op.opcode == DOT) {
            uint256[] memory coords = Views.outputCoordinates(op, number);
            (m, c) = (table.fetch(2, coords), table.fetch(3, coords));
        }
        return Terms.finish(op, whole, index, m, c);
    }

    function _pointwise(Table memory table, uint256[] memory coords)
        private
        pure
        returns (int256)
    {
        unchecked {
            Operator memory op = table.op;
            if (op.opcode == ZIP) return _zip(table, coords);
            if (op.opcode == GATHER) return _gather(table, coords);
            if (op.opcode == PLACE) return _place(table, coords);
            int256 a = table.fetch(0, coords);
            if (op.variant == MAP_RECIP) return Operators.recip(a, op.k);
            if (op.variant == MAP_RSQRT) return Operators.rsqrt(a, op.k);
            if (op.variant == MAP_ISQRT) return Operators.isqrt(a);
            int256 last = int256(op.operands[1].numel) - 1;
            return table.read(1, Operators.clamp(_rescale(table, coords, a), 0, last));
        }
    }

    function _zip(Table memory table, uint256[] memory coords) private pure returns (int256) {
        unchecked {
            uint256 variant = table.op.variant;
            int256 a = table.fetch(0, coords);
            int256 b = table.fetch(1, coords);
            if (variant == ZIP_DIV) {
                int256 m = table.fetch(2, coords);
                return Operators.divide(a, b, m, table.fetch(3, coords), table.op.lift);
            }
            if (variant == ZIP_MUL) a *= b;
            else a = variant == ZIP_MIN ? Operators.min(a, b) : Operators.max(a, b);
            return _rescale(table, coords, a);
        }
    }

    function _gather(Table memory table, uint256[] memory coords) private pure returns (int256) {
        unchecked {
            int256 row = Operators.clamp(table.fetch(0, coords), 0, int256(table.op.rows) - 1);
            Operand memory rows = table.op.operands[1];
            return table.read(1, Views.addressOf(rows, coords) + row * rows.strides[coords.length]);
        }
    }

    function _place(Table memory table, uint256[] memory coords) private pure returns (int256) {
        unchecked {
            Operator memory op = table.op;
            int256 position = table.fetch(2, new uint256[](0));
            uint256[] memory inside = new uint256[](coords.length);
            for (uint256 axis = 0; axis < coords.length; ++axis) {
                int256 y = int256(coords[axis]) - op.start[axis] - (axis == op.k ? position : int256(0));
                if (y < 0 || y >= int256(op.box[axis])) return table.fetch(1, coords);
                inside[axis] = uint256(y);
            }
            return table.fetch(0, inside);
        }
    }

    /// acc with the operands m and c at `coords`, before the clamp.
    function _rescale(Table memory table, uint256[] memory coords, int256 acc)
        private
        pure
        returns (int256)
    {
        int256 m = table.fetch(2, coords);
        return Operators.rescale(acc, m, table.fetch(3, coords), table.op.shift, table.op.lift);
    }
}
