// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Harness} from "../src/test/Harness.sol";
import {Plain} from "../src/test/Plain.sol";
import {Test} from "./Test.sol";

/// BLAKE3 against the stock library's vectors, and the assembly against the plain version.
contract Blake3Test is Test {
    struct ChunkVector {
        uint256 counter;
        bytes data;
        bool root;
        bytes32 value;
    }

    struct ParentVector {
        bytes32 left;
        bytes32 right;
        bool root;
        bytes32 value;
    }

    struct TensorVector {
        bytes chunk;
        uint256 count;
        bytes32[] frontier;
        uint256 index;
        bytes32[] path;
        bytes32 root;
    }

    Harness private harness;
    Plain private plain;
    string private json;

    function setUp() external {
        harness = Harness(deployed("Harness", ""));
        plain = Plain(deployed("Plain", ""));
        json = vectors("primitives.json");
    }

    function test_chunks_are_the_golden_ones() external view {
        string memory type_ = "ChunkVector(uint256 counter,bytes data,bool root,bytes32 value)";
        ChunkVector[] memory all = abi.decode(vm.parseJsonTypeArray(json, ".chunks", type_), (ChunkVector[]));
        check(all.length >= 30, "there are vectors");
        for (uint256 i = 0; i < all.length; ++i) {
            ChunkVector memory v = all[i];
            equal(harness.chunkValue(v.data, v.counter, v.root), v.value, "chunk");
            equal(plain.chunkValue(v.data, uint64(v.counter), v.root), v.value, "plain chunk");
        }
    }

    function test_parents_are_the_golden_ones() external view {
        string memory type_ = "ParentVector(bytes32 left,bytes32 right,bool root,bytes32 value)";
        ParentVector[] memory all = abi.decode(vm.parseJsonTypeArray(json, ".parents", type_), (ParentVector[]));
        check(all.length >= 6, "there are vectors");
        for (uint256 i = 0; i < all.length; ++i) {
            equal(harness.parent(all[i].left, all[i].right, all[i].root), all[i].value, "parent");
        }
    }

    function test_tensors_are_the_golden_ones() external view {
        string memory type_ =
            "TensorVector(bytes chunk,uint256 count,bytes32[] frontier,uint256 index,bytes32[] path,bytes32 root)";
        TensorVector[] memory all = abi.decode(vm.parseJsonTypeArray(json, ".tensors", type_), (TensorVector[]));
        check(all.length >= 10, "there are vectors");
        for (uint256 i = 0; i < all.length; ++i) {
            TensorVector memory v = all[i];
            equal(harness.foldTensor(v.count, v.frontier, true), v.root, "frontier");
            check(harness.chunkProves(v.root, v.chunk, v.count, v.index, v.path), "path");
            check(!harness.chunkProves(v.root, v.chunk, v.count, (v.index + 1) % v.count, v.path), "another index");
        }
    }

    /// Mostly short ones: a block more is the same loop once more.
    function testFuzz_a_chunk_is_the_plain_one(uint256 seed, uint64 counter, bool root) external view {
        bytes memory chunk = data(seed, bounded(seed >> 8, 0, seed % 16 == 0 ? 1024 : 192));
        equal(harness.chunkValue(chunk, counter, root), plain.chunkValue(chunk, counter, root), "chunk");
    }

    function testFuzz_a_parent_is_the_plain_one(bytes32 left, bytes32 right, bool root) external view {
        equal(harness.parent(left, right, root), plain.parent(left, right, root), "parent");
    }

    /// A tensor of two chunks: root and paths by the plain version.
    function testFuzz_a_path_proves_its_chunk_alone(uint256 seed, uint256 place) external view {
        bytes memory second = data(seed, bounded(seed >> 8, 1, 100));
        bytes32[] memory path = new bytes32[](1);
        path[0] = keccak256(abi.encode(seed));
        bytes32 root = plain.parent(path[0], plain.chunkValue(second, 1, false), true);
        check(harness.chunkProves(root, second, 2, 1, path), "chunk 1");
        second[bounded(place, 0, second.length - 1)] ^= bytes1(uint8(1 << seed % 8));
        check(!harness.chunkProves(root, second, 2, 1, path), "a changed chunk");
    }
}
