// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// One element of a linear layer as one would write it first: what the game is compared with. No part of a deployment.
contract Naive {
    /// The sum of `count` products of little-endian i16 by i8, one after the other.
    function dot(bytes calldata a, bytes calldata b, uint256 count) external pure returns (int256 sum) {
        for (uint256 i = 0; i < count; ++i) {
            int256 x = int16(uint16(uint8(a[2 * i])) | uint16(uint8(a[2 * i + 1])) << 8);
            int256 y = int8(uint8(b[i]));
            sum += x * y;
        }
    }
}
