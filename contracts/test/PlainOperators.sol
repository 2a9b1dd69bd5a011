// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The scalar functions of `Operators.sol` as the protocol words them (section 3.3): checked arithmetic, division by
/// powers of two in place of shifts, and a root found bit by bit.
library PlainOperators {
    /// floor(n / d) for d > 0: the one q with q*d <= n < (q+1)*d.
    function floorOf(int256 n, int256 d) internal pure returns (int256 q) {
        q = n / d;
        if (q * d > n) q = q - 1;
        require(q * d <= n && n < (q + 1) * d);
    }

    function rescale(int256 acc, int256 m, int256 c, uint256 s, uint256 t) internal pure returns (int256) {
        int256 half = s > 0 ? int256(2 ** (s - 1)) : int256(0);
        return floorOf(acc * m + c * int256(2 ** t) + half, int256(2 ** s));
    }

    function divide(int256 a, int256 b, int256 m, int256 c, uint256 t) internal pure returns (int256) {
        int256 n = a * m + c * int256(2 ** t);
        int256 d = b > 1 ? b : int256(1);
        return floorOf(2 * n + d, 2 * d);
    }

    function recip(int256 a, uint256 k) internal pure returns (int256) {
        int256 x = a > 1 ? a : int256(1);
        return floorOf(int256(2 ** k) + floorOf(x, 2), x);
    }

    function rsqrt(int256 a, uint256 k) internal pure returns (int256) {
        return isqrt(floorOf(int256(2 ** (2 * k)), a > 1 ? a : int256(1)));
    }

    function isqrt(int256 x) internal pure returns (int256 root) {
        for (int256 bit = int256(1) << 64; bit > 0; bit /= 2) {
            if ((root + bit) * (root + bit) <= x) root += bit;
        }
    }
}
