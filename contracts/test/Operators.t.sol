// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Harness} from "../src/test/Harness.sol";
import {PlainOperators} from "./PlainOperators.sol";
import {Test} from "./Test.sol";

/// The scalar functions against the specification's vectors and against the plain version.
contract OperatorsTest is Test {
    struct ScalarVector {
        int256 a;
        int256 b;
        int256 c;
        string name;
        int256 m;
        uint256 s;
        uint256 t;
        int256 value;
    }

    Harness private harness;

    function setUp() external {
        harness = Harness(deployed("Harness", ""));
    }

    function test_values_are_the_golden_ones() external view {
        string memory type_ =
            "ScalarVector(int256 a,int256 b,int256 c,string name,int256 m,uint256 s,uint256 t,int256 value)";
        ScalarVector[] memory all =
            abi.decode(vm.parseJsonTypeArray(vectors("primitives.json"), ".scalars", type_), (ScalarVector[]));
        check(all.length >= 300, "there are vectors");
        for (uint256 i = 0; i < all.length; ++i) {
            equal(_value(all[i]), all[i].value, all[i].name);
        }
    }

    function _value(ScalarVector memory v) private view returns (int256) {
        bytes32 name = keccak256(bytes(v.name));
        if (name == keccak256("rescale")) return harness.rescale(v.a, v.m, v.c, v.s, v.t);
        if (name == keccak256("divide")) return harness.divide(v.a, v.b, v.m, v.c, v.t);
        if (name == keccak256("recip")) return harness.recip(v.a, v.s);
        if (name == keccak256("rsqrt")) return harness.rsqrt(v.a, v.s);
        if (name == keccak256("isqrt")) return harness.isqrt(v.a);
        revert Unfulfilled(v.name);
    }

    /// The accumulator is a sum of products: any 64 bits.
    function testFuzz_rescale(int64 acc, uint256 m, uint256 c, uint256 s, uint256 t) external view {
        (s, t) = (_shift(s), _shift(t));
        equal(harness.rescale(acc, i32(m), i32(c), s, t), PlainOperators.rescale(acc, i32(m), i32(c), s, t), "rescale");
    }

    function testFuzz_divide(uint256 a, uint256 b, uint256 m, uint256 c, uint256 t) external view {
        t = _shift(t);
        int256 plain = PlainOperators.divide(i32(a), i32(b), i32(m), i32(c), t);
        equal(harness.divide(i32(a), i32(b), i32(m), i32(c), t), plain, "divide");
    }

    function testFuzz_recip(uint256 a, uint256 k) external view {
        equal(harness.recip(i32(a), _shift(k)), PlainOperators.recip(i32(a), _shift(k)), "recip");
    }

    function testFuzz_rsqrt(uint256 a, uint256 k) external view {
        equal(harness.rsqrt(i32(a), _shift(k) / 2), PlainOperators.rsqrt(i32(a), _shift(k) / 2), "rsqrt");
    }

    function testFuzz_isqrt(uint64 x, uint32 root, uint256 choice) external view {
        int256 square = int256(uint256(root)) * int256(uint256(root));
        int256 chosen = choice % 2 == 0 ? int256(uint256(x)) : square + int256(choice / 2 % 3) - 1;
        equal(harness.isqrt(chosen), PlainOperators.isqrt(chosen), "isqrt");
    }

    /// 0 to 62, often at the ends.
    function _shift(uint256 seed) private pure returns (uint256) {
        if (seed % 4 == 0) return seed / 4 % 2 == 0 ? 0 : 62;
        return seed / 4 % 63;
    }
}
