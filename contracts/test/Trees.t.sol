// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Harness} from "../src/test/Harness.sol";
import {PlainTrees} from "./PlainTrees.sol";
import {Test} from "./Test.sol";

/// Keccak trees against the specification's vectors and against the definition by splits.
contract TreesTest is Test {
    struct TreeVector {
        uint256 count;
        uint256[] firsts;
        bytes32[] frontier;
        uint256 index;
        bytes32[] items;
        bytes32[] path;
        bytes32 root;
        uint256[] sizes;
    }

    struct PostedVector {
        bytes32 commitment;
        bytes[] tensors;
    }

    Harness private harness;

    function setUp() external {
        harness = Harness(deployed("Harness", ""));
    }

    function test_trees_are_the_golden_ones() external view {
        string memory type_ = string.concat(
            "TreeVector(uint256 count,uint256[] firsts,bytes32[] frontier,uint256 index,bytes32[] items,",
            "bytes32[] path,bytes32 root,uint256[] sizes)"
        );
        TreeVector[] memory all =
            abi.decode(vm.parseJsonTypeArray(vectors("primitives.json"), ".trees", type_), (TreeVector[]));
        check(all.length >= 10, "there are vectors");
        for (uint256 i = 0; i < all.length; ++i) {
            TreeVector memory v = all[i];
            equal(harness.rootOf(v.items), v.root, "root");
            equal(PlainTrees.rootOf(v.items), v.root, "plain root");
            check(harness.proves(v.root, PlainTrees.leaf(v.items[v.index]), v.count, v.index, v.path), "path");
            equal(harness.frontierSize(v.count), v.frontier.length, "frontier size");
            equal(harness.foldTrace(v.count, v.frontier), v.root, "frontier");
            for (uint256 child = 0; child < v.frontier.length; ++child) {
                (uint256 first, uint256 size) = harness.frontierChild(v.count, child);
                equal(first, v.firsts[child], "first leaf of a child");
                equal(size, v.sizes[child], "leaves of a child");
            }
        }
    }

    function test_posted_lists_are_the_golden_ones() external view {
        string memory type_ = "PostedVector(bytes32 commitment,bytes[] tensors)";
        PostedVector[] memory all =
            abi.decode(vm.parseJsonTypeArray(vectors("primitives.json"), ".posted", type_), (PostedVector[]));
        check(all.length >= 5, "there are vectors");
        for (uint256 i = 0; i < all.length; ++i) {
            equal(harness.commitment(all[i].tensors), all[i].commitment, "commitment");
        }
    }

    function testFuzz_roots_and_paths(uint256 seed, uint256 place) external view {
        bytes32[] memory items = _items(seed, bounded(seed >> 8, 1, 40));
        uint256 index = bounded(place, 0, items.length - 1);
        bytes32 root = PlainTrees.rootOf(items);
        equal(harness.rootOf(items), root, "root");
        bytes32[] memory path = PlainTrees.pathOf(items, index);
        bytes32 leaf = PlainTrees.leaf(items[index]);
        check(harness.proves(root, leaf, items.length, index, path), "path");
        if (items.length == 1) return;
        check(!harness.proves(root, leaf, items.length, (index + 1) % items.length, path), "another index");
        path[place % path.length] ^= bytes32(uint256(1) << place % 256);
        check(!harness.proves(root, leaf, items.length, index, path), "a changed sibling");
    }

    /// The children of a frontier follow on each other and cover the node; a child is a subtree after as many splits as an
    /// opening of the node shows.
    function testFuzz_a_frontier_covers_its_node(uint40 count_) external view {
        uint256 count = uint256(count_) + 1;
        uint256 size = harness.frontierSize(count);
        check(size <= 64 && (size == count || count > size), "64 hashes at most");
        (uint256 depth, uint256 next) = (PlainTrees.depthOf(count), 0);
        for (uint256 child = 0; child < size; ++child) {
            (uint256 first, uint256 leaves) = harness.frontierChild(count, child);
            equal(first, next, "first leaf of a child");
            (uint256 first_, uint256 leaves_) = PlainTrees.childAt(count, depth, first);
            equal(first, first_, "plain first leaf");
            equal(leaves, leaves_, "plain leaves");
            next += leaves;
        }
        equal(next, count, "leaves of all children");
    }

    function _items(uint256 seed, uint256 count) private pure returns (bytes32[] memory items) {
        items = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            items[i] = keccak256(abi.encode(seed, i));
        }
    }
}
