// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// What `Rows.sol` must agree with, byte by byte. For the tests; no part of a deployment.
library PlainRows {
    /// Element whose first byte is number `at` of `data`; its bytes must be inside.
    function element(bytes calldata data, int256 from, uint256 size) internal pure returns (int256 value) {
        uint256 first = uint256(from);
        for (uint256 i = 0; i < size; ++i) value |= int256(uint256(uint8(data[first + i])) << (8 * i));
        if (value >= int256(1 << (8 * size - 1))) value -= int256(1 << (8 * size));
    }

    function values(bytes calldata data, int256 from, int256 step, uint256 size, uint256 count)
        internal
        pure
        returns (int256[] memory row)
    {
        row = new int256[](count);
        for (uint256 i = 0; i < count; ++i) row[i] = element(data, from + step * int256(i), size);
    }

    function sum(int256[] memory a) internal pure returns (int256 total) {
        for (uint256 i = 0; i < a.length; ++i) total += a[i];
    }

    function sumOfProducts(int256[] memory a, int256[] memory b) internal pure returns (int256 total) {
        for (uint256 i = 0; i < a.length; ++i) total += a[i] * b[i];
    }

    function largestMagnitude(int256[] memory a) internal pure returns (int256 value) {
        for (uint256 i = 0; i < a.length; ++i) {
            int256 x = a[i] < 0 ? -a[i] : a[i];
            if (x > value) value = x;
        }
    }

    /// The largest value, and where it is first reached.
    function largest(int256[] memory a) internal pure returns (int256 value, uint256 first) {
        value = a[0];
        for (uint256 i = 1; i < a.length; ++i) {
            if (a[i] > value) (value, first) = (a[i], i);
        }
    }
}
