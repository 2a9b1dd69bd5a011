// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RecordErrors} from "./Errors.sol";
import {Reader, Readers} from "./Readers.sol";
import "./Records.sol";
import {Views} from "./Views.sol";

/// The rules of a record (protocol, sections 3.1 to 3.3, 3.5), in the loader's order and under its names.
/// `refuteProgram` wins exactly when `fault` is not 0.
library Rules {
    using Records for Operator;

    uint256 private constant MAX_OPERATORS = 64;
    uint256 private constant MAX_INTERFACE = 8;
    uint256 private constant MAX_TENSOR_BYTES = 1 << 32;
    uint256 private constant MAX_TERMS = 1 << 21;
    uint256 private constant MAX_TABLE = 1 << 16;
    uint256 private constant MAX_SHIFT = 62;
    uint256 private constant NO_AXIS = 255;

    /// The first rule that `record` breaks as operator `index` of layer `layer`, or 0.
    function fault(bytes calldata record, uint256 layer, uint256 index)
        internal
        pure
        returns (Operator memory op, bytes4 rule)
    {
        (op, rule) = Records.decode(record);
        if (rule == 0) rule = _shapeFault(op);
        if (rule == 0) rule = _scalingFault(op);
        for (uint256 i = 0; i < op.operands.length && rule == 0; ++i) rule = _operandFault(op, i, layer, index);
    }

    function _shapeFault(Operator memory op) private pure returns (bytes4) {
        unchecked {
            if (op.hasTerms() ? op.opcode == REDUCE && op.reduced == 0 : op.reduced != 0) {
                return RecordErrors.WrongReducedAxes.selector;
            }
            for (uint256 i = 0; i < op.shape.length; ++i) {
                if (op.shape[i] == 0 || (op.opcode == PLACE && op.box[i] == 0)) return RecordErrors.EmptyAxis.selector;
            }
            if (op.numel() * op.size > MAX_TENSOR_BYTES) return RecordErrors.TensorTooLarge.selector;
            if (op.terms() > MAX_TERMS) return RecordErrors.TooManyTerms.selector;
            int256 limit = int256(1 << (8 * op.size - 1));
            if (op.lo < -limit || op.lo > op.hi || op.hi >= limit) return RecordErrors.WrongClamp.selector;
            return 0;
        }
    }

    function _scalingFault(Operator memory op) private pure returns (bytes4) {
        bool rescales = op.opcode == DOT || op.opcode == ZIP || (op.opcode == MAP && op.variant == MAP_TABLE);
        uint256 limit = rescales ? MAX_SHIFT : 0;
        if (op.lift > limit) return RecordErrors.ShiftTooLarge.selector;
        if (op.opcode == ZIP && op.variant == ZIP_DIV) limit = 0;
        if (op.shift > limit) return RecordErrors.ShiftTooLarge.selector;
        if (op.opcode == PLACE) {
            Operand memory position = op.operands[2];
            bool fixedAtZero = position.source == IMMEDIATE && position.value == 0;
            bool valid = fixedAtZero ? op.k == NO_AXIS : op.k < op.shape.length;
            return valid ? bytes4(0) : RecordErrors.WrongPlaceAxis.selector;
        }
        limit = 0;
        if (op.opcode == MAP && op.variant == MAP_RECIP) limit = 62;
        if (op.opcode == MAP && op.variant == MAP_RSQRT) limit = 31;
        if (op.k > limit) return RecordErrors.ExponentTooLarge.selector;
        if (op.opcode == GATHER && op.rows == 0) return RecordErrors.EmptyAxis.selector;
        return 0;
    }

    function _operandFault(Operator memory op, uint256 slot, uint256 layer, uint256 index)
        private
        pure
        returns (bytes4)
    {
        unchecked {
            Operand memory operand = op.operands[slot];
            if (operand.source == IMMEDIATE) {
                if (!_mayBeImmediate(op, slot)) return RecordErrors.ImmediateNotAllowed.selector;
                bool wrong = op.opcode == PLACE && slot == 2 && operand.value != 0;
                return wrong ? RecordErrors.WrongPlaceAxis.selector : bytes4(0);
            }
            if (operand.numel == 0) return RecordErrors.EmptyTensor.selector;
            if (operand.numel * operand.size > MAX_TENSOR_BYTES) return RecordErrors.TensorTooLarge.selector;
            if (operand.source == INPUT && operand.index >= MAX_INTERFACE) return RecordErrors.NoSuchInput.selector;
            if (operand.source == CHECKPOINT) {
                if (operand.index >= layer) return RecordErrors.OperandNotEarlier.selector;
                if (operand.slot >= operand.slots || operand.slots > MAX_OPERATORS) {
                    return RecordErrors.NoSuchSlot.selector;
                }
            }
            if (operand.source == OPERATOR && operand.index >= index) return RecordErrors.OperandNotEarlier.selector;
            if (op.opcode == MAP && slot == 1) {
                if (operand.numel > MAX_TABLE) return RecordErrors.TableTooLarge.selector;
                if (operand.offset != 0) return RecordErrors.ViewOutsideTensor.selector;
            }
            (int256 low, int256 high) = Views.bounds(op, slot);
            if (low < 0 || high >= int256(operand.numel)) return RecordErrors.ViewOutsideTensor.selector;
            return 0;
        }
    }

    /// The operands marked * in section 3.3.
    function _mayBeImmediate(Operator memory op, uint256 slot) private pure returns (bool) {
        if (op.opcode == DOT || op.opcode == ZIP || op.opcode == PLACE) return slot >= 1;
        return op.opcode == MAP && slot >= 2;
    }

    /// The fields of a layer record, and the first rule it breaks, or 0.
    function layerOf(bytes calldata record)
        internal
        pure
        returns (uint256 operators, uint256[] memory outputs, bytes32 operatorsRoot, bytes4 rule)
    {
        unchecked {
            Reader memory r = Readers.open(record);
            operators = r.u8();
            outputs = new uint256[](r.u8());
            for (uint256 i = 0; i < outputs.length; ++i) outputs[i] = r.u8();
            operatorsRoot = r.word();
            r.end();
            if (operators == 0 || operators > MAX_OPERATORS) r.fail(RecordErrors.WrongOperatorCount.selector);
            if (outputs.length == 0) r.fail(RecordErrors.LayerWithoutOutputs.selector);
            for (uint256 i = 0; i < outputs.length; ++i) {
                bool ascends = i == 0 || outputs[i - 1] < outputs[i];
                if (!ascends || outputs[i] >= operators) r.fail(RecordErrors.WrongLayerOutputs.selector);
            }
            rule = r.fault;
        }
    }
}
