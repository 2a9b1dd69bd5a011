// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Reader, Readers} from "./Readers.sol";

/// A program output: which checkpoint it is, and its bytes.
struct Output {
    uint256 layer;
    uint256 slot;
    uint256 slots;
    uint256 length;
}

/// A model's inputs, by their bytes, and outputs.
struct Interface {
    uint256[] inputs;
    Output[] outputs;
}

/// The interface record of a model (protocol, section 3.5).
library Interfaces {
    uint256 private constant MAX_TENSORS = 8;
    uint256 private constant MAX_AXES = 8;
    uint256 private constant MAX_BYTES = 1 << 32;
    uint256 private constant MAX_SLOTS = 64;

    /// Reads a record; `ok` is false if it is malformed. Whether layers exist is the caller's to check.
    function decode(bytes calldata record) internal pure returns (Interface memory declared, bool ok) {
        unchecked {
            Reader memory r = Readers.open(record);
            uint256 count = r.u8();
            if (count == 0 || count > MAX_TENSORS) return (declared, false);
            ok = true;
            declared.inputs = new uint256[](count);
            for (uint256 i = 0; i < count; ++i) declared.inputs[i] = _bytes(r);
            count = r.u8();
            if (count == 0 || count > MAX_TENSORS) return (declared, false);
            declared.outputs = new Output[](count);
            for (uint256 i = 0; i < count; ++i) {
                Output memory output = declared.outputs[i];
                output.layer = r.u32();
                output.slot = r.u8();
                output.slots = r.u8();
                output.length = _bytes(r);
                if (output.slot >= output.slots || output.slots > MAX_SLOTS || output.length == 0) ok = false;
            }
            for (uint256 i = 0; i < declared.inputs.length; ++i) {
                if (declared.inputs[i] == 0) ok = false;
            }
            r.end();
            ok = ok && r.fault == 0;
        }
    }

    /// Bytes of a tensor from its dtype and shape, or 0 if they break a rule.
    function _bytes(Reader memory r) private pure returns (uint256 length) {
        unchecked {
            length = r.dtype();
            uint256 axes = r.u8();
            if (axes == 0 || axes > MAX_AXES) return 0;
            for (uint256 i = 0; i < axes; ++i) {
                length *= r.u32();
                if (length > MAX_BYTES) return 0;
            }
        }
    }
}
