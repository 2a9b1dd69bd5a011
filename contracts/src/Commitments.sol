// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Blake3} from "./Blake3.sol";
import {MoveErrors} from "./Errors.sol";
import {Heads} from "./Heads.sol";
import {Interface, Interfaces, Output} from "./Interfaces.sol";
import {Openings} from "./Openings.sol";
import {Opening, Phase, Position, Positions} from "./Positions.sol";
import {Posted} from "./Posted.sol";
import {Trees} from "./Trees.sol";

/// What a proof of a differing output is about: it holds for a claim with these commitments only.
struct Seam {
    bytes32 model;
    bytes32 interfaceHash;
    bytes32 outputs;
    bytes32 traceRoot;
}

/// Proofs that something is not what was committed (protocol, section 7.2): an opening of the walk that was not checked
/// when it was made, an output that is not its checkpoint. Pure, like `Walk`, and called in the same way. Each function
/// but `rootAbove` returns if the executor is refuted and reverts in every other case, so that no failure can be taken for a verdict.
contract Commitments {
    // Openings of the walk

    /// The opened nodes do not fold to the one in dispute.
    function refuteNodes(bytes32, bytes32[8] calldata from, bytes32[] calldata nodes) external pure {
        Position memory position = Positions.read(from, Phase.TENSOR_PICK);
        if (Trees.hashOf(nodes) != position.opened) revert MoveErrors.NotWhatWasOpened();
        bool whole = position.start == 0 && position.count == Posted.chunks(position.length);
        bytes32 top = Blake3.foldFrontier(position.count, nodes, whole);
        if (top == position.node) revert MoveErrors.OpeningHolds();
    }

    /// The opened bytes do not hash to the chunk in dispute.
    function refuteChunk(bytes32, bytes32[8] calldata from, bytes calldata chunk) external pure {
        Position memory position = Positions.read(from, Phase.ELEMENT_PICK);
        if (keccak256(chunk) != position.opened) revert MoveErrors.NotWhatWasOpened();
        bool only = Posted.chunks(position.length) == 1;
        bytes32 value = Blake3.chunkValue(chunk, position.start, only);
        if (value == position.node) revert MoveErrors.OpeningHolds();
    }

    /// The tensor root above chunk number `index` of `count`, whose chaining value is `value`; the path must have the
    /// right length. For `Walk`, which does not hash with BLAKE3 itself.
    function rootAbove(bytes32 value, uint256 count, uint256 index, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return Blake3.climb(value, count, index, path);
    }

    // The last checkpoint

    /// Returns what a proof that an output differs from its checkpoint is about; reverts if it proves nothing.
    /// The caller compares every field with the claim.
    /// INVARIANT: [inv 4] the last checkpoint is bound to the posted output.
    function proveOutput(
        bytes32,
        bytes calldata head,
        bytes calldata interface_,
        uint256 number,
        uint256 chunk,
        Opening calldata posted,
        Opening calldata committed
    ) external pure returns (Seam memory seam) {
        if (head.length != Heads.SIZE) revert MoveErrors.WrongHeadLength();
        seam.model = Heads.modelId(head);
        seam.interfaceHash = keccak256(interface_);
        seam.outputs = keccak256(posted.posted);
        Output memory output = _output(interface_, number);
        if (chunk >= Posted.chunks(output.length)) revert MoveErrors.NoSuchChunk();
        Openings.checkLength(posted, output.length, chunk);
        Openings.checkLength(committed, output.length, chunk);
        Openings.checkPosted(posted, number, output.length, chunk);
        uint256 layers = Heads.decode(head).layers;
        seam.traceRoot = Openings.checkpointTop(committed, layers, output.layer, output.slot, output.slots);
        Openings.checkChunk(committed, committed.root, output.length, chunk);
        if (keccak256(posted.chunk) == keccak256(committed.chunk)) revert MoveErrors.OutputsAgree();
    }

    function _output(bytes calldata interface_, uint256 number) private pure returns (Output memory) {
        (Interface memory declared,) = Interfaces.decode(interface_);
        if (number >= declared.outputs.length) revert MoveErrors.NoSuchOutput();
        return declared.outputs[number];
    }
}
