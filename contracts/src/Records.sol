// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RecordErrors} from "./Errors.sol";
import {Reader, Readers} from "./Readers.sol";

// Opcodes and variants (protocol, section 3.1).
uint256 constant DOT = 1;
uint256 constant ZIP = 2;
uint256 constant MAP = 3;
uint256 constant REDUCE = 4;
uint256 constant GATHER = 5;
uint256 constant PLACE = 6;

uint256 constant ZIP_MUL = 0;
uint256 constant ZIP_MIN = 1;
uint256 constant ZIP_MAX = 2;
uint256 constant ZIP_DIV = 3;
uint256 constant MAP_TABLE = 0;
uint256 constant MAP_RECIP = 1;
uint256 constant MAP_RSQRT = 2;
uint256 constant MAP_ISQRT = 3;
uint256 constant REDUCE_MAX = 0;
uint256 constant REDUCE_ABSMAX = 1;
uint256 constant REDUCE_ARGMAX = 2;

// Where an operand comes from (section 3.2).
uint256 constant IMMEDIATE = 0;
uint256 constant INPUT = 1;
uint256 constant WEIGHT = 2;
uint256 constant CHECKPOINT = 3;
uint256 constant OPERATOR = 4;

/// `value` of an immediate, or a view: `size` bytes per element.
struct Operand {
    uint256 source;
    int256 value;
    uint256 size;
    uint256 numel;
    uint256 index;
    uint256 slot;
    uint256 slots;
    bytes32 root;
    int256 offset;
    int256[] strides;
}

/// An operator record, field by field; `size` is that of an output element.
struct Operator {
    uint256 opcode;
    uint256 variant;
    uint256 size;
    uint256 reduced;
    uint256 shift;
    uint256 lift;
    uint256 k;
    int256 lo;
    int256 hi;
    uint256[] shape;
    uint256 rows;
    uint256[] box;
    int256[] start;
    Operand[] operands;
}

/// Operator records: their decoding and what follows from their fields. The rules they obey: `Rules.sol`.
library Records {
    uint256 private constant MAX_AXES = 8;

    /// The operator of a record, and the first rule its encoding breaks, or 0.
    function decode(bytes memory record) internal pure returns (Operator memory op, bytes4 fault) {
        Reader memory r = Readers.open(record);
        op.opcode = r.u8();
        op.variant = r.u8();
        if (operandsOf(op.opcode, op.variant) == 0) r.fail(RecordErrors.UnknownOpcode.selector);
        op.size = r.dtype();
        uint256 axes = r.u8();
        op.reduced = r.u8();
        if (axes == 0 || axes > MAX_AXES) r.fail(RecordErrors.WrongAxes.selector);
        if (op.reduced > axes) r.fail(RecordErrors.WrongReducedAxes.selector);
        if (r.fault != 0) return (op, r.fault);
        op.shift = r.u8();
        op.lift = r.u8();
        op.k = r.u8();
        op.lo = r.i32();
        op.hi = r.i32();
        op.shape = r.u32s(axes);
        if (op.opcode == GATHER) op.rows = r.u32();
        if (op.opcode == PLACE) {
            op.box = r.u32s(axes);
            op.start = new int256[](axes);
            for (uint256 i = 0; i < axes; ++i) op.start[i] = r.i32();
        }
        op.operands = new Operand[](operandsOf(op.opcode, op.variant));
        for (uint256 i = 0; i < op.operands.length && r.fault == 0; ++i) {
            _decodeOperand(r, op.operands[i], stridesOf(op, i));
        }
        r.end();
        fault = r.fault;
    }

    function _decodeOperand(Reader memory r, Operand memory operand, uint256 strides) private pure {
        operand.source = r.u8();
        if (operand.source == IMMEDIATE) {
            operand.value = r.i32();
            return;
        }
        operand.size = r.dtype();
        operand.numel = r.u64();
        operand.index = r.u32();
        operand.slot = r.u8();
        operand.slots = r.u8();
        if (operand.source != CHECKPOINT && (operand.slot != 0 || operand.slots != 0)) {
            r.fail(RecordErrors.UnusedFieldNotZero.selector);
        }
        if (operand.source == WEIGHT) {
            if (operand.index != 0) r.fail(RecordErrors.UnusedFieldNotZero.selector);
            operand.root = r.word();
        }
        if (operand.source > OPERATOR) r.fail(RecordErrors.UnknownSource.selector);
        operand.offset = int256(r.u64());
        operand.strides = new int256[](strides);
        for (uint256 i = 0; i < strides; ++i) operand.strides[i] = r.i64();
    }

    /// Number of operands, 0 for an unknown operator.
    function operandsOf(uint256 opcode, uint256 variant) internal pure returns (uint256) {
        if (opcode == DOT) return variant == 0 ? 4 : 0;
        if (opcode == ZIP) return variant <= ZIP_DIV ? 4 : 0;
        if (opcode == MAP) return variant == MAP_TABLE ? 4 : variant <= MAP_ISQRT ? 1 : 0;
        if (opcode == REDUCE) return variant <= REDUCE_ARGMAX ? 1 : 0;
        if (opcode == GATHER) return variant == 0 ? 2 : 0;
        if (opcode == PLACE) return variant == 0 ? 3 : 0;
        return 0;
    }

    /// Strides of a view that is operand number `slot`: over the axes of section 3.3.
    function stridesOf(Operator memory op, uint256 slot) internal pure returns (uint256) {
        uint256 axes = op.shape.length;
        if (op.opcode == DOT && slot >= 2) return axes - op.reduced;
        if (op.opcode == MAP && slot == 1) return 0;
        if (op.opcode == GATHER && slot == 1) return axes + 1;
        if (op.opcode == PLACE && slot == 2) return 0;
        return axes;
    }

    /// The extents those strides run over.
    function extentsOf(Operator memory op, uint256 slot) internal pure returns (uint256[] memory extents) {
        uint256 count = stridesOf(op, slot);
        extents = new uint256[](count);
        uint256[] memory from = op.opcode == PLACE && slot == 0 ? op.box : op.shape;
        for (uint256 i = 0; i < count; ++i) extents[i] = i < from.length ? from[i] : op.rows;
    }

    /// Elements of the output.
    function numel(Operator memory op) internal pure returns (uint256) {
        return product(op.shape, 0, op.shape.length - op.reduced);
    }

    /// Terms of one output element.
    function terms(Operator memory op) internal pure returns (uint256) {
        return product(op.shape, op.shape.length - op.reduced, op.shape.length);
    }

    /// Product of shape[from..to], all at least 1; 2^64 stands for anything above.
    function product(uint256[] memory shape, uint256 from, uint256 to) internal pure returns (uint256 result) {
        result = 1;
        for (uint256 i = from; i < to; ++i) {
            result *= shape[i];
            if (result > 1 << 64) result = 1 << 64;
        }
    }

    /// Whether the terms of a range are narrowed before the step: dot and reduce.
    function hasTerms(Operator memory op) internal pure returns (bool) {
        return op.opcode == DOT || op.opcode == REDUCE;
    }

    function isArgmax(Operator memory op) internal pure returns (bool) {
        return op.opcode == REDUCE && op.variant == REDUCE_ARGMAX;
    }
}
