// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RecordErrors} from "./Errors.sol";

/// A cursor over a big-endian record in calldata, from `next` to `limit`. It never reverts: it keeps the first fault,
/// and reads 0 past the end.
struct Reader {
    uint256 next;
    uint256 limit;
    bytes4 fault;
}

using Readers for Reader global;

library Readers {
    function open(bytes calldata data) internal pure returns (Reader memory r) {
        uint256 start;
        assembly ("memory-safe") {
            start := data.offset
        }
        r.next = start;
        r.limit = start + data.length;
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

    /// The record must end here.
    function end(Reader memory r) internal pure {
        if (r.next != r.limit) fail(r, RecordErrors.RecordTooLong.selector);
    }

    function _take(Reader memory r, uint256 size) private pure returns (uint256 value) {
        unchecked {
            uint256 next = r.next;
            r.next = next + size;
            if (next + size > r.limit) {
                fail(r, RecordErrors.RecordTruncated.selector);
                return 0;
            }
            return load(next) >> (256 - 8 * size);
        }
    }

    /// The 32 bytes of calldata at `place`.
    function load(uint256 place) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(place)
        }
    }
}
