// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Readers} from "./Readers.sol";

/// A model's head (protocol, section 3.5).
struct Head {
    uint256 version;
    uint256 layers;
    uint256 operators;
    bytes32 interfaceHash;
    bytes32 layersRoot;
}

library Heads {
    uint256 internal constant SIZE = 74;

    /// The fields of a head of exactly SIZE bytes.
    function decode(bytes calldata data) internal pure returns (Head memory head) {
        uint256 start;
        assembly ("memory-safe") {
            start := data.offset
        }
        unchecked {
            uint256 first = Readers.load(start);
            head.version = first >> 240;
            head.layers = first >> 208 & type(uint32).max;
            head.operators = first >> 176 & type(uint32).max;
            head.interfaceHash = bytes32(Readers.load(start + 10));
            head.layersRoot = bytes32(Readers.load(start + 42));
        }
    }

    function modelId(bytes calldata data) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("refute.model.v1", data));
    }
}
