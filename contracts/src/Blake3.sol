// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Blake3Compression} from "./Blake3Compression.sol";
import {Trees} from "./Trees.sol";

/// BLAKE3 as a Merkle tree over chunks of 1,024 bytes (protocol, section 2.2).
/// A chaining value is a bytes32: eight u32, little-endian, as the stock libraries print a digest.
library Blake3 {
    uint256 private constant CHUNK_START = 1;
    uint256 private constant CHUNK_END = 2;
    uint256 private constant PARENT = 4;
    uint256 private constant ROOT = 8;
    uint256 private constant BLOCK = 64;
    uint256 private constant U32 = type(uint32).max;
    uint256 private constant U64 = type(uint64).max;
    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;

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
        uint256 data = Blake3Compression.borrow();
        bytes32 value = _chunk(data, chunk, index, count == 1 ? ROOT : 0);
        uint256 next;
        assembly ("memory-safe") {
            next := path.offset
        }
        unchecked {
            // Neighbours pair up level by level and an odd last one moves up alone, as in `Trees`.
            while (count > 1) {
                if (index & 1 == 1 || index + 1 < count) {
                    assembly ("memory-safe") {
                        let onLeft := and(index, 1)
                        mstore(add(data, shl(5, onLeft)), value)
                        mstore(add(data, shl(5, iszero(onLeft))), calldataload(next))
                        next := add(next, 32)
                    }
                    value = _join(data, count == 2 ? ROOT : 0);
                }
                index >>= 1;
                count = (count + 1) >> 1;
            }
        }
        Blake3Compression.giveBack(data);
        return value == root;
    }

    /// The hash of a node over `count` > 1 chunks from its frontier, which must have the right length; `whole`
    /// when the node is the tensor.
    function foldFrontier(uint256 count, bytes32[] calldata nodes, bool whole) internal pure returns (bytes32 top) {
        uint256 data = Blake3Compression.borrow();
        (top,) = _fold(data, count, Trees.frontierDepth(count), nodes, 0, whole ? ROOT : 0);
        Blake3Compression.giveBack(data);
    }

    // With the workbench borrowed; `data` is free memory

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
        return _value();
    }

    function _parent(uint256 data, bytes32 left, bytes32 right, uint256 root) private pure returns (bytes32) {
        assembly ("memory-safe") {
            mstore(data, left)
            mstore(add(data, 32), right)
        }
        return _join(data, root);
    }

    /// The parent of the two chaining values at `data`.
    function _join(uint256 data, uint256 root) private pure returns (bytes32) {
        Blake3Compression.begin();
        unchecked {
            Blake3Compression.absorb(data, data + BLOCK, BLOCK << 64 | PARENT | root);
        }
        return _value();
    }

    /// The chaining value: eight words out of their lanes, little-endian, first word first.
    function _value() private pure returns (bytes32) {
        (uint256 low, uint256 high) = Blake3Compression.state();
        uint256 x = _dense(low) << 128 | _dense(high);
        x = (x & BYTES) << 8 | (x >> 8 & BYTES);
        return bytes32((x & PAIRS) << 16 | (x >> 16 & PAIRS));
    }

    /// Four u32 out of 64-bit lanes, close together.
    function _dense(uint256 lanes) private pure returns (uint256) {
        uint256 pairs = (lanes | lanes >> 32) & (U64 << 128 | U64);
        return (pairs | pairs >> 64) & type(uint128).max;
    }
}
