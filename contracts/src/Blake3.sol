// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Blake3Compression} from "./Blake3Compression.sol";
import {Trees} from "./Trees.sol";

/// BLAKE3 as a Merkle tree over chunks of 1,024 bytes (protocol, section 2.2).
/// A chaining value is a bytes32: eight u32, little-endian, as the stock libraries print a digest.
library Blake3 {
    uint256 private constant CHUNK_START = 1;
    uint256 private constant CHUNK_END = 2;
    uint256 private constant ROOT = 8;
    uint256 private constant BLOCK = 64;
    /// Lanes of block length and flags of a parent: BLOCK << 64 | PARENT.
    uint256 private constant JOINT = 0x400000000000000004;
    uint256 private constant U32 = type(uint32).max;

    /// Chaining value of chunk number `counter`, 0 to 1,024 bytes; `root` when its tensor has no other chunk.
    function chunkValue(bytes calldata chunk, uint256 counter, bool root) internal pure returns (bytes32 value) {
        uint256 data = Blake3Compression.borrow();
        value = _chunk(data, chunk, counter, root ? ROOT : 0);
        Blake3Compression.giveBack(data);
    }

    /// Chaining value of a parent; `root` when it is the root of its tensor.
    function parent(bytes32 left, bytes32 right, bool root) internal pure returns (bytes32 value) {
        uint256 data = Blake3Compression.borrow();
        value = _parent(data, left, right, root ? ROOT : 0);
        Blake3Compression.giveBack(data);
    }

    /// Whether `chunk` is number `index` of `count` under tensor root `root`.
    function proves(bytes32 root, bytes calldata chunk, uint256 count, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        if (index >= count || path.length != Trees.pathLength(count, index)) return false;
        return above(chunk, count, index, path) == root;
    }

    /// Where a path of the right length leads from chunk number `index` of `count`: to the root of its tensor; an empty
    /// one, to the chaining value of the chunk.
    function above(bytes calldata chunk, uint256 count, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 value)
    {
        uint256 data = Blake3Compression.borrow();
        value = _chunk(data, chunk, index, count == 1 ? ROOT : 0);
        if (path.length > 0) value = _climb(data, value, count, index, path);
        Blake3Compression.giveBack(data);
    }

    /// The tensor root above a chunk's chaining value; `path` must have the right length.
    function climb(bytes32 value, uint256 count, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 root)
    {
        uint256 data = Blake3Compression.borrow();
        root = _climb(data, value, count, index, path);
        Blake3Compression.giveBack(data);
    }

    /// The hash of a node over `count` > 1 chunks from its frontier, which must have the right length; `whole`
    /// when the node is the tensor.
    function foldFrontier(uint256 count, bytes32[] calldata nodes, bool whole) internal pure returns (bytes32 top) {
        uint256 data = Blake3Compression.borrow();
        (top,) = _fold(data, count, Trees.frontierDepth(count), nodes, 0, whole ? ROOT : 0);
        Blake3Compression.giveBack(data);
    }

    // With the workbench borrowed; `data` is free memory

    function _climb(uint256 data, bytes32 value, uint256 count, uint256 index, bytes32[] calldata path)
        private
        pure
        returns (bytes32)
    {
        uint256 next;
        assembly ("memory-safe") {
            next := path.offset
        }
        unchecked {
            // Neighbours pair up level by level and an odd last one moves up alone, as in `Trees`.
            for (; count > 1; count = (count + 1) >> 1) {
                if (index ^ 1 < count) {
                    uint256 d;
                    assembly ("memory-safe") {
                        let right := shl(5, and(index, 1))
                        mstore(add(data, right), value)
                        mstore(add(data, sub(32, right)), calldataload(next))
                        next := add(next, 32)
                        // the flag ROOT where the two are the last
                        d := or(JOINT, shl(3, eq(count, 2)))
                    }
                    value = Blake3Compression.join(data, d);
                }
                index >>= 1;
            }
        }
        return value;
    }

    function _fold(
        uint256 data,
        uint256 count,
        uint256 depth,
        bytes32[] calldata nodes,
        uint256 from,
        uint256 root
    ) private pure returns (bytes32 top, uint256 next) {
        if (count == 1 || depth == 0) return (nodes[from], from + 1);
        uint256 half = Trees.split(count);
        bytes32 right;
        (top, next) = _fold(data, half, depth - 1, nodes, from, 0);
        (right, next) = _fold(data, count - half, depth - 1, nodes, next, 0);
        top = _parent(data, top, right, root);
    }

    function _chunk(uint256 data, bytes calldata chunk, uint256 counter, uint256 root) private pure returns (bytes32) {
        uint256 length = chunk.length;
        assembly ("memory-safe") {
            calldatacopy(data, chunk.offset, length)
            // zeros up to the end of the last block
            calldatacopy(add(data, length), calldatasize(), BLOCK)
        }
        Blake3Compression.begin();
        unchecked {
            uint256 whole = (counter & U32) << 192 | (counter >> 32 & U32) << 128 | BLOCK << 64;
            uint256 flags = CHUNK_END | root;
            if (length > BLOCK) {
                Blake3Compression.absorb(data, data + BLOCK, whole | CHUNK_START);
                uint256 last = data + (length - 1) / BLOCK * BLOCK;
                Blake3Compression.absorb(data + BLOCK, last, whole);
                length -= last - data;
                data = last;
            } else {
                flags |= CHUNK_START;
            }
            Blake3Compression.absorb(data, data + BLOCK, whole - (BLOCK - length << 64) | flags);
        }
        return Blake3Compression.value();
    }

    function _parent(uint256 data, bytes32 left, bytes32 right, uint256 root) private pure returns (bytes32) {
        assembly ("memory-safe") {
            mstore(data, left)
            mstore(add(data, 32), right)
        }
        return Blake3Compression.join(data, JOINT | root);
    }
}
