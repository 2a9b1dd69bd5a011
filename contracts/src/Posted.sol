// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Readers} from "./Readers.sol";
import {Trees} from "./Trees.sol";

/// Tensors posted in a transaction: their commitment, and how a chunk of one is shown (protocol, section 2.3).
library Posted {
    uint256 internal constant CHUNK = 1024;
    uint256 internal constant ENTRY = 40;

    /// Chunks of a tensor of `length` bytes.
    function chunks(uint256 length) internal pure returns (uint256) {
        unchecked {
            return length <= CHUNK ? 1 : (length + CHUNK - 1) / CHUNK;
        }
    }

    /// Bytes of chunk number `chunk`, which exists.
    function chunkLength(uint256 length, uint256 chunk) internal pure returns (uint256) {
        uint256 left = length - CHUNK * chunk;
        return left < CHUNK ? left : CHUNK;
    }

    /// keccak of the list of (length, root) of the tensors.
    function commitment(bytes[] calldata tensors) internal pure returns (bytes32) {
        bytes memory list;
        for (uint256 i = 0; i < tensors.length; ++i) {
            list = abi.encodePacked(list, uint64(tensors[i].length), root(tensors[i]));
        }
        return keccak256(list);
    }

    /// Root of the keccak tree over the tensor's chunks.
    function root(bytes calldata tensor) internal pure returns (bytes32) {
        unchecked {
            bytes32[] memory leaves = new bytes32[](chunks(tensor.length));
            for (uint256 i = 0; i < leaves.length; ++i) {
                uint256 size = chunkLength(tensor.length, i);
                bytes32 digest;
                assembly ("memory-safe") {
                    let free := mload(0x40)
                    mstore8(free, 0x00)
                    calldatacopy(add(free, 1), add(tensor.offset, mul(i, CHUNK)), size)
                    digest := keccak256(free, add(size, 1))
                }
                leaves[i] = digest;
            }
            return Trees.fold(leaves);
        }
    }

    /// Length and root of tensor `number` of a posted list; `ok` is false if the list is shorter.
    function entry(bytes calldata list, uint256 number)
        internal
        pure
        returns (bool ok, uint256 length, bytes32 tensorRoot)
    {
        uint256 from = ENTRY * number;
        if (list.length < from + ENTRY) return (false, 0, 0);
        uint256 place;
        assembly ("memory-safe") {
            place := add(list.offset, from)
        }
        length = Readers.load(place) >> 192;
        tensorRoot = bytes32(Readers.load(place + 8));
        ok = true;
    }
}
