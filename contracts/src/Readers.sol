// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RecordErrors} from "./Errors.sol";

/// A cursor over a big-endian record. It never reverts: it keeps the first fault, and reads 0 past the end.
struct Reader {
    bytes data;
    uint256 next;
    bytes4 fault;
}

using Readers for Reader global;

library Readers {
    function open(bytes memory data) internal pure returns (Reader memory r) {
        r.data = data;
    }

    /// Notes a broken rule, unless one was broken before.
    function fail(Reader memory r, bytes4 rule) internal pure {
        if (r.fault == 0) r.fault = rule;
    }

    function u8(Reader memory r) internal pure returns (uint256) {
        return _take(r, 1);
    }

    function u32(Reader memory r) internal pure returns (uint256) {
        return _take(r, 4);
    }

    function u64(Reader memory r) internal pure returns (uint256) {
        return _take(r, 8);
    }

    function i32(Reader memory r) internal pure returns (int256) {
        return int32(uint32(_take(r, 4)));
    }

    function i64(Reader memory r) internal pure returns (int256) {
        return int64(uint64(_take(r, 8)));
    }

    function word(Reader memory r) internal pure returns (bytes32) {
        return bytes32(_take(r, 32));
    }

    /// Bytes per element of a dtype code: 1, 2, 4.
    function dtype(Reader memory r) internal pure returns (uint256 size) {
        uint256 code = _take(r, 1);
        if (code == 0 || code > 3) {
            fail(r, RecordErrors.UnknownDType.selector);
            return 1;
        }
        return 1 << (code - 1);
    }

    function u32s(Reader memory r, uint256 count) internal pure returns (uint256[] memory values) {
        values = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) values[i] = _take(r, 4);
    }

    /// The record must end here.
    function end(Reader memory r) internal pure {
        if (r.next != r.data.length) fail(r, RecordErrors.RecordTooLong.selector);
    }

    function _take(Reader memory r, uint256 size) private pure returns (uint256 value) {
        bytes memory data = r.data;
        uint256 next = r.next;
        if (data.length < next + size) {
            fail(r, RecordErrors.RecordTruncated.selector);
            return 0;
        }
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), mload(add(add(data, 32), next)))
        }
        r.next = next + size;
    }
}
