// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ground, LayerOpening} from "./Positions.sol";
import {Turns} from "./Turns.sol";
import {Walk} from "./Walk.sol";

/// The moves of a dispute's walk (protocol, section 7.2): who may send them. What they mean is decided by the stateless
/// `Walk`, which has a function of the same signature for each and is handed the calldata as it came.
abstract contract Moves is Turns {
    uint256 private constant NODE_PICK_UNITS = 65_000;
    uint256 private constant PICK_UNITS = 95_000;

    Walk public immutable walk;

    constructor(Walk walk_) {
        if (address(walk_).code.length == 0) revert NoCodeAt(address(walk_));
        walk = walk_;
    }

    // An opening that the contract checks against an earlier hash: anyone's

    function openTrace(bytes32 dispute, bytes32[8] calldata position, bytes32[] calldata nodes) external {
        _advance(dispute, position, address(walk), 0, abi.encodePacked(nodes));
    }

    // Openings that it does not: the executor's or its delegate's, sent or signed

    function openLayer(
        bytes32 dispute,
        bytes32[8] calldata position,
        Ground calldata,
        LayerOpening calldata layer,
        bytes calldata signature
    ) external {
        _open(dispute, position, address(walk), abi.encodePacked(layer.roots), signature);
    }

    function openTensor(
        bytes32 dispute,
        bytes32[8] calldata position,
        bytes32[] calldata nodes,
        bytes calldata signature
    ) external {
        _open(dispute, position, address(walk), abi.encodePacked(nodes), signature);
    }

    function openChunk(
        bytes32 dispute,
        bytes32[8] calldata position,
        bytes calldata chunk,
        bytes calldata signature
    ) external {
        _open(dispute, position, address(walk), chunk, signature);
    }

    function openTerms(
        bytes32 dispute,
        bytes32[8] calldata position,
        bytes calldata,
        bytes calldata values,
        bytes calldata signature
    ) external {
        _open(dispute, position, address(walk), values, signature);
    }

    // Picks: the challenger's

    function pickTrace(bytes32 dispute, bytes32[8] calldata position, bytes32[] calldata, uint256) external {
        _advance(dispute, position, address(walk), NODE_PICK_UNITS, "");
    }

    function pickOperator(
        bytes32 dispute,
        bytes32[8] calldata position,
        bytes32,
        bytes32[] calldata,
        uint256,
        bytes calldata,
        bytes32[] calldata
    ) external {
        _advance(dispute, position, address(walk), PICK_UNITS, "");
    }

    function pickTensor(bytes32 dispute, bytes32[8] calldata position, bytes32[] calldata, uint256) external {
        _advance(dispute, position, address(walk), NODE_PICK_UNITS, "");
    }

    function pickElement(bytes32 dispute, bytes32[8] calldata position, bytes calldata, bytes calldata, uint256)
        external
    {
        _advance(dispute, position, address(walk), PICK_UNITS, "");
    }

    function pickTerms(
        bytes32 dispute,
        bytes32[8] calldata position,
        bytes calldata,
        bytes calldata,
        uint256,
        bytes32[] calldata
    ) external {
        _advance(dispute, position, address(walk), PICK_UNITS, "");
    }
}
