// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The scalar meaning of each operator (protocol, section 3.3), exact in 256 bits: operands are at most 32 bits
/// and shifts at most 62, so nothing here can overflow. Every function is total.
library Operators {
    function clamp(int256 x, int256 lo, int256 hi) internal pure returns (int256) {
        return x < lo ? lo : x > hi ? hi : x;
    }

    function min(int256 a, int256 b) internal pure returns (int256) {
        return a < b ? a : b;
    }

    function max(int256 a, int256 b) internal pure returns (int256) {
        return a > b ? a : b;
    }

    function abs(int256 a) internal pure returns (int256) {
        unchecked {
            return a < 0 ? -a : a;
        }
    }

    /// floor(n / d) for d > 0.
    function divFloor(int256 n, int256 d) internal pure returns (int256) {
        unchecked {
            return n % d < 0 ? n / d - 1 : n / d;
        }
    }

    /// floor(sqrt(x)) for x >= 0.
    function isqrt(int256 x) internal pure returns (int256) {
        unchecked {
            if (x <= 0) return 0;
            uint256 n = uint256(x);
            // Newton from a power of two above the root descends to the floor and stops.
            uint256 root = 1;
            while (root * root <= n) root <<= 1;
            while (true) {
                uint256 next = (root + n / root) / 2;
                if (next >= root) return int256(root);
                root = next;
            }
            return 0;
        }
    }

    /// (acc * m + c * 2^t + h) >> s, rounding half up, before the clamp.
    function rescale(int256 acc, int256 m, int256 c, uint256 s, uint256 t) internal pure returns (int256) {
        unchecked {
            int256 half = s == 0 ? int256(0) : int256(1 << (s - 1));
            return (acc * m + (c << t) + half) >> s;
        }
    }

    /// zip div: the quotient rounded half up, before the clamp.
    function divide(int256 a, int256 b, int256 m, int256 c, uint256 t) internal pure returns (int256) {
        unchecked {
            int256 n = a * m + (c << t);
            int256 d = max(b, 1);
            return divFloor(2 * n + d, 2 * d);
        }
    }

    function recip(int256 a, uint256 k) internal pure returns (int256) {
        unchecked {
            int256 x = max(a, 1);
            return (int256(1 << k) + x / 2) / x;
        }
    }

    function rsqrt(int256 a, uint256 k) internal pure returns (int256) {
        unchecked {
            return isqrt(int256(1 << (2 * k)) / max(a, 1));
        }
    }
}
