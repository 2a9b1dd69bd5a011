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

    /// The initial chaining value's lanes.
    uint256 private constant IV_LOW = 0xa54ff53a000000003c6ef37200000000bb67ae85000000006a09e667;
    uint256 private constant IV_HIGH = 0x5be0cd19000000001f83d9ab000000009b05688c00000000510e527f;

    /// Chaining value of chunk number `counter`, 0 to 1,024 bytes; `root` when its tensor has no other chunk.
    function chunkValue(bytes calldata chunk, uint256 counter, bool root) internal pure returns (bytes32) {
        uint256 length = chunk.length;
        uint256 data = Blake3Compression.borrow();
        assembly ("memory-safe") {
            calldatacopy(data, chunk.offset, length)
            // zeros up to the end of the last block
            calldatacopy(add(data, length), calldatasize(), BLOCK)
        }
        (uint256 low, uint256 high) = (IV_LOW, IV_HIGH);
        uint256 flags = CHUNK_START;
        uint256 block_ = data;
        unchecked {
            for (; length > BLOCK; length -= BLOCK) {
                (low, high) = Blake3Compression.compress(low, high, _last(counter, BLOCK, flags), block_);
                flags = 0;
                block_ += BLOCK;
            }
        }
        flags |= CHUNK_END | (root ? ROOT : 0);
        (low, high) = Blake3Compression.compress(low, high, _last(counter, length, flags), block_);
        Blake3Compression.giveBack(data);
        return _pack(low, high);
    }

    /// Chaining value of an inner parent.
    function parent(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return _parent(left, right, PARENT);
    }

    /// The root of a tensor of more than one chunk, from its two children.
    function rootParent(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return _parent(left, right, PARENT | ROOT);
    }

    /// Whether chaining value `start` is chunk `index` of `count` under tensor root `root`.
    function proves(bytes32 root, bytes32 start, uint256 count, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        if (index >= count) return false;
        (uint256 lefts, uint256 length) = Trees.sides(count, index);
        if (length != path.length) return false;
        for (uint256 i = 0; i < length; ++i) {
            bytes32 sibling = path[i];
            (bytes32 left, bytes32 right) = lefts & 1 == 1 ? (sibling, start) : (start, sibling);
            start = i == length - 1 ? rootParent(left, right) : parent(left, right);
            lefts >>= 1;
        }
        return start == root;
    }

    /// The hash of a node over `count` > 1 chunks from its frontier, which must have the right length; `whole`
    /// when the node is the tensor.
    function foldFrontier(uint256 count, bytes32[] calldata nodes, bool whole) internal pure returns (bytes32) {
        uint256 half = Trees.split(count);
        uint256 depth = Trees.FRONTIER_DEPTH - 1;
        (bytes32 left, uint256 next) = Trees.foldFrontier(half, depth, nodes, 0, parent);
        (bytes32 right,) = Trees.foldFrontier(count - half, depth, nodes, next, parent);
        return whole ? rootParent(left, right) : parent(left, right);
    }

    function _parent(bytes32 left, bytes32 right, uint256 flags) private pure returns (bytes32) {
        uint256 data = Blake3Compression.borrow();
        assembly ("memory-safe") {
            mstore(data, left)
            mstore(add(data, 32), right)
        }
        (uint256 low, uint256 high) = Blake3Compression.compress(IV_LOW, IV_HIGH, _last(0, BLOCK, flags), data);
        Blake3Compression.giveBack(data);
        return _pack(low, high);
    }

    /// The last row of the state: counter (two words), block length, flags.
    function _last(uint256 counter, uint256 length, uint256 flags) private pure returns (uint256) {
        return (counter & 0xffffffff) | (counter >> 32 & 0xffffffff) << 64 | length << 128 | flags << 192;
    }

    /// Eight words out of their lanes, little-endian, first word first.
    function _pack(uint256 low, uint256 high) private pure returns (bytes32) {
        return bytes32(_packHalf(low) << 128 | _packHalf(high));
    }

    function _packHalf(uint256 lanes) private pure returns (uint256 x) {
        x = (lanes & 0xffffffff) << 96 | (lanes >> 64 & 0xffffffff) << 64 | (lanes >> 128 & 0xffffffff) << 32
            | lanes >> 192;
        x = (x & 0x00ff00ff00ff00ff00ff00ff00ff00ff) << 8 | (x >> 8 & 0x00ff00ff00ff00ff00ff00ff00ff00ff);
        x = (x & 0x0000ffff0000ffff0000ffff0000ffff) << 16 | (x >> 16 & 0x0000ffff0000ffff0000ffff0000ffff);
    }
}
