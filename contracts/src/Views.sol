// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./Records.sol";

/// Addresses of strided views, and the ranges of terms a dispute walks through (protocol, sections 3.2 and 7.3).
library Views {
    using Records for Operator;

    uint256 private constant CHUNK = 1024;
    uint256 private constant MAX_STEP_TERMS = 1024;
    uint256 private constant MAX_SUBRANGES = 128;

    /// Row-major coordinates of `index` in shape[from..to].
    function coordinates(uint256 index, uint256[] memory shape, uint256 from, uint256 to)
        internal
        pure
        returns (uint256[] memory coords)
    {
        coords = new uint256[](to - from);
        for (uint256 i = coords.length; i > 0; --i) {
            uint256 extent = shape[from + i - 1];
            coords[i - 1] = index % extent;
            index /= extent;
        }
    }

    /// Coordinates of an output element.
    function outputCoordinates(Operator memory op, uint256 element) internal pure returns (uint256[] memory) {
        return coordinates(element, op.shape, 0, op.shape.length - op.reduced);
    }

    /// Coordinates of a term in the reduced axes.
    function termCoordinates(Operator memory op, uint256 term) internal pure returns (uint256[] memory) {
        return coordinates(term, op.shape, op.shape.length - op.reduced, op.shape.length);
    }

    /// The element a view shows at coordinates `coords` of its first axes, the others 0.
    function addressOf(Operand memory view_, uint256[] memory coords) internal pure returns (int256 address_) {
        address_ = view_.offset;
        for (uint256 i = 0; i < coords.length; ++i) address_ += view_.strides[i] * int256(coords[i]);
    }

    /// Lowest and highest address over all coordinates within `extents`, each at least 1.
    function bounds(Operand memory view_, uint256[] memory extents) internal pure returns (int256 low, int256 high) {
        low = high = view_.offset;
        for (uint256 i = 0; i < extents.length; ++i) {
            int256 span = view_.strides[i] * int256(extents[i] - 1);
            if (span < 0) low += span;
            else high += span;
        }
    }

    /// Per reduced axis, first and last coordinate of the box around a range of terms: whole axes after the first
    /// one in which the range's ends differ.
    function box(Operator memory op, uint256 start, uint256 count)
        internal
        pure
        returns (uint256[] memory first, uint256[] memory last)
    {
        first = termCoordinates(op, start);
        last = termCoordinates(op, start + count - 1);
        uint256 outer = op.shape.length - op.reduced;
        bool split;
        for (uint256 i = 0; i < first.length; ++i) {
            if (split) (first[i], last[i]) = (0, op.shape[outer + i] - 1);
            split = split || first[i] != last[i];
        }
    }

    /// Lowest and highest address of a of dot or reduce, or b of dot, over the box of a range of terms.
    function termBounds(Operator memory op, Operand memory view_, uint256 element, uint256 start, uint256 count)
        internal
        pure
        returns (int256 low, int256 high)
    {
        low = high = addressOf(view_, outputCoordinates(op, element));
        (uint256[] memory first, uint256[] memory last) = box(op, start, count);
        for (uint256 i = 0; i < first.length; ++i) {
            int256 stride = view_.strides[op.shape.length - op.reduced + i];
            int256 span = stride * int256(last[i] - first[i]);
            low += stride * int256(first[i]) + (span < 0 ? span : int256(0));
            high += stride * int256(first[i]) + (span < 0 ? int256(0) : span);
        }
    }

    /// Whether a range of terms must be narrowed before the step can open its operands.
    function isWide(Operator memory op, uint256 element, uint256 start, uint256 count) internal pure returns (bool) {
        if (!op.hasTerms()) return false;
        if (count > MAX_STEP_TERMS) return true;
        for (uint256 slot = 0; slot < 2 && slot < op.operands.length; ++slot) {
            Operand memory view_ = op.operands[slot];
            if (view_.source == IMMEDIATE) continue;
            (int256 low, int256 high) = termBounds(op, view_, element, start, count);
            if (chunkOf(view_, low) != chunkOf(view_, high)) return true;
        }
        return false;
    }

    /// The chunk that contains the element at an address.
    function chunkOf(Operand memory view_, int256 address_) internal pure returns (uint256) {
        return uint256(address_) * view_.size / CHUNK;
    }

    /// Terms in each sub-range of a range: the smallest power of two that makes at most 128 of them.
    function subRangeSize(uint256 count) internal pure returns (uint256 size) {
        size = 1;
        while ((count + size - 1) / size > MAX_SUBRANGES) size <<= 1;
    }
}
