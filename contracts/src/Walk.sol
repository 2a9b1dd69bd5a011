// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Commitments} from "./Commitments.sol";
import {MoveErrors} from "./Errors.sol";
import {Narrowing} from "./Narrowing.sol";
import {Ground, LayerOpening, Phase, Position, Positions} from "./Positions.sol";
import {Posted} from "./Posted.sol";
import {Operator, Records} from "./Records.sol";
import {Rules} from "./Rules.sol";
import {Trees} from "./Trees.sol";

/// The walk from the trace root down to one range of terms (protocol, section 7.2, phases 1 to 10): pure functions from
/// a position and a move to the next position, which is answered as the words of the struct. Illegal moves revert under
/// the names of the game's rules. Beside them, what ends a walk early: a program that breaks a rule.
///
/// Each function has the arguments of the move of the same name in `Moves`, which passes its calldata on as it came;
/// what concerns authority only (dispute, signature) is ignored here. What is dear to check about an opening is not
/// checked here but where the other side says that it is wrong (`Commitments`, `Referee`).
contract Walk is Narrowing {
    using Positions for Position;
    using Records for Operator;

    constructor(Commitments commitments_) Narrowing(commitments_) {}

    // Trace

    function openTrace(bytes32, bytes32[8] calldata from, bytes32[] calldata nodes)
        external
        pure
        returns (bytes32[8] memory)
    {
        Position memory position = Positions.read(from, Phase.TRACE_OPEN);
        _requireFrontier(position, nodes);
        uint256 depth = Trees.frontierDepth(position.count);
        (bytes32 top,) = Trees.foldFrontier(position.count, depth, nodes, 0, Trees.node);
        if (top != position.node) revert MoveErrors.WrongNodes();
        position.phase = Phase.TRACE_PICK;
        position.opened = Trees.hashOf(nodes);
        position.give();
    }

    function pickTrace(bytes32, bytes32[8] calldata from, bytes32[] calldata nodes, uint256 child)
        external
        pure
        returns (bytes32[8] memory)
    {
        Position memory position = Positions.read(from, Phase.TRACE_PICK);
        _pickChild(position, nodes, child);
        position.enterTrace();
        position.give();
    }

    // Layer

    /// Where the layer has one operator there is nothing to pick; a record that breaks a rule is left to be refuted.
    function openLayer(
        bytes32,
        bytes32[8] calldata from,
        Ground calldata given,
        LayerOpening calldata layer,
        bytes calldata
    ) external pure returns (bytes32[8] memory) {
        Position memory position = Positions.read(from, Phase.LAYER_OPEN);
        Ground memory ground = Positions.requireGround(position.ground, given);
        if (!Trees.proves(ground.layersRoot, Trees.leaf(layer.record), ground.layers, position.layer, layer.path)) {
            revert MoveErrors.WrongLayerPath();
        }
        _enterLayer(position, layer.record, layer.roots);
        _pickOnly(position, layer.roots[0], layer.only);
        position.give();
    }

    function pickOperator(
        bytes32,
        bytes32[8] calldata from,
        bytes32 root,
        bytes32[] calldata rootPath,
        uint256 operator,
        bytes calldata record,
        bytes32[] calldata path
    ) external pure returns (bytes32[8] memory) {
        unchecked {
            Position memory position = Positions.read(from, Phase.OPERATOR_PICK);
            if (!Trees.proves(position.tensorsRoot, Trees.leafOf(root), position.operators, operator, rootPath)) {
                revert MoveErrors.NotWhatWasOpened();
            }
            bytes32 leaf = _requireRecord(position, operator, record, path);
            (Operator memory op, bytes4 rule) = Rules.fault(record, position.layer, operator);
            _revertIf(rule);
            position.operator = uint8(operator);
            position.records = leaf;
            _enterTensor(position, op, root);
            position.give();
        }
    }

    /// Returns if the record of an operator of the layer breaks a rule; reverts if it breaks none.
    function refuteProgram(
        bytes32,
        bytes32[8] calldata from,
        uint256 operator,
        bytes calldata record,
        bytes32[] calldata path
    ) external pure {
        Position memory position = Positions.read(from, Phase.OPERATOR_PICK);
        _requireRecord(position, operator, record, path);
        (, bytes4 rule) = Rules.fault(record, position.layer, operator);
        if (rule == 0) revert MoveErrors.RecordIsValid();
    }

    // Tensor and chunk

    /// Whether the nodes fold to the one in dispute is checked only if the challenger says that they do not.
    function openTensor(bytes32, bytes32[8] calldata from, bytes32[] calldata nodes, bytes calldata)
        external
        pure
        returns (bytes32[8] memory)
    {
        Position memory position = Positions.read(from, Phase.TENSOR_OPEN);
        _requireFrontier(position, nodes);
        position.phase = Phase.TENSOR_PICK;
        position.opened = Trees.hashOf(nodes);
        position.give();
    }

    function pickTensor(bytes32, bytes32[8] calldata from, bytes32[] calldata nodes, uint256 child)
        external
        pure
        returns (bytes32[8] memory)
    {
        Position memory position = Positions.read(from, Phase.TENSOR_PICK);
        _pickChild(position, nodes, child);
        position.phase = position.count > 1 ? Phase.TENSOR_OPEN : Phase.CHUNK_OPEN;
        position.give();
    }

    /// Whether the bytes hash to the chunk in dispute is checked only if the challenger says that they do not.
    function openChunk(bytes32, bytes32[8] calldata from, bytes calldata chunk, bytes calldata)
        external
        pure
        returns (bytes32[8] memory)
    {
        Position memory position = Positions.read(from, Phase.CHUNK_OPEN);
        if (chunk.length != Posted.chunkLength(position.length, position.start)) revert MoveErrors.WrongChunkLength();
        position.phase = Phase.ELEMENT_PICK;
        position.opened = keccak256(chunk);
        position.give();
    }

    // Steps of several moves

    /// INVARIANT: [inv 4] the layer's checkpointed outputs are the trace's.
    function _enterLayer(Position memory position, bytes calldata record, bytes32[] calldata roots) private pure {
        unchecked {
            (uint256 operators, uint256[] memory outputs, bytes32 operatorsRoot, bytes4 rule) = Rules.layerOf(record);
            _revertIf(rule);
            if (roots.length != operators) revert MoveErrors.WrongRootCount();
            bytes32[] memory slots = new bytes32[](outputs.length);
            for (uint256 i = 0; i < slots.length; ++i) slots[i] = Trees.leafOf(roots[outputs[i]]);
            if (Trees.leafOf(Trees.fold(slots)) != position.node) revert MoveErrors.WrongSlots();
            position.phase = Phase.OPERATOR_PICK;
            position.node = 0;
            position.records = operatorsRoot;
            position.operators = uint8(operators);
            position.tensorsRoot = Trees.rootOf(roots);
        }
    }

    function _pickOnly(Position memory position, bytes32 root, bytes calldata only) private pure {
        if (position.operators > 1) {
            if (only.length != 0) revert MoveErrors.WrongRecordPath();
            return;
        }
        // The root of a tree of one record is its leaf.
        if (Trees.leaf(only) != position.records) revert MoveErrors.WrongRecordPath();
        (Operator memory op, bytes4 rule) = Rules.fault(only, position.layer, 0);
        if (rule == 0) _enterTensor(position, op, root);
    }

    function _enterTensor(Position memory position, Operator memory op, bytes32 root) private pure {
        unchecked {
            position.length = uint64(op.numel() * op.size);
            position.start = 0;
            position.count = uint64(Posted.chunks(position.length));
            position.phase = position.count == 1 ? Phase.CHUNK_OPEN : Phase.TENSOR_OPEN;
            position.node = root;
        }
    }

    // Checks

    function _requireNodes(Position memory position, bytes32[] calldata nodes) private pure {
        if (Trees.hashOf(nodes) != position.opened) revert MoveErrors.NotWhatWasOpened();
    }

    function _requireFrontier(Position memory position, bytes32[] calldata nodes) private pure {
        uint256 depth = Trees.frontierDepth(position.count);
        if (nodes.length != Trees.frontierSize(position.count, depth)) revert MoveErrors.WrongNodes();
    }

    function _requireRecord(
        Position memory position,
        uint256 operator,
        bytes calldata record,
        bytes32[] calldata path
    ) private pure returns (bytes32 leaf) {
        leaf = Trees.leaf(record);
        if (!Trees.proves(position.records, leaf, position.operators, operator, path)) {
            revert MoveErrors.WrongRecordPath();
        }
    }

    function _pickChild(Position memory position, bytes32[] calldata nodes, uint256 child) private pure {
        unchecked {
            _requireNodes(position, nodes);
            position.pick(nodes, Trees.frontierDepth(position.count), child);
        }
    }

    function _revertIf(bytes4 rule) private pure {
        if (rule == 0) return;
        assembly ("memory-safe") {
            mstore(0, rule)
            revert(0, 4)
        }
    }
}
