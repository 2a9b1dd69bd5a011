// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The BLAKE3 compression function, four words at a time.
///
/// The 4 x 4 state is four words of four 64-bit lanes, row by row, lane 0 lowest; a u32 sits in the low half of
/// each lane. `a` and `c` are not masked when they are added to: at most 57 summands below 2^32 stay below 2^64.
/// Multiplying by TWICE copies each u32 to the upper half of its lane, so that a shift right rotates it. Diagonals
/// become columns by rotating rows b, c, d by 1, 2, 3 lanes; for b that is done together with its last rotation.
///
/// Message words lie in a workbench of memory 32 bytes apart, each at the end of its slot, so that a load at
/// 8 * lane bytes further puts the word in its lane. The workbench has a fixed address, since constants are
/// cheaper than sums: whoever compresses borrows it and gives back what was there.
library Blake3Compression {
    uint256 private constant WORKBENCH = 0x80;
    /// Sixteen slots, and one that is read as zero behind the last.
    uint256 private constant SIZE = 17 * 32;

    /// Clears the workbench. Returns free memory behind it for the caller's blocks; what was on the bench is kept
    /// just below.
    function borrow() internal pure returns (uint256 data) {
        assembly {
            // Free memory begins at the bench or above it, so this lies behind both.
            data := add(mload(0x40), mul(2, SIZE))
            mcopy(sub(data, SIZE), WORKBENCH, SIZE)
            calldatacopy(WORKBENCH, calldatasize(), SIZE)
        }
    }

    /// Puts back what was on the workbench.
    function giveBack(uint256 data) internal pure {
        assembly {
            mcopy(WORKBENCH, sub(data, SIZE), SIZE)
        }
    }

    /// Lanes of the output's words 0..3 and 4..7, for chaining value lanes (a, b), `d` the lanes of counter (2),
    /// block length and flags, and the 64 bytes of memory at `data`. The workbench must be borrowed.
    function compress(uint256 a, uint256 b, uint256 d, uint256 data)
        internal
        pure
        returns (uint256 low, uint256 high)
    {
        assembly {
            let EVEN_BYTES := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            let EVEN_PAIRS := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
            let w
            // message words out of little-endian bytes, one to a slot
            w := mload(data)
            w := or(shl(8, and(w, EVEN_BYTES)), and(shr(8, w), EVEN_BYTES))
            mstore(0x00, or(shl(16, and(w, EVEN_PAIRS)), and(shr(16, w), EVEN_PAIRS)))
            mcopy(0x09c, 0x00, 4)
            mcopy(0x0bc, 0x04, 4)
            mcopy(0x0dc, 0x08, 4)
            mcopy(0x0fc, 0x0c, 4)
            mcopy(0x11c, 0x10, 4)
            mcopy(0x13c, 0x14, 4)
            mcopy(0x15c, 0x18, 4)
            mcopy(0x17c, 0x1c, 4)
            w := mload(add(data, 32))
            w := or(shl(8, and(w, EVEN_BYTES)), and(shr(8, w), EVEN_BYTES))
            mstore(0x00, or(shl(16, and(w, EVEN_PAIRS)), and(shr(16, w), EVEN_PAIRS)))
            mcopy(0x19c, 0x00, 4)
            mcopy(0x1bc, 0x04, 4)
            mcopy(0x1dc, 0x08, 4)
            mcopy(0x1fc, 0x0c, 4)
            mcopy(0x21c, 0x10, 4)
            mcopy(0x23c, 0x14, 4)
            mcopy(0x25c, 0x18, 4)
            mcopy(0x27c, 0x1c, 4)
        }
        assembly {
            let MASK := 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff
            let TWICE := 0x100000001
            let c := 0xa54ff53a000000003c6ef37200000000bb67ae85000000006a09e667
            // each round is named by the order of its message words
            // round 1: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
            a := add(add(a, b), add(add(mload(0x080), mload(0x0c8)), add(mload(0x110), mload(0x158))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x0a0), mload(0x0e8)), add(mload(0x130), mload(0x178))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shr(71, b), shl(185, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shl(64, d), shr(192, d))
            a := add(add(a, b), add(add(mload(0x180), mload(0x1c8)), add(mload(0x210), mload(0x258))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x1a0), mload(0x1e8)), add(mload(0x230), mload(0x278))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shl(57, b), shr(199, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shr(64, d), shl(192, d))
            // round 2: 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8
            a := add(add(a, b), add(add(mload(0x0c0), mload(0x0e8)), add(mload(0x170), mload(0x118))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x140), mload(0x1c8)), add(mload(0x090), mload(0x238))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shr(71, b), shl(185, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shl(64, d), shr(192, d))
            a := add(add(a, b), add(add(mload(0x0a0), mload(0x208)), add(mload(0x1b0), mload(0x278))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x1e0), mload(0x128)), add(mload(0x250), mload(0x198))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shl(57, b), shr(199, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shr(64, d), shl(192, d))
            // round 3: 3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1
            a := add(add(a, b), add(add(mload(0x0e0), mload(0x1c8)), add(mload(0x230), mload(0x178))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x100), mload(0x208)), add(mload(0x0d0), mload(0x258))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shr(71, b), shl(185, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shl(64, d), shr(192, d))
            a := add(add(a, b), add(add(mload(0x140), mload(0x1a8)), add(mload(0x1f0), mload(0x198))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x120), mload(0x088)), add(mload(0x270), mload(0x0b8))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shl(57, b), shr(199, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shr(64, d), shl(192, d))
            // round 4: 10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6
            a := add(add(a, b), add(add(mload(0x1c0), mload(0x208)), add(mload(0x250), mload(0x238))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x160), mload(0x1a8)), add(mload(0x0f0), mload(0x278))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shr(71, b), shl(185, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shl(64, d), shr(192, d))
            a := add(add(a, b), add(add(mload(0x100), mload(0x1e8)), add(mload(0x130), mload(0x0b8))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x080), mload(0x0c8)), add(mload(0x190), mload(0x158))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shl(57, b), shr(199, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shr(64, d), shl(192, d))
            // round 5: 12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4
            a := add(add(a, b), add(add(mload(0x200), mload(0x1a8)), add(mload(0x270), mload(0x258))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x220), mload(0x1e8)), add(mload(0x1d0), mload(0x198))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shr(71, b), shl(185, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shl(64, d), shr(192, d))
            a := add(add(a, b), add(add(mload(0x160), mload(0x128)), add(mload(0x090), mload(0x158))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x0c0), mload(0x0e8)), add(mload(0x0b0), mload(0x118))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shl(57, b), shr(199, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shr(64, d), shl(192, d))
            // round 6: 9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7
            a := add(add(a, b), add(add(mload(0x1a0), mload(0x1e8)), add(mload(0x190), mload(0x278))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x240), mload(0x128)), add(mload(0x210), mload(0x0b8))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shr(71, b), shl(185, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shl(64, d), shr(192, d))
            a := add(add(a, b), add(add(mload(0x220), mload(0x088)), add(mload(0x0d0), mload(0x118))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x0e0), mload(0x1c8)), add(mload(0x150), mload(0x178))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shl(57, b), shr(199, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shr(64, d), shl(192, d))
            // round 7: 11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13
            a := add(add(a, b), add(add(mload(0x1e0), mload(0x128)), add(mload(0x0b0), mload(0x198))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x260), mload(0x088)), add(mload(0x1b0), mload(0x158))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shr(71, b), shl(185, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shl(64, d), shr(192, d))
            a := add(add(a, b), add(add(mload(0x240), mload(0x0c8)), add(mload(0x0f0), mload(0x178))))
            d := and(shr(16, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := and(shr(12, mul(and(xor(b, c), MASK), TWICE)), MASK)
            a := add(add(a, b), add(add(mload(0x1c0), mload(0x208)), add(mload(0x110), mload(0x238))))
            d := and(shr(8, mul(and(xor(d, a), MASK), TWICE)), MASK)
            c := add(c, d)
            b := mul(and(xor(b, c), MASK), TWICE)
            b := and(or(shl(57, b), shr(199, b)), MASK)
            c := or(shr(128, c), shl(128, c))
            d := or(shr(64, d), shl(192, d))
            low := and(xor(a, c), MASK)
            high := xor(b, d)
        }
    }
}
