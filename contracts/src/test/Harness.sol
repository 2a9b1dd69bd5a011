// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Blake3} from "../Blake3.sol";
import {Operators} from "../Operators.sol";
import {Posted} from "../Posted.sol";
import {Rows} from "../Rows.sol";
import {Rules} from "../Rules.sol";
import {Signatures} from "../Signatures.sol";
import {Trees} from "../Trees.sol";

/// Opens the internal libraries to the tests. No part of a deployment.
contract Harness {
    function chunkValue(bytes calldata chunk, uint256 counter, bool root) external pure returns (bytes32) {
        return Blake3.chunkValue(chunk, counter, root);
    }

    function parent(bytes32 left, bytes32 right, bool root) external pure returns (bytes32) {
        return Blake3.parent(left, right, root);
    }

    /// Hashes a chunk while other memory is held: the root over `items` before and after must be the same.
    function hashAround(bytes calldata chunk, bytes32[] calldata items)
        external
        pure
        returns (bytes32 before, bytes32 value, bytes32 afterwards)
    {
        bytes32[] memory held = new bytes32[](items.length);
        for (uint256 i = 0; i < items.length; ++i) held[i] = Trees.leafOf(items[i]);
        before = Trees.rootOf(items);
        value = Blake3.chunkValue(chunk, 0, true);
        afterwards = Trees.fold(held);
    }

    function chunkProves(bytes32 root, bytes calldata chunk, uint256 count, uint256 index, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return Blake3.proves(root, chunk, count, index, path);
    }

    function foldTensor(uint256 count, bytes32[] calldata nodes, bool whole) external pure returns (bytes32) {
        return Blake3.foldFrontier(count, nodes, whole);
    }

    function proves(bytes32 root, bytes32 start, uint256 count, uint256 index, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return Trees.proves(root, start, count, index, path);
    }

    function rootOf(bytes32[] calldata items) external pure returns (bytes32) {
        return Trees.rootOf(items);
    }

    function frontierSize(uint256 count) external pure returns (uint256) {
        return Trees.frontierSize(count, Trees.frontierDepth(count));
    }

    function frontierChild(uint256 count, uint256 child) external pure returns (uint256 first, uint256 size) {
        return Trees.frontierChild(count, Trees.frontierDepth(count), child);
    }

    function foldTrace(uint256 count, bytes32[] calldata nodes) external pure returns (bytes32 top) {
        (top,) = Trees.foldFrontier(count, Trees.frontierDepth(count), nodes, 0, Trees.node);
    }

    function commitment(bytes[] calldata tensors) external pure returns (bytes32) {
        return Posted.commitment(tensors);
    }

    function fault(bytes calldata record, uint256 layer, uint256 index) external pure returns (bytes4 rule) {
        (, rule) = Rules.fault(record, layer, index);
    }

    function layerFault(bytes calldata record) external pure returns (bytes4 rule) {
        (,,, rule) = Rules.layerOf(record);
    }

    /// Sum, maximum, where it comes first, and largest magnitude of a row whose first element is byte `from`.
    function row(bytes calldata data, uint256 from, int256 step, uint256 size, uint256 count)
        external
        pure
        returns (int256 sum, int256 largest, uint256 first, int256 magnitude)
    {
        assembly ("memory-safe") {
            from := add(from, data.offset)
        }
        sum = Rows.sum(from, uint256(step), size, count);
        (largest, first) = Rows.largest(from, uint256(step), size, count);
        magnitude = Rows.largestMagnitude(from, uint256(step), size, count);
    }

    /// Sum of products of two rows of one string of bytes; of each: first byte, step, size.
    function products(bytes calldata data, int256[3] calldata a, int256[3] calldata b, uint256 count)
        external
        pure
        returns (int256)
    {
        uint256 offset;
        assembly ("memory-safe") {
            offset := data.offset
        }
        return Rows.sumOfProducts(
            offset + uint256(a[0]),
            uint256(a[1]),
            uint256(a[2]),
            offset + uint256(b[0]),
            uint256(b[1]),
            uint256(b[2]),
            count
        );
    }

    function rescale(int256 acc, int256 m, int256 c, uint256 s, uint256 t) external pure returns (int256) {
        return Operators.rescale(acc, m, c, s, t);
    }

    function divide(int256 a, int256 b, int256 m, int256 c, uint256 t) external pure returns (int256) {
        return Operators.divide(a, b, m, c, t);
    }

    function recip(int256 a, uint256 k) external pure returns (int256) {
        return Operators.recip(a, k);
    }

    function rsqrt(int256 a, uint256 k) external pure returns (int256) {
        return Operators.rsqrt(a, k);
    }

    function isqrt(int256 x) external pure returns (int256) {
        return Operators.isqrt(x);
    }

    function signer(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Signatures.signer(digest, signature);
    }
}
