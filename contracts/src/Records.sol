// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RecordErrors} from "./Errors.sol";
import {Readers} from "./Readers.sol";

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
    /// Bytes of a record before its shape.
    uint256 private constant HEAD = 16;

    /// The operator of a record, and the first rule its encoding breaks, or 0.
    function decode(bytes calldata record) internal pure returns (Operator memory op, bytes4 fault) {
        return decode(record, type(uint256).max);
    }

    /// The same of a record of which only the first `most` operands are needed.
    function decode(bytes calldata record, uint256 most) internal pure returns (Operator memory op, bytes4 fault) {
        uint256 start;
        assembly ("memory-safe") {
            start := record.offset
        }
        unchecked {
            uint256 end = start + record.length;
            fault = _decodeHead(op, record);
            if (fault != 0) return (op, fault);
            uint256 axes = op.shape.length;
            uint256 next = start + HEAD;
            next = _u32s(op.shape, next);
            if (op.opcode == GATHER) {
                op.rows = Readers.load(next) >> 224;
                next += 4;
            } else if (op.opcode == PLACE) {
                op.box = new uint256[](axes);
                op.start = new int256[](axes);
                next = _u32s(op.box, next);
                for (uint256 i = 0; i < axes; ++i) {
                    op.start[i] = int256(Readers.load(next)) >> 224;
                    next += 4;
                }
            }
            uint256 count = operandsOf(op.opcode, op.variant);
            if (count > most) count = most;
            op.operands = new Operand[](count);
            for (uint256 i = 0; i < count; ++i) {
                (next, fault) = _decodeOperand(op.operands[i], next, end, stridesOf(op, i));
                if (fault != 0) return (op, fault);
            }
            fault = next == end || count == most ? bytes4(0) : RecordErrors.RecordTooLong.selector;
        }
    }

    /// `rule`, noticed when all up to `next` was read: unless the record had ended before.
    function _at(uint256 next, uint256 end, bytes4 rule) private pure returns (bytes4) {
        return next > end ? RecordErrors.RecordTruncated.selector : rule;
    }

    function _decodeHead(Operator memory op, bytes calldata record) private pure returns (bytes4) {
        uint256 start;
        assembly ("memory-safe") {
            start := record.offset
        }
        uint256 head = Readers.load(start);
        uint256 length = record.length;
        op.opcode = head >> 248;
        op.variant = head >> 240 & 0xff;
        if (length < 2) return RecordErrors.RecordTruncated.selector;
        if (operandsOf(op.opcode, op.variant) == 0) return RecordErrors.UnknownOpcode.selector;
        uint256 code = head >> 232 & 0xff;
        if (length < 3) return RecordErrors.RecordTruncated.selector;
        if (code == 0 || code > 3) return RecordErrors.UnknownDType.selector;
        op.size = 1 << (code - 1);
        uint256 axes = head >> 224 & 0xff;
        op.reduced = head >> 216 & 0xff;
        if (length < 5) return RecordErrors.RecordTruncated.selector;
        if (axes == 0 || axes > MAX_AXES) return RecordErrors.WrongAxes.selector;
        if (op.reduced > axes) return RecordErrors.WrongReducedAxes.selector;
        op.shift = head >> 208 & 0xff;
        op.lift = head >> 200 & 0xff;
        op.k = head >> 192 & 0xff;
        op.lo = int32(uint32(head >> 160));
        op.hi = int32(uint32(head >> 128));
        op.shape = new uint256[](axes);
        return 0;
    }

    /// Reads as many u32 as `values` has room for; where they end.
    function _u32s(uint256[] memory values, uint256 next) private pure returns (uint256) {
        unchecked {
            for (uint256 i = 0; i < values.length; ++i) {
                values[i] = Readers.load(next) >> 224;
                next += 4;
            }
        }
        return next;
    }

    function _decodeOperand(Operand memory operand, uint256 next, uint256 end, uint256 count)
        private
        pure
        returns (uint256, bytes4)
    {
        unchecked {
            uint256 head = Readers.load(next);
            uint256 source = head >> 248;
            operand.source = source;
            if (source == IMMEDIATE) {
                operand.value = int32(uint32(head >> 216));
                return (next + 5, _at(next + 5, end, 0));
            }
            uint256 code = head >> 240 & 0xff;
            if (code == 0 || code > 3) return (next, _at(next + 2, end, RecordErrors.UnknownDType.selector));
            operand.size = 1 << (code - 1);
            operand.numel = head >> 176 & type(uint64).max;
            operand.index = head >> 144 & type(uint32).max;
            operand.slot = head >> 136 & 0xff;
            operand.slots = head >> 128 & 0xff;
            next += 16;
            if (source != CHECKPOINT && (operand.slot != 0 || operand.slots != 0)) {
                return (next, _at(next, end, RecordErrors.UnusedFieldNotZero.selector));
            }
            if (source == WEIGHT) {
                if (operand.index != 0) return (next, _at(next, end, RecordErrors.UnusedFieldNotZero.selector));
                operand.root = bytes32(Readers.load(next));
                next += 32;
            }
            if (source > OPERATOR) return (next, _at(next, end, RecordErrors.UnknownSource.selector));
            operand.offset = int256(Readers.load(next) >> 192);
            next += 8;
            int256[] memory strides = new int256[](count);
            for (uint256 i = 0; i < count; ++i) {
                strides[i] = int256(Readers.load(next)) >> 192;
                next += 8;
            }
            operand.strides = strides;
            return (next, _at(next, end, 0));
        }
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
        unchecked {
            uint256 axes = op.shape.length;
            if (op.opcode == DOT && slot >= 2) return axes - op.reduced;
            if (op.opcode == MAP && slot == 1) return 0;
            if (op.opcode == GATHER && slot == 1) return axes + 1;
            if (op.opcode == PLACE && slot == 2) return 0;
            return axes;
        }
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
        unchecked {
            result = 1;
            for (uint256 i = from; i < to; ++i) {
                result *= shape[i];
                if (result > 1 << 64) result = 1 << 64;
            }
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
