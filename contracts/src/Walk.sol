// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Blake3} from "./Blake3.sol";
import {MoveErrors} from "./Errors.sol";
import {Heads} from "./Heads.sol";
import {Interface, Interfaces, Output} from "./Interfaces.sol";
import {Openings} from "./Openings.sol";
import {Opening, Phase, Position, Positions} from "./Positions.sol";
import {Posted} from "./Posted.sol";
import {Operator, Records} from "./Records.sol";
import {Rules} from "./Rules.sol";
import {Trees} from "./Trees.sol";

/// What a proof of a differing output is about: it holds for a claim with these commitments only.
struct Seam {
    bytes32 model;
    bytes32 interfaceHash;
    bytes32 outputs;
    bytes32 traceRoot;
}

/// The walk from the trace root down to one chunk (protocol, section 7.2, phases 1 to 7): pure functions from a
/// position and a move to the next position, which is answered as the words of the struct. Illegal moves revert under
/// the names of the game's rules. Beside them, what else concerns commitments above the element: a program that breaks
/// a rule, an output that is not its checkpoint.
///
/// Each function has the arguments of the move of the same name in `Moves`, which passes its calldata on as it came;
/// what concerns authority only (dispute, signature) is ignored here.
contract Walk {
    using Positions for Position;
    using Records for Operator;

    // Trace

    function openTrace(bytes32, Position calldata from, bytes32[] calldata nodes)
        external
        pure
        returns (bytes32[19] memory)
    {
        Position memory position = Positions.read(from);
        _require(position, Phase.TRACE_OPEN);
        _requireFrontier(position, nodes);
        (bytes32 top,) = Trees.foldFrontier(position.count, Trees.FRONTIER_DEPTH, nodes, 0, Trees.node);
        if (top != position.node) revert MoveErrors.WrongNodes();
        position.phase = Phase.TRACE_PICK;
        position.opened = Trees.hashOf(nodes);
        position.give();
    }

    function pickTrace(bytes32, Position calldata from, bytes32[] calldata nodes, uint256 child)
        external
        pure
        returns (bytes32[19] memory)
    {
        Position memory position = Positions.read(from);
        _require(position, Phase.TRACE_PICK);
        _pickChild(position, nodes, child);
        if (position.count > 1) {
            position.phase = Phase.TRACE_OPEN;
        } else {
            position.phase = Phase.LAYER_OPEN;
            position.layer = uint32(position.start);
        }
        position.give();
    }

    // Layer

    function openLayer(
        bytes32,
        Position calldata from,
        bytes calldata record,
        bytes32[] calldata path,
        bytes32[] calldata roots,
        bytes calldata
    ) external pure returns (bytes32[19] memory) {
        unchecked {
            Position memory position = Positions.read(from);
            _require(position, Phase.LAYER_OPEN);
            if (!Trees.proves(position.layersRoot, Trees.leaf(record), position.layers, position.layer, path)) {
                revert MoveErrors.WrongLayerPath();
            }
            (uint256 operators, uint256[] memory outputs, bytes32 operatorsRoot, bytes4 rule) = Rules.layerOf(record);
            _revertIf(rule);
            if (roots.length != operators) revert MoveErrors.WrongRootCount();
            bytes32[] memory slots = new bytes32[](outputs.length);
            for (uint256 i = 0; i < slots.length; ++i) slots[i] = Trees.leafOf(roots[outputs[i]]);
            // INVARIANT: [inv 4] the layer's checkpointed outputs are the trace's.
            if (Trees.leafOf(Trees.fold(slots)) != position.node) revert MoveErrors.WrongSlots();
            position.phase = Phase.OPERATOR_PICK;
            position.node = 0;
            position.opened = Trees.hashOf(roots);
            position.operatorsRoot = operatorsRoot;
            position.operators = uint8(operators);
            position.tensorsRoot = Trees.rootOf(roots);
            position.give();
        }
    }

    function pickOperator(
        bytes32,
        Position calldata from,
        bytes32[] calldata roots,
        uint256 operator,
        bytes calldata record,
        bytes32[] calldata path
    ) external pure returns (bytes32[19] memory) {
        unchecked {
            Position memory position = Positions.read(from);
            _require(position, Phase.OPERATOR_PICK);
            _requireOpened(position, roots);
            bytes32 leaf = _requireRecord(position, operator, record, path);
            (Operator memory op, bytes4 rule) = Rules.fault(record, position.layer, operator);
            _revertIf(rule);
            position.length = uint64(op.numel() * op.size);
            position.start = 0;
            position.count = uint64(Posted.chunks(position.length));
            position.phase = position.count == 1 ? Phase.CHUNK_OPEN : Phase.TENSOR_OPEN;
            position.node = roots[operator];
            position.opened = 0;
            position.operator = uint8(operator);
            position.record = leaf;
            position.give();
        }
    }

    /// Returns if the record of an operator of the layer breaks a rule; reverts if it breaks none.
    function refuteProgram(
        bytes32,
        Position calldata from,
        uint256 operator,
        bytes calldata record,
        bytes32[] calldata path
    ) external pure {
        Position memory position = Positions.read(from);
        _require(position, Phase.OPERATOR_PICK);
        _requireRecord(position, operator, record, path);
        (, bytes4 rule) = Rules.fault(record, position.layer, operator);
        if (rule == 0) revert MoveErrors.RecordIsValid();
    }

    // Tensor and chunk

    function openTensor(bytes32, Position calldata from, bytes32[] calldata nodes)
        external
        pure
        returns (bytes32[19] memory)
    {
        Position memory position = Positions.read(from);
        _require(position, Phase.TENSOR_OPEN);
        _requireFrontier(position, nodes);
        bool whole = position.start == 0 && position.count == Posted.chunks(position.length);
        if (Blake3.foldFrontier(position.count, nodes, whole) != position.node) revert MoveErrors.WrongNodes();
        position.phase = Phase.TENSOR_PICK;
        position.opened = Trees.hashOf(nodes);
        position.give();
    }

    function pickTensor(bytes32, Position calldata from, bytes32[] calldata nodes, uint256 child)
        external
        pure
        returns (bytes32[19] memory)
    {
        Position memory position = Positions.read(from);
        _require(position, Phase.TENSOR_PICK);
        _pickChild(position, nodes, child);
        position.phase = position.count > 1 ? Phase.TENSOR_OPEN : Phase.CHUNK_OPEN;
        position.give();
    }

    function openChunk(bytes32, Position calldata from, bytes calldata chunk)
        external
        pure
        returns (bytes32[19] memory)
    {
        Position memory position = Positions.read(from);
        _require(position, Phase.CHUNK_OPEN);
        if (chunk.length != Posted.chunkLength(position.length, position.start)) revert MoveErrors.WrongChunkLength();
        bool only = Posted.chunks(position.length) == 1;
        if (Blake3.chunkValue(chunk, position.start, only) != position.node) revert MoveErrors.WrongChunk();
        position.phase = Phase.ELEMENT_PICK;
        position.opened = keccak256(chunk);
        position.give();
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

    // Checks

    function _require(Position memory position, uint8 phase) private pure {
        if (position.phase != phase) revert MoveErrors.WrongPhase();
    }

    function _requireOpened(Position memory position, bytes32[] calldata nodes) private pure {
        if (Trees.hashOf(nodes) != position.opened) revert MoveErrors.NotWhatWasOpened();
    }

    function _requireFrontier(Position memory position, bytes32[] calldata nodes) private pure {
        if (nodes.length != Trees.frontierSize(position.count, Trees.FRONTIER_DEPTH)) revert MoveErrors.WrongNodes();
    }

    function _requireRecord(
        Position memory position,
        uint256 operator,
        bytes calldata record,
        bytes32[] calldata path
    ) private pure returns (bytes32 leaf) {
        leaf = Trees.leaf(record);
        if (!Trees.proves(position.operatorsRoot, leaf, position.operators, operator, path)) {
            revert MoveErrors.WrongRecordPath();
        }
    }

    function _pickChild(Position memory position, bytes32[] calldata nodes, uint256 child) private pure {
        unchecked {
            _requireOpened(position, nodes);
            if (child >= nodes.length) revert MoveErrors.NoSuchChild();
            (uint256 first, uint256 size) = Trees.frontierChild(position.count, child);
            position.start += uint64(first);
            position.count = uint64(size);
            position.node = nodes[child];
            position.opened = 0;
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
