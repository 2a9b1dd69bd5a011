// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {PlainBlake3} from "./PlainBlake3.sol";
import {PlainRows} from "./PlainRows.sol";

/// The plain versions of what is in assembly, under the names and arguments of `Harness`. No part of a deployment.
contract Plain {
    function chunkValue(bytes calldata chunk, uint64 counter, bool root) external pure returns (bytes32) {
        return PlainBlake3.chunkValue(chunk, counter, root);
    }

    function parent(bytes32 left, bytes32 right, bool root) external pure returns (bytes32) {
        return PlainBlake3.parent(left, right, root);
    }

    function row(bytes calldata data, int256 from, int256 step, uint256 size, uint256 count)
        external
        pure
        returns (int256 sum, int256 largest, uint256 first, int256 magnitude)
    {
        int256[] memory values = PlainRows.values(data, from, step, size, count);
        sum = PlainRows.sum(values);
        (largest, first) = PlainRows.largest(values);
        magnitude = PlainRows.largestMagnitude(values);
    }

    function products(bytes calldata data, int256[3] calldata a, int256[3] calldata b, uint256 count)
        external
        pure
        returns (int256)
    {
        return PlainRows.sumOfProducts(
            PlainRows.values(data, a[0], a[1], uint256(a[2]), count),
            PlainRows.values(data, b[0], b[1], uint256(b[2]), count)
        );
    }
}
