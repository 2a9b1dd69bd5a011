// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Rows of little-endian elements in calldata: `place` is where the first one lies, `step` the bytes from one to the
/// next (modulo 2^256), `size` the bytes of each: 1, 2 or 4. `test/PlainRows.sol` says the same element by element.
library Rows {
    uint256 private constant EVEN_BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;

    function element(uint256 place, uint256 size) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            let x := shr(224, calldataload(place))
            x := or(shl(8, and(x, 0x00ff00ff)), and(shr(8, x), 0x00ff00ff))
            value := signextend(sub(size, 1), or(shl(16, x), shr(16, x)))
        }
    }

    function sum(uint256 place, uint256 step, uint256 size, uint256 count) internal pure returns (int256 total) {
        unchecked {
            for (; count > 0; --count) {
                total += element(place, size);
                place += step;
            }
        }
    }

    /// The largest element, and where it comes first; at least one.
    function largest(uint256 place, uint256 step, uint256 size, uint256 count)
        internal
        pure
        returns (int256 value, uint256 first)
    {
        value = type(int256).min;
        unchecked {
            for (uint256 i = 0; i < count; ++i) {
                int256 x = element(place, size);
                if (x > value) (value, first) = (x, i);
                place += step;
            }
        }
    }

    function largestMagnitude(uint256 place, uint256 step, uint256 size, uint256 count)
        internal
        pure
        returns (int256 value)
    {
        unchecked {
            for (; count > 0; --count) {
                int256 x = element(place, size);
                if (x < 0) x = -x;
                if (x > value) value = x;
                place += step;
            }
        }
    }

    /// The sum of products of two rows of `count` elements.
    function sumOfProducts(
        uint256 a,
        uint256 stepA,
        uint256 sizeA,
        uint256 b,
        uint256 stepB,
        uint256 sizeB,
        uint256 count
    ) internal pure returns (int256 total) {
        unchecked {
            if (stepA == sizeA && stepB == sizeB) {
                uint256 whole = count & ~uint256(15);
                if (sizeA == 2 && sizeB == 1) total = _blocks(a, b, whole);
                else if (sizeA == 1 && sizeB == 2) total = _blocks(b, a, whole);
                else whole = 0;
                a += whole * sizeA;
                b += whole * sizeB;
                count -= whole;
            }
            for (; count > 0; --count) {
                total += element(a, sizeA) * element(b, sizeB);
                a += stepA;
                b += stepB;
            }
        }
    }

    /// The sum of products of `count` i16 at `a` and i8 at `b`, both contiguous; `count` is a multiple of 16.
    function _blocks(uint256 a, uint256 b, uint256 count) private pure returns (int256 total) {
        assembly ("memory-safe") {
            for { let end := add(b, count) } lt(b, end) { b := add(b, 16) } {
                let x := calldataload(a)
                // sixteen i16, the first one highest
                x := or(shl(8, and(x, EVEN_BYTES)), and(shr(8, x), EVEN_BYTES))
                let y := calldataload(b)
                a := add(a, 32)
                let s := mul(sar(240, x), sar(248, y))
                s := add(mul(sar(240, shl(16, x)), sar(248, shl(8, y))), s)
                s := add(mul(sar(240, shl(32, x)), sar(248, shl(16, y))), s)
                s := add(mul(sar(240, shl(48, x)), sar(248, shl(24, y))), s)
                s := add(mul(sar(240, shl(64, x)), sar(248, shl(32, y))), s)
                s := add(mul(sar(240, shl(80, x)), sar(248, shl(40, y))), s)
                s := add(mul(sar(240, shl(96, x)), sar(248, shl(48, y))), s)
                s := add(mul(sar(240, shl(112, x)), sar(248, shl(56, y))), s)
                s := add(mul(sar(240, shl(128, x)), sar(248, shl(64, y))), s)
                s := add(mul(sar(240, shl(144, x)), sar(248, shl(72, y))), s)
                s := add(mul(sar(240, shl(160, x)), sar(248, shl(80, y))), s)
                s := add(mul(sar(240, shl(176, x)), sar(248, shl(88, y))), s)
                s := add(mul(sar(240, shl(192, x)), sar(248, shl(96, y))), s)
                s := add(mul(sar(240, shl(208, x)), sar(248, shl(104, y))), s)
                s := add(mul(sar(240, shl(224, x)), sar(248, shl(112, y))), s)
                s := add(mul(sar(240, shl(240, x)), sar(248, shl(120, y))), s)
                total := add(total, s)
            }
        }
    }
}
