// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Harness} from "../src/test/Harness.sol";
import {Plain} from "../src/test/Plain.sol";
import {Test} from "./Test.sol";

/// Rows of elements in calldata: the assembly against the plain version.
contract RowsTest is Test {
    uint256 private constant LENGTH = 400;

    Harness private harness;
    Plain private plain;

    function setUp() external {
        harness = Harness(deployed("Harness", ""));
        plain = Plain(deployed("Plain", ""));
    }

    function testFuzz_a_row_is_the_plain_one(uint256 seed, uint256 shape) external view {
        bytes memory list = data(seed, LENGTH);
        uint256 count = bounded(shape >> 32, 1, 70);
        (int256 from, int256 step, int256 size) = _row(shape, count);
        bytes memory arguments = abi.encode(list, from, step, size, count);
        equal(
            _answer(address(harness), harness.row.selector, arguments),
            _answer(address(plain), plain.row.selector, arguments),
            "row"
        );
    }

    /// keccak of (sum, largest, where it comes first, magnitude).
    function _answer(address of_, bytes4 selector, bytes memory arguments) private view returns (bytes32) {
        (bool ok, bytes memory answer) = of_.staticcall(bytes.concat(selector, arguments));
        check(ok && answer.length == 128, "there is an answer");
        return keccak256(answer);
    }

    function testFuzz_a_sum_of_products_is_the_plain_one(uint256 seed, uint256 shapeA, uint256 shapeB) external view {
        bytes memory list = data(seed, LENGTH);
        uint256 count = bounded(shapeA >> 32, 1, 70);
        int256[3] memory a;
        int256[3] memory b;
        (a[0], a[1], a[2]) = _row(shapeA, count);
        (b[0], b[1], b[2]) = _row(shapeB, count);
        equal(harness.products(list, a, b, count), plain.products(list, a, b, count), "products");
    }

    /// First byte, step and size of a row of `count` elements inside the data; every other one is contiguous.
    function _row(uint256 shape, uint256 count) private pure returns (int256 from, int256 step, int256 size) {
        size = int256(1 << shape % 3);
        int256 room = int256(LENGTH) - size;
        int256 most = room / int256(count > 1 ? count - 1 : 1);
        step = shape / 4 % 2 == 0 ? size : int256(bounded(shape >> 64, 0, uint256(2 * most))) - most;
        int256 span = step * int256(count - 1);
        int256 low = span < 0 ? -span : int256(0);
        from = low + int256(bounded(shape >> 128, 0, uint256(room - (span < 0 ? -span : span))));
    }
}
