// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Trees} from "../src/Trees.sol";
import {Property} from "./Property.sol";

/// A root binds what lies below it [inv 4]. Keccak-256 is taken to have no collisions.
contract TreesProperties is Property {
    uint256 private constant LEAVES = 9;
    uint256 private constant ITEMS = 6;

    function check_a_path_proves_one_leaf(
        bytes32 root,
        bytes32 a,
        bytes32 b,
        bytes32[4] memory p,
        bytes32[4] memory q,
        uint8 shape
    ) external view {
        (uint256 count, uint256 index) = _place(shape);
        uint256 length = Trees.pathLength(count, index);
        vm.assume(this.proves(root, a, count, index, _list(p, length)));
        vm.assume(this.proves(root, b, count, index, _list(q, length)));
        assert(a == b);
    }

    function check_a_path_has_the_length_of_its_place(bytes32 a, uint8 index, bytes32[4] memory p, uint8 shape)
        external
        view
    {
        (uint256 count, uint256 length) = _place(shape);
        vm.assume(length <= 4);
        (bool ok,) = this.climb(a, count, index, _list(p, length));
        assert(ok == (index < count && length == Trees.pathLength(count, index)));
    }

    /// A node's hash has other content than a leaf's.
    function check_a_leaf_is_no_node(bytes32 item, bytes32 left, bytes32 right) external pure {
        assert(Trees.leafOf(item) != Trees.node(left, right));
    }

    function check_a_root_has_one_list_of_items(bytes32[LEAVES] memory a, bytes32[LEAVES] memory b, uint8 shape)
        external
        view
    {
        (uint256 count, uint256 index) = _place(shape);
        vm.assume(count <= ITEMS);
        vm.assume(this.rootOf(_items(a, count)) == this.rootOf(_items(b, count)));
        assert(a[index] == b[index]);
    }

    function proves(bytes32 root, bytes32 start, uint256 count, uint256 index, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return Trees.proves(root, start, count, index, path);
    }

    function climb(bytes32 start, uint256 count, uint256 index, bytes32[] calldata path)
        external
        pure
        returns (bool, bytes32)
    {
        return Trees.climb(start, count, index, path);
    }

    function rootOf(bytes32[] calldata items) external pure returns (bytes32) {
        return Trees.rootOf(items);
    }

    /// Every number of leaves up to LEAVES, with every place among them.
    function _place(uint8 shape) private pure returns (uint256 count, uint256 index) {
        uint256 number = 0;
        for (count = 1; count <= LEAVES; ++count) {
            for (index = 0; index < count; ++index) {
                if (number++ == shape) return (count, index);
            }
        }
        vm.assume(false);
    }

    function _list(bytes32[4] memory words, uint256 length) private pure returns (bytes32[] memory list) {
        list = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            list[i] = words[i];
        }
    }

    function _items(bytes32[LEAVES] memory words, uint256 length) private pure returns (bytes32[] memory list) {
        list = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            list[i] = words[i];
        }
    }
}
