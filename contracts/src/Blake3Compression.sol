// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The BLAKE3 compression function, four words at a time, over a run of blocks.
///
/// The 4 x 4 state is four words of four 64-bit lanes, row by row, column 0 in the highest lane; a u32 sits in the
/// low half of each lane. `a` and `c` are not masked when they are added to: at most 57 summands below 2^32 stay
/// below 2^64 (what stands above the u32 of the highest lane is lost or masked away). Multiplying by TWICE copies
/// each u32 to the upper half of its lane, so that a shift right rotates it. Diagonals become columns by rotating
/// rows b, c, d by 1, 2, 3 lanes: multiplying modulo 2^256 - 1 rotates all 256 bits, for b together with the copy and
/// the rotation by 7. Every value has a name of its own, which costs less than to assign anew.
///
/// Message words lie on a workbench of memory, 24 zero bytes between any two, so that a load 8 * column bytes before
/// a word puts it in that column. (Round 1 takes them as they come.) The first 64 bytes of the bench hold the
/// chaining value. The workbench has a fixed address, since constants are cheaper than sums: whoever compresses
/// borrows it and gives back what was there.
///
/// `test/PlainBlake3.sol` is the same function word by word.
library Blake3Compression {
    uint256 private constant WORKBENCH = 0x80;
    uint256 private constant SIZE = 0x220;

    uint256 private constant IV_LOW = 0x6a09e66700000000bb67ae85000000003c6ef37200000000a54ff53a;
    uint256 private constant IV_HIGH = 0x510e527f000000009b05688c000000001f83d9ab000000005be0cd19;

    uint256 private constant MASK = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant TWICE = 0x100000001;
    uint256 private constant ONES = 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff;
    /// Rotations to the left modulo ONES. The last two are by 7 bits to the right and one lane, of a copied row.
    uint256 private constant ONE_LANE = 1 << 64;
    uint256 private constant TWO_LANES = 1 << 128;
    uint256 private constant THREE_LANES = 1 << 192;
    uint256 private constant TO_DIAGONALS = 0x100000001 << 57;
    uint256 private constant TO_COLUMNS = 0x100000001 << 185;

    uint256 private constant EVEN_BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant EVEN_PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant EVEN_LANES = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
    uint256 private constant LOW_HALF = 0xffffffffffffffffffffffffffffffff;
    uint256 private constant WORDS_0_7 = 0xffffffff << 224 | 0xffffffff;
    uint256 private constant WORD_1 = 0xffffffff << 192;
    uint256 private constant WORD_2 = 0xffffffff << 160;
    uint256 private constant WORD_3 = 0xffffffff << 128;
    uint256 private constant WORD_4 = 0xffffffff << 96;
    uint256 private constant WORD_5 = 0xffffffff << 64;
    uint256 private constant WORD_6 = 0xffffffff << 32;

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

    /// Lays out the chaining value that every chunk and parent begins with.
    function begin() internal pure {
        assembly {
            mstore(0x80, IV_LOW)
            mstore(0xa0, IV_HIGH)
        }
    }

    /// The chaining value: eight words out of their lanes, little-endian, first word first.
    function value() internal pure returns (bytes32 x) {
        assembly {
            let low := mload(0x80)
            let high := mload(0xa0)
            low := and(or(low, shr(32, low)), EVEN_LANES)
            high := and(or(high, shr(32, high)), EVEN_LANES)
            x := or(shl(128, or(low, shr(64, low))), and(or(high, shr(64, high)), LOW_HALF))
            x := or(shl(8, and(x, EVEN_BYTES)), and(shr(8, x), EVEN_BYTES))
            x := or(shl(16, and(x, EVEN_PAIRS)), and(shr(16, x), EVEN_PAIRS))
        }
    }

    /// The parent of the two chaining values at `data`; `d` as in `absorb`.
    function join(uint256 data, uint256 d) internal pure returns (bytes32) {
        begin();
        unchecked {
            absorb(data, data + 64, d);
        }
        return value();
    }

    /// Compresses the blocks of 64 bytes of memory from `data` to `end` into the chaining value.
    /// `d`: lanes of counter (2), block length and flags of each. The workbench must be borrowed.
    function absorb(uint256 data, uint256 end, uint256 d) internal pure {
        assembly {
            for {} iszero(eq(data, end)) { data := add(data, 64) } {
                // message words out of little-endian bytes
                let x0 := mload(data)
                let y0 := or(shl(8, and(x0, EVEN_BYTES)), and(shr(8, x0), EVEN_BYTES))
                let w0 := or(shl(16, and(y0, EVEN_PAIRS)), and(shr(16, y0), EVEN_PAIRS))
                mstore(0x0dc, and(w0, WORDS_0_7))
                mstore(0x110, and(w0, WORD_1))
                mstore(0x128, and(w0, WORD_2))
                mstore(0x140, and(w0, WORD_3))
                mstore(0x158, and(w0, WORD_4))
                mstore(0x170, and(w0, WORD_5))
                mstore(0x188, and(w0, WORD_6))
                let x1 := mload(add(data, 32))
                let y1 := or(shl(8, and(x1, EVEN_BYTES)), and(shr(8, x1), EVEN_BYTES))
                let w1 := or(shl(16, and(y1, EVEN_PAIRS)), and(shr(16, y1), EVEN_PAIRS))
                mstore(0x1bc, and(w1, WORDS_0_7))
                mstore(0x1f0, and(w1, WORD_1))
                mstore(0x208, and(w1, WORD_2))
                mstore(0x220, and(w1, WORD_3))
                mstore(0x238, and(w1, WORD_4))
                mstore(0x250, and(w1, WORD_5))
                mstore(0x268, and(w1, WORD_6))
                // round 1: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
                let a1 := add(and(shr(32, w0), MASK), add(mload(0xa0), mload(0x80)))
                let d1 := and(shr(16, mul(and(xor(a1, d), MASK), TWICE)), MASK)
                let c1 := add(d1, IV_LOW)
                let b1 := and(shr(12, mul(and(xor(c1, mload(0xa0)), MASK), TWICE)), MASK)
                let a2 := add(and(w0, MASK), add(b1, a1))
                let d2 := and(shr(8, mul(and(xor(a2, d1), MASK), TWICE)), MASK)
                let c2 := add(d2, c1)
                let b2 := and(mulmod(TO_DIAGONALS, and(xor(c2, b1), MASK), ONES), MASK)
                let a3 := add(and(shr(32, w1), MASK), add(b2, a2))
                let d3 := and(shr(16, mul(and(xor(a3, mulmod(THREE_LANES, d2, ONES)), MASK), TWICE)), MASK)
                let c3 := add(d3, mulmod(TWO_LANES, c2, ONES))
                let b3 := and(shr(12, mul(and(xor(c3, b2), MASK), TWICE)), MASK)
                let a4 := add(and(w1, MASK), add(b3, a3))
                let d4 := and(shr(8, mul(and(xor(a4, d3), MASK), TWICE)), MASK)
                let c4 := add(d4, c3)
                let b4 := and(mulmod(TO_COLUMNS, and(xor(c4, b3), MASK), ONES), MASK)
                // round 2: 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8
                let a5 := add(mload(0x14c), add(mload(0x0e4), add(mload(0x140), add(mload(0x12c), add(b4, a4)))))
                let d5 := and(shr(16, mul(and(xor(a5, mulmod(ONE_LANE, d4, ONES)), MASK), TWICE)), MASK)
                let c5 := add(d5, mulmod(TWO_LANES, c4, ONES))
                let b5 := and(shr(12, mul(and(xor(c5, b4), MASK), TWICE)), MASK)
                let a6 := add(mload(0x248), add(mload(0x0c8), add(mload(0x204), add(mload(0x19c), add(b5, a5)))))
                let d6 := and(shr(8, mul(and(xor(a6, d5), MASK), TWICE)), MASK)
                let c6 := add(d6, c5)
                let b6 := and(mulmod(TO_DIAGONALS, and(xor(c6, b5), MASK), ONES), MASK)
                let a7 := add(mload(0x1bc), add(mload(0x1e0), add(mload(0x23c), add(mload(0x110), add(b6, a6)))))
                let d7 := and(shr(16, mul(and(xor(a7, mulmod(THREE_LANES, d6, ONES)), MASK), TWICE)), MASK)
                let c7 := add(d7, mulmod(TWO_LANES, c6, ONES))
                let b7 := and(shr(12, mul(and(xor(c7, b6), MASK), TWICE)), MASK)
                let a8 := add(mload(0x1a0), add(mload(0x26c), add(mload(0x178), add(mload(0x228), add(b7, a7)))))
                let d8 := and(shr(8, mul(and(xor(a8, d7), MASK), TWICE)), MASK)
                let c8 := add(d8, c7)
                let b8 := and(mulmod(TO_COLUMNS, and(xor(c8, b7), MASK), ONES), MASK)
                // round 3: 3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1
                let a9 := add(mload(0x0dc), add(mload(0x250), add(mload(0x204), add(mload(0x148), add(b8, a8)))))
                let d9 := and(shr(16, mul(and(xor(a9, mulmod(ONE_LANE, d8, ONES)), MASK), TWICE)), MASK)
                let c9 := add(d9, mulmod(TWO_LANES, c8, ONES))
                let b9 := and(shr(12, mul(and(xor(c9, b8), MASK), TWICE)), MASK)
                let a10 := add(mload(0x264), add(mload(0x11c), add(mload(0x23c), add(mload(0x164), add(b9, a9)))))
                let d10 := and(shr(8, mul(and(xor(a10, d9), MASK), TWICE)), MASK)
                let c10 := add(d10, c9)
                let b10 := and(mulmod(TO_DIAGONALS, and(xor(c10, b9), MASK), ONES), MASK)
                let a11 := add(mload(0x1a0), add(mload(0x218), add(mload(0x1e8), add(mload(0x19c), add(b10, a10)))))
                let d11 := and(shr(16, mul(and(xor(a11, mulmod(THREE_LANES, d10, ONES)), MASK), TWICE)), MASK)
                let c11 := add(d11, mulmod(TWO_LANES, c10, ONES))
                let b11 := and(shr(12, mul(and(xor(c11, b10), MASK), TWICE)), MASK)
                let a12 := add(mload(0x0f8), add(mload(0x1c4), add(mload(0x0d0), add(mload(0x180), add(b11, a11)))))
                let d12 := and(shr(8, mul(and(xor(a12, d11), MASK), TWICE)), MASK)
                let c12 := add(d12, c11)
                let b12 := and(mulmod(TO_COLUMNS, and(xor(c12, b11), MASK), ONES), MASK)
                // round 4: 10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6
                let a13 := add(mload(0x248), add(mload(0x26c), add(mload(0x23c), add(mload(0x20c), add(b12, a12)))))
                let d13 := and(shr(16, mul(and(xor(a13, mulmod(ONE_LANE, d12, ONES)), MASK), TWICE)), MASK)
                let c13 := add(d13, mulmod(TWO_LANES, c12, ONES))
                let b13 := and(shr(12, mul(and(xor(c13, b12), MASK), TWICE)), MASK)
                let a14 := add(mload(0x1bc), add(mload(0x138), add(mload(0x1e8), add(mload(0x0f4), add(b13, a13)))))
                let d14 := and(shr(8, mul(and(xor(a14, d13), MASK), TWICE)), MASK)
                let c14 := add(d14, c13)
                let b14 := and(mulmod(TO_DIAGONALS, and(xor(c14, b13), MASK), ONES), MASK)
                let a15 := add(mload(0x0f8), add(mload(0x170), add(mload(0x220), add(mload(0x164), add(b14, a14)))))
                let d15 := and(shr(16, mul(and(xor(a15, mulmod(THREE_LANES, d14, ONES)), MASK), TWICE)), MASK)
                let c15 := add(d15, mulmod(TWO_LANES, c14, ONES))
                let b15 := and(shr(12, mul(and(xor(c15, b14), MASK), TWICE)), MASK)
                let a16 := add(mload(0x184), add(mload(0x1a8), add(mload(0x124), add(mload(0x0d8), add(b15, a15)))))
                let d16 := and(shr(8, mul(and(xor(a16, d15), MASK), TWICE)), MASK)
                let c16 := add(d16, c15)
                let b16 := and(mulmod(TO_COLUMNS, and(xor(c16, b15), MASK), ONES), MASK)
                // round 5: 12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4
                let a17 := add(mload(0x264), add(mload(0x1c4), add(mload(0x1e8), add(mload(0x244), add(b16, a16)))))
                let d17 := and(shr(16, mul(and(xor(a17, mulmod(ONE_LANE, d16, ONES)), MASK), TWICE)), MASK)
                let c17 := add(d17, mulmod(TWO_LANES, c16, ONES))
                let b17 := and(shr(12, mul(and(xor(c17, b16), MASK), TWICE)), MASK)
                let a18 := add(mload(0x1a0), add(mload(0x1fc), add(mload(0x220), add(mload(0x260), add(b17, a17)))))
                let d18 := and(shr(8, mul(and(xor(a18, d17), MASK), TWICE)), MASK)
                let c18 := add(d18, c17)
                let b18 := and(mulmod(TO_DIAGONALS, and(xor(c18, b17), MASK), ONES), MASK)
                let a19 := add(mload(0x184), add(mload(0x0c8), add(mload(0x178), add(mload(0x0f4), add(b18, a18)))))
                let d19 := and(shr(16, mul(and(xor(a19, mulmod(THREE_LANES, d18, ONES)), MASK), TWICE)), MASK)
                let c19 := add(d19, mulmod(TWO_LANES, c18, ONES))
                let b19 := and(shr(12, mul(and(xor(c19, b18), MASK), TWICE)), MASK)
                let a20 := add(mload(0x14c), add(mload(0x100), add(mload(0x140), add(mload(0x12c), add(b19, a19)))))
                let d20 := and(shr(8, mul(and(xor(a20, d19), MASK), TWICE)), MASK)
                let c20 := add(d20, c19)
                let b20 := and(mulmod(TO_COLUMNS, and(xor(c20, b19), MASK), ONES), MASK)
                // round 6: 9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7
                let a21 := add(mload(0x1bc), add(mload(0x1a8), add(mload(0x220), add(mload(0x1f0), add(b20, a20)))))
                let d21 := and(shr(16, mul(and(xor(a21, mulmod(ONE_LANE, d20, ONES)), MASK), TWICE)), MASK)
                let c21 := add(d21, mulmod(TWO_LANES, c20, ONES))
                let b21 := and(shr(12, mul(and(xor(c21, b20), MASK), TWICE)), MASK)
                let a22 := add(mload(0x0f8), add(mload(0x234), add(mload(0x178), add(mload(0x27c), add(b21, a21)))))
                let d22 := and(shr(8, mul(and(xor(a22, d21), MASK), TWICE)), MASK)
                let c22 := add(d22, c21)
                let b22 := and(mulmod(TO_DIAGONALS, and(xor(c22, b21), MASK), ONES), MASK)
                let a23 := add(mload(0x14c), add(mload(0x11c), add(mload(0x0d0), add(mload(0x260), add(b22, a22)))))
                let d23 := and(shr(16, mul(and(xor(a23, mulmod(THREE_LANES, d22, ONES)), MASK), TWICE)), MASK)
                let c23 := add(d23, mulmod(TWO_LANES, c22, ONES))
                let b23 := and(shr(12, mul(and(xor(c23, b22), MASK), TWICE)), MASK)
                let a24 := add(mload(0x0dc), add(mload(0x18c), add(mload(0x204), add(mload(0x148), add(b23, a23)))))
                let d24 := and(shr(8, mul(and(xor(a24, d23), MASK), TWICE)), MASK)
                let c24 := add(d24, c23)
                let b24 := and(mulmod(TO_COLUMNS, and(xor(c24, b23), MASK), ONES), MASK)
                // round 7: 11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13
                let a25 := add(mload(0x1a0), add(mload(0x100), add(mload(0x178), add(mload(0x228), add(b24, a24)))))
                let d25 := and(shr(16, mul(and(xor(a25, mulmod(ONE_LANE, d24, ONES)), MASK), TWICE)), MASK)
                let c25 := add(d25, mulmod(TWO_LANES, c24, ONES))
                let b25 := and(shr(12, mul(and(xor(c25, b24), MASK), TWICE)), MASK)
                let a26 := add(mload(0x184), add(mload(0x1e0), add(mload(0x0d0), add(mload(0x1d4), add(b25, a25)))))
                let d26 := and(shr(8, mul(and(xor(a26, d25), MASK), TWICE)), MASK)
                let c26 := add(d26, c25)
                let b26 := and(mulmod(TO_DIAGONALS, and(xor(c26, b25), MASK), ONES), MASK)
                let a27 := add(mload(0x0dc), add(mload(0x138), add(mload(0x124), add(mload(0x27c), add(b26, a26)))))
                let d27 := and(shr(16, mul(and(xor(a27, mulmod(THREE_LANES, d26, ONES)), MASK), TWICE)), MASK)
                let c27 := add(d27, mulmod(TWO_LANES, c26, ONES))
                let b27 := and(shr(12, mul(and(xor(c27, b26), MASK), TWICE)), MASK)
                let a28 := add(mload(0x248), add(mload(0x154), add(mload(0x23c), add(mload(0x20c), add(b27, a27)))))
                let d28 := and(shr(8, mul(and(xor(a28, d27), MASK), TWICE)), MASK)
                let c28 := add(d28, c27)
                let b28 := and(mulmod(TO_COLUMNS, and(xor(c28, b27), MASK), ONES), MASK)
                mstore(0x80, and(xor(a28, mulmod(TWO_LANES, c28, ONES)), MASK))
                mstore(0xa0, xor(b28, mulmod(ONE_LANE, d28, ONES)))
            }
        }
    }
}
