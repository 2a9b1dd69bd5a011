// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MoveErrors} from "./Errors.sol";
import {Trees} from "./Trees.sol";

/// What a dispute is about and does not change while it lasts. A position holds its hash, keccak(abi.encode(ground));
/// the moves that need it carry it.
struct Ground {
    address challenger;
    uint32 layers;
    bytes32 layersRoot;
    bytes32 traceRoot;
    bytes32 inputs;
}

/// The state of a dispute's walk (protocol, section 7.1). A field that does not apply is 0.
/// The contract stores only the hash of its eight words; every move carries them [inv 12].
/// `records`: the root of the layer's operator records in phase 4, the leaf of the record in dispute from then on.
struct Position {
    bytes32 claim;
    bytes32 ground;
    uint8 phase;
    uint8 operators;
    uint8 operator;
    uint32 layer;
    uint64 start;
    uint64 count;
    uint64 length;
    uint64 element;
    int64 value;
    uint64 index;
    bytes32 node;
    bytes32 opened;
    bytes32 records;
    bytes32 tensorsRoot;
}

/// One chunk of a tensor with what binds it to the claim (section 7.4).
struct Opening {
    bytes chunk;
    bytes32[] chunkPath;
    bytes32 root;
    bytes32[] rootPath;
    bytes posted;
}

/// A layer as it is opened: its record with the path to the program's layers root, the tensor roots of its operators,
/// and the record of its operator if it has no other, else nothing.
struct LayerOpening {
    bytes record;
    bytes32[] path;
    bytes32[] roots;
    bytes only;
}

/// Phases of section 7.2. Odd numbers below 11 are the executor's to answer.
library Phase {
    uint8 internal constant TRACE_OPEN = 1;
    uint8 internal constant TRACE_PICK = 2;
    uint8 internal constant LAYER_OPEN = 3;
    uint8 internal constant OPERATOR_PICK = 4;
    uint8 internal constant TENSOR_OPEN = 5;
    uint8 internal constant TENSOR_PICK = 6;
    uint8 internal constant CHUNK_OPEN = 7;
    uint8 internal constant ELEMENT_PICK = 8;
    uint8 internal constant TERMS_OPEN = 9;
    uint8 internal constant TERMS_PICK = 10;
    uint8 internal constant STEP = 11;

    /// Whether the challenger is to move.
    function isChallengers(uint8 phase) internal pure returns (bool) {
        return phase % 2 == 0 || phase == STEP;
    }
}

/// Positions as eight words, in the order of the protocol's table: claim, ground, the walk's place (phase, operators,
/// operator, layer, start, count), the element (length, element, value, index), node, opened, records, tensorsRoot.
library Positions {
    uint256 internal constant WORDS = 8;
    uint256 internal constant SIZE = 256;
    /// Number of the word that is the field `opened`.
    uint256 private constant OPENED = 5;

    /// Where every dispute of a claim begins.
    function initial(bytes32 claim, Ground memory ground) internal pure returns (Position memory position) {
        position.claim = claim;
        position.ground = hash(ground);
        position.count = ground.layers;
        position.node = ground.traceRoot;
        enterTrace(position);
    }

    /// Goes on to the child of a node whose frontier of `depth` splits is `nodes`.
    function pick(Position memory position, bytes32[] calldata nodes, uint256 depth, uint256 child) internal pure {
        if (child >= nodes.length) revert MoveErrors.NoSuchChild();
        (uint256 first, uint256 size) = Trees.frontierChild(position.count, depth, child);
        unchecked {
            position.start += uint64(first);
        }
        position.count = uint64(size);
        position.node = nodes[child];
        position.opened = 0;
    }

    /// Before a node of the trace, or a layer if the node is one.
    function enterTrace(Position memory position) internal pure {
        position.phase = position.count > 1 ? Phase.TRACE_OPEN : Phase.LAYER_OPEN;
        if (position.count == 1) position.layer = uint32(position.start);
    }

    /// Takes a position as it lies in calldata: the caller has hashed it, or asks for a view.
    function read(bytes32[WORDS] calldata from) internal pure returns (Position memory position) {
        unchecked {
            (position.claim, position.ground) = (from[0], from[1]);
            uint256 place = uint256(from[2]);
            position.phase = uint8(place >> 176);
            position.operators = uint8(place >> 168);
            position.operator = uint8(place >> 160);
            position.layer = uint32(place >> 128);
            position.start = uint64(place >> 64);
            position.count = uint64(place);
            uint256 element = uint256(from[3]);
            position.length = uint64(element >> 192);
            position.element = uint64(element >> 128);
            position.value = int64(uint64(element >> 64));
            position.index = uint64(element);
            (position.node, position.opened) = (from[4], from[5]);
            (position.records, position.tensorsRoot) = (from[6], from[7]);
        }
    }

    function pack(Position memory p) internal pure returns (bytes32[WORDS] memory words) {
        (words[0], words[1]) = (p.claim, p.ground);
        uint256 place = uint256(p.phase) << 48 | uint256(p.operators) << 40 | uint256(p.operator) << 32 | p.layer;
        words[2] = bytes32(place << 128 | uint256(p.start) << 64 | p.count);
        uint256 element = uint256(p.length) << 64 | p.element;
        words[3] = bytes32(element << 128 | uint256(uint64(p.value)) << 64 | p.index);
        (words[4], words[5], words[6], words[7]) = (p.node, p.opened, p.records, p.tensorsRoot);
    }

    /// Ends the call with the words of the position as its answer.
    function give(Position memory position) internal pure {
        bytes32[WORDS] memory words = pack(position);
        assembly ("memory-safe") {
            return(words, SIZE)
        }
    }

    /// The position, which must be in `phase`.
    function read(bytes32[WORDS] calldata from, uint8 phase) internal pure returns (Position memory position) {
        position = read(from);
        if (position.phase != phase) revert MoveErrors.WrongPhase();
    }

    function phaseOf(bytes32[WORDS] memory words) internal pure returns (uint8) {
        return uint8(uint256(words[2]) >> 176);
    }

    /// What tells `next` from the position before it: a byte, bit i of which says that word i has changed, then the new
    /// words in order. The word `opened` is left out.
    function changes(bytes32[WORDS] calldata before, bytes32[WORDS] memory next)
        internal
        pure
        returns (bytes memory list)
    {
        assembly ("memory-safe") {
            list := mload(0x40)
            let to := add(list, 33)
            let bits := 0
            for { let i := 0 } lt(i, WORDS) { i := add(i, 1) } {
                let word := mload(add(next, shl(5, i)))
                if xor(word, calldataload(add(before, shl(5, i)))) {
                    if xor(i, OPENED) {
                        mstore(to, word)
                        to := add(to, 32)
                        bits := or(bits, shl(i, 1))
                    }
                }
            }
            mstore8(add(list, 32), bits)
            mstore(list, sub(sub(to, list), 32))
            mstore(0x40, and(add(to, 31), not(31)))
        }
    }

    function hash(bytes32[WORDS] memory words) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(words, SIZE)
        }
    }

    function hashCalldata(bytes32[WORDS] calldata words) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, words, SIZE)
            digest := keccak256(free, SIZE)
        }
    }

    /// keccak(abi.encode(ground)): in memory a static struct is its own encoding.
    function hash(Ground memory ground) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(ground, 160)
        }
    }

    /// The ground of a position, as a move carries it.
    function requireGround(bytes32 expected, Ground calldata given) internal pure returns (Ground memory ground) {
        ground = given;
        if (hash(ground) != expected) revert MoveErrors.WrongGround();
    }
}
