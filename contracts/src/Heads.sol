// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

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
        head.version = uint16(bytes2(data[0:2]));
        head.layers = uint32(bytes4(data[2:6]));
        head.operators = uint32(bytes4(data[6:10]));
        head.interfaceHash = bytes32(data[10:42]);
        head.layersRoot = bytes32(data[42:74]);
    }

    function modelId(bytes calldata data) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("refute.model.v1", data));
    }
}
