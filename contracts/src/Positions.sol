// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The state of a dispute's walk (protocol, section 7.1). A field that does not apply is 0.
/// The contract stores only its hash; every move carries the position it answers [inv 12].
struct Position {
    uint8 phase;
    uint32 layers;
    bytes32 layersRoot;
    bytes32 traceRoot;
    bytes32 inputs;
    uint64 start;
    uint64 count;
    bytes32 node;
    bytes32 opened;
    uint32 layer;
    bytes32 operatorsRoot;
    uint8 operators;
    bytes32 tensorsRoot;
    uint8 operator;
    bytes32 record;
    uint64 length;
    uint64 element;
    int64 value;
    uint64 index;
}

/// One chunk of a tensor with what binds it to the claim (section 7.4).
struct Opening {
    bytes chunk;
    bytes32[] chunkPath;
    bytes32 root;
    bytes32[] rootPath;
    bytes posted;
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

library Positions {
    uint256 internal constant SIZE = 19 * 32;
    uint256 private constant FIELDS = 19;
    /// Number of the field `opened`.
    uint256 private constant OPENED = 8;

    /// Where every dispute of a claim begins.
    function initial(uint32 layers, bytes32 layersRoot, bytes32 traceRoot, bytes32 inputs)
        internal
        pure
        returns (Position memory position)
    {
        position.phase = layers == 1 ? Phase.LAYER_OPEN : Phase.TRACE_OPEN;
        position.layers = layers;
        position.layersRoot = layersRoot;
        position.traceRoot = traceRoot;
        position.inputs = inputs;
        position.count = layers;
        position.node = traceRoot;
    }

    /// Takes a position as it lies in calldata: the caller has hashed it, or asks for a view.
    function read(Position calldata from) internal pure returns (Position memory position) {
        assembly ("memory-safe") {
            calldatacopy(position, from, SIZE)
        }
    }

    /// Ends the call with the words of the position as its answer.
    function give(Position memory position) internal pure {
        assembly ("memory-safe") {
            return(position, SIZE)
        }
    }

    /// What tells `next` from the position before it: three bytes, bit i of which says that field i has changed, then
    /// the new words of those fields in order. The field `opened` is left out.
    function changes(Position calldata before, Position memory next) internal pure returns (bytes memory list) {
        assembly ("memory-safe") {
            list := mload(0x40)
            let to := add(list, 35)
            let bits := 0
            for { let i := 0 } lt(i, FIELDS) { i := add(i, 1) } {
                let word := mload(add(next, shl(5, i)))
                if xor(word, calldataload(add(before, shl(5, i)))) {
                    if xor(i, OPENED) {
                        mstore(to, word)
                        to := add(to, 32)
                        bits := or(bits, shl(i, 1))
                    }
                }
            }
            mstore(add(list, 3), bits)
            mstore(list, sub(sub(to, list), 32))
            mstore(0x40, and(add(to, 31), not(31)))
        }
    }

    /// keccak(abi.encode(position)): in memory a static struct is its own encoding.
    function hash(Position memory position) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(position, SIZE)
        }
    }

    /// The same of calldata, taken as it lies: bytes that are not the canonical encoding hash to nothing known.
    function hashCalldata(Position calldata position) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, position, SIZE)
            digest := keccak256(free, SIZE)
        }
    }
}
