// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Keccak trees by their definition (protocol, section 2.1): what `Trees.sol` must agree with.
library PlainTrees {
    function leaf(bytes32 item) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), item));
    }

    function rootOf(bytes32[] memory items) internal pure returns (bytes32) {
        return _root(items, 0, items.length);
    }

    /// Siblings of item `index` from the leaf upwards.
    function pathOf(bytes32[] memory items, uint256 index) internal pure returns (bytes32[] memory path) {
        uint256 from;
        uint256 count = items.length;
        while (count > 1) {
            uint256 left = split(count);
            bool goesLeft = index < from + left;
            bytes32 sibling = goesLeft ? _root(items, from + left, count - left) : _root(items, from, left);
            path = _before(sibling, path);
            (from, count) = goesLeft ? (from, left) : (from + left, count - left);
        }
    }

    /// Splits that an opening shows: the fewest with which as few openings lead to a leaf as with six.
    function depthOf(uint256 count) internal pure returns (uint256 depth) {
        uint256 levels;
        while (2 ** levels < count) ++levels;
        uint256 openings;
        while (openings * 6 < levels) ++openings;
        while (openings * depth < levels) ++depth;
    }

    /// The subtree, at most `depth` splits down, that holds leaf `index` of a node over `count` leaves.
    function childAt(uint256 count, uint256 depth, uint256 index) internal pure returns (uint256 from, uint256 size) {
        size = count;
        for (; depth > 0 && size > 1; --depth) {
            uint256 left = split(size);
            (from, size) = index < from + left ? (from, left) : (from + left, size - left);
        }
    }

    /// The largest power of two below `count`.
    function split(uint256 count) internal pure returns (uint256 left) {
        left = 1;
        while (2 * left < count) left = 2 * left;
    }

    function _root(bytes32[] memory items, uint256 from, uint256 count) private pure returns (bytes32) {
        if (count == 1) return leaf(items[from]);
        uint256 left = split(count);
        return
            keccak256(abi.encodePacked(bytes1(0x01), _root(items, from, left), _root(items, from + left, count - left)));
    }

    function _before(bytes32 first, bytes32[] memory rest) private pure returns (bytes32[] memory all) {
        all = new bytes32[](rest.length + 1);
        all[0] = first;
        for (uint256 i = 0; i < rest.length; ++i) {
            all[i + 1] = rest[i];
        }
    }
}
