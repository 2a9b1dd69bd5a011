// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./Records.sol";

/// `count` terms along axis `axis`, from term number `term`, which has coordinates `coords` in all axes; `left` of
/// the range with them.
struct Row {
    uint256[] coords;
    uint256 axis;
    uint256 term;
    uint256 count;
    uint256 left;
}

/// Addresses of strided views, and the ranges of terms a dispute walks through (protocol, sections 3.2 and 7.3).
library Views {
    using Records for Operator;

    uint256 private constant CHUNK = 1024;
    uint256 private constant MAX_STEP_TERMS = 1024;
    uint256 private constant MAX_STEP_RUNS = 64;
    uint256 private constant MAX_SUBRANGES = 128;

    /// Row-major coordinates of `index` in shape[from..to].
    function coordinates(uint256 index, uint256[] memory shape, uint256 from, uint256 to)
        internal
        pure
        returns (uint256[] memory coords)
    {
        unchecked {
            coords = new uint256[](to - from);
            for (uint256 i = coords.length; i > 0; --i) {
                uint256 extent = shape[from + i - 1];
                coords[i - 1] = index % extent;
                index /= extent;
            }
        }
    }

    /// Coordinates of an output element.
    function outputCoordinates(Operator memory op, uint256 element) internal pure returns (uint256[] memory) {
        return coordinates(element, op.shape, 0, op.shape.length - op.reduced);
    }

    /// The first row of a range of terms of an output element.
    function rows(Operator memory op, uint256 element, uint256 start, uint256 count)
        internal
        pure
        returns (Row memory row)
    {
        unchecked {
            uint256 axes = op.shape.length;
            uint256 outer = axes - op.reduced;
            row.coords = new uint256[](axes);
            row.term = start;
            row.left = count;
            // axes of length 1 at the end would make every term a row of its own
            row.axis = axes - 1;
            while (row.axis > outer && op.shape[row.axis] == 1) --row.axis;
            for (uint256 i = axes; i > 0; --i) {
                if (i == outer) start = element;
                uint256 extent = op.shape[i - 1];
                row.coords[i - 1] = start % extent;
                start /= extent;
            }
            _measure(op, row);
        }
    }

    /// Goes on to the next row; its `count` is 0 behind the last.
    function advance(Operator memory op, Row memory row) internal pure {
        unchecked {
            uint256 axis = row.axis;
            uint256[] memory coords = row.coords;
            uint256 outer = op.shape.length - op.reduced;
            row.term += row.count;
            row.left -= row.count;
            coords[axis] += row.count;
            while (axis > outer && coords[axis] == op.shape[axis]) {
                coords[axis] = 0;
                ++coords[--axis];
            }
        }
        _measure(op, row);
    }

    function _measure(Operator memory op, Row memory row) private pure {
        unchecked {
            uint256 run = op.shape[row.axis] - row.coords[row.axis];
            row.count = run < row.left ? run : row.left;
        }
    }

    /// The element a view shows at coordinates `coords` of its first axes, the others 0.
    function addressOf(Operand memory view_, uint256[] memory coords) internal pure returns (int256 address_) {
        unchecked {
            address_ = view_.offset;
            for (uint256 i = 0; i < coords.length; ++i) address_ += view_.strides[i] * int256(coords[i]);
        }
    }

    /// Lowest and highest address of operand `slot` over all coordinates of section 3.3.
    function bounds(Operator memory op, uint256 slot) internal pure returns (int256 low, int256 high) {
        unchecked {
            Operand memory view_ = op.operands[slot];
            int256[] memory strides = view_.strides;
            uint256[] memory extents = op.opcode == PLACE && slot == 0 ? op.box : op.shape;
            low = high = view_.offset;
            for (uint256 i = 0; i < strides.length; ++i) {
                // the last stride of gather's table runs over its rows
                int256 span = strides[i] * int256((i < extents.length ? extents[i] : op.rows) - 1);
                if (span < 0) low += span;
                else high += span;
            }
        }
    }

    /// Whether a range of terms must be narrowed before the step can open its operands.
    function isWide(Operator memory op, uint256 element, uint256 start, uint256 count) internal pure returns (bool) {
        unchecked {
            if (!op.hasTerms()) return false;
            if (count > MAX_STEP_TERMS) return true;
            uint256 innermost = op.reduced == 0 ? 1 : op.shape[op.shape.length - 1];
            if (count > MAX_STEP_RUNS * innermost) return true;
            for (uint256 slot = 0; slot < 2 && slot < op.operands.length; ++slot) {
                Operand memory view_ = op.operands[slot];
                if (view_.source == IMMEDIATE) continue;
                (int256 low, int256 high) = _boxBounds(op, view_, element, start, start + count - 1);
                if (chunkOf(view_, low) != chunkOf(view_, high)) return true;
            }
            return false;
        }
    }

    /// Lowest and highest address of a view at an output element, over the box around terms `first` to `last`: whole
    /// axes after the first reduced one in which the two differ.
    function _boxBounds(Operator memory op, Operand memory view_, uint256 element, uint256 first, uint256 last)
        private
        pure
        returns (int256 low, int256 high)
    {
        unchecked {
            uint256[] memory shape = op.shape;
            int256[] memory strides = view_.strides;
            uint256 outer = shape.length - op.reduced;
            low = view_.offset;
            for (uint256 i = outer; i > 0; --i) {
                low += strides[i - 1] * int256(element % shape[i - 1]);
                element /= shape[i - 1];
            }
            high = low;
            uint256 inner = op.terms();
            bool split;
            for (uint256 i = outer; i < shape.length; ++i) {
                uint256 extent = shape[i];
                inner /= extent;
                (uint256 x, uint256 y) = split ? (0, extent - 1) : (first / inner % extent, last / inner % extent);
                split = split || x != y;
                (int256 a, int256 b) = (strides[i] * int256(x), strides[i] * int256(y));
                low += a < b ? a : b;
                high += a < b ? b : a;
            }
        }
    }

    /// The chunk of operand `slot` in which a range of terms lies that is not wide.
    function chunkOfRange(Operator memory op, uint256 slot, uint256 element, uint256 start)
        internal
        pure
        returns (uint256)
    {
        Operand memory view_ = op.operands[slot];
        (int256 low,) = _boxBounds(op, view_, element, start, start);
        return chunkOf(view_, low);
    }

    /// The chunk that contains the element at an address.
    function chunkOf(Operand memory view_, int256 address_) internal pure returns (uint256) {
        return uint256(address_) * view_.size / CHUNK;
    }

    /// Terms in each sub-range of a range: the smallest power of two that makes at most 128 of them.
    function subRangeSize(uint256 count) internal pure returns (uint256 size) {
        unchecked {
            size = 1;
            while (size * MAX_SUBRANGES < count) size <<= 1;
        }
    }
}
