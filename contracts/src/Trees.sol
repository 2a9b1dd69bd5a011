// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Keccak trees without padding, and the shape that they share with BLAKE3 (protocol, section 2.1).
///
/// A node over n > 1 leaves splits at the largest power of two below n, so the shape of the tree, the length of
/// a path and the side of each sibling follow from counts alone, which come from the committed program.
library Trees {
    /// Most splits below a node that one opening shows.
    uint256 private constant MAX_DEPTH = 6;
    /// Splits below the trace root that a claim shows.
    uint256 internal constant CLAIM_DEPTH = 3;

    function leaf(bytes calldata item) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 0x00)
            calldatacopy(add(free, 1), item.offset, item.length)
            digest := keccak256(free, add(item.length, 1))
        }
    }

    function leafOf(bytes32 item) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            mstore8(0x00, 0x00)
            mstore(0x01, item)
            digest := keccak256(0x00, 0x21)
        }
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 0x01)
            mstore(add(free, 0x01), left)
            mstore(add(free, 0x21), right)
            digest := keccak256(free, 0x41)
        }
    }

    /// keccak of a list of hashes, packed.
    function hashOf(bytes32[] calldata list) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            let size := shl(5, list.length)
            calldatacopy(free, list.offset, size)
            digest := keccak256(free, size)
        }
    }

    /// Leaves on the left of a node over `count` > 1 leaves.
    function split(uint256 count) internal pure returns (uint256 left) {
        unchecked {
            left = 1;
            while (left << 1 < count) left <<= 1;
        }
    }

    // Paths

    /// Siblings on the path of leaf `index` < `count`: level by level neighbours pair up, and an odd last one moves
    /// up alone.
    function pathLength(uint256 count, uint256 index) internal pure returns (uint256 length) {
        unchecked {
            for (; count > 1; count = (count + 1) >> 1) {
                if (index & 1 == 1 || index + 1 < count) ++length;
                index >>= 1;
            }
        }
    }

    /// The root that a path leads to from leaf hash `start`; `ok` is false if the index is outside the tree or the
    /// path has another length than its place demands.
    function climb(bytes32 start, uint256 count, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bool ok, bytes32 top)
    {
        if (index >= count || path.length != pathLength(count, index)) return (false, 0);
        ok = true;
        top = start;
        unchecked {
            uint256 i;
            for (; count > 1; count = (count + 1) >> 1) {
                if (index & 1 == 1) top = node(path[i++], top);
                else if (index + 1 < count) top = node(top, path[i++]);
                index >>= 1;
            }
        }
    }

    /// Whether `start` is leaf `index` of `count` under `root`.
    function proves(bytes32 root, bytes32 start, uint256 count, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        (bool ok, bytes32 top) = climb(start, count, index, path);
        return ok && top == root;
    }

    // Roots

    /// Root over leaf hashes, at least one; overwrites them.
    function fold(bytes32[] memory leaves) internal pure returns (bytes32) {
        unchecked {
            uint256 size = leaves.length;
            // Neighbours pair up level by level and an odd last one moves up alone: the same tree as splitting at the
            // largest power of two.
            while (size > 1) {
                uint256 pairs = size / 2;
                for (uint256 i = 0; i < pairs; ++i) {
                    leaves[i] = node(leaves[2 * i], leaves[2 * i + 1]);
                }
                if (size % 2 == 1) leaves[pairs] = leaves[size - 1];
                size = pairs + size % 2;
            }
            return leaves[0];
        }
    }

    /// Root of the tree over 32-byte items.
    function rootOf(bytes32[] calldata items) internal pure returns (bytes32) {
        unchecked {
            bytes32[] memory leaves = new bytes32[](items.length);
            for (uint256 i = 0; i < items.length; ++i) leaves[i] = leafOf(items[i]);
            return fold(leaves);
        }
    }

    // Frontiers

    /// Splits below a node over `count` leaves that one opening shows: as few openings as MAX_DEPTH allows lead to a
    /// leaf, and they are as equal as possible.
    function frontierDepth(uint256 count) internal pure returns (uint256 depth) {
        unchecked {
            uint256 levels;
            while (1 << levels < count) ++levels;
            if (levels == 0) return 0;
            uint256 openings = (levels + MAX_DEPTH - 1) / MAX_DEPTH;
            depth = (levels + openings - 1) / openings;
        }
    }

    /// Subtrees in the frontier of a node over `count` leaves, `depth` splits down.
    function frontierSize(uint256 count, uint256 depth) internal pure returns (uint256 size) {
        unchecked {
            while (count > 1 && depth > 0) {
                uint256 half = split(count);
                --depth;
                size += _fullFrontier(half, depth);
                count -= half;
            }
            ++size;
        }
    }

    /// First leaf and number of leaves of subtree `child` of the frontier; `child` must exist.
    function frontierChild(uint256 count, uint256 depth, uint256 child)
        internal
        pure
        returns (uint256 first, uint256 size)
    {
        unchecked {
            while (count > 1 && depth > 0) {
                uint256 half = split(count);
                uint256 below = _fullFrontier(half, --depth);
                if (child < below) {
                    count = half;
                } else {
                    child -= below;
                    first += half;
                    count -= half;
                }
            }
            size = count;
        }
    }

    /// The hash of a subtree of `count` leaves, `depth` splits above its frontier, whose hashes start at
    /// `nodes[from]`; and where the next subtree's start.
    function foldFrontier(
        uint256 count,
        uint256 depth,
        bytes32[] calldata nodes,
        uint256 from,
        function(bytes32, bytes32) pure returns (bytes32) join
    ) internal pure returns (bytes32 top, uint256 next) {
        unchecked {
            if (count == 1 || depth == 0) return (nodes[from], from + 1);
            uint256 half = split(count);
            bytes32 right;
            (top, next) = foldFrontier(half, depth - 1, nodes, from, join);
            (right, next) = foldFrontier(count - half, depth - 1, nodes, next, join);
            top = join(top, right);
        }
    }

    /// Frontier of a subtree of `count` leaves, a power of two.
    function _fullFrontier(uint256 count, uint256 depth) private pure returns (uint256) {
        return count < 1 << depth ? count : 1 << depth;
    }
}
