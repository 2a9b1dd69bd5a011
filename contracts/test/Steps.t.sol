// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MoveErrors} from "../src/Errors.sol";
import {Test} from "./Test.sol";

/// Whole steps of every operator: the referee computes what the specification computes, and only that.
contract StepsTest is Test {
    struct StepVector {
        bytes call;
        uint256 index;
        string name;
        int256 value;
    }

    /// Where in the calldata of a step the last 16 bytes of the position's fourth word lie, which are value and index.
    uint256 private constant VALUE_AND_INDEX = 4 + 32 + 3 * 32 + 16;

    address private referee;
    bytes[] private calls;
    int256[] private values;
    uint256[] private indices;

    function setUp() external {
        referee = deployed("Referee", "");
        string memory type_ = "StepVector(bytes call,uint256 index,string name,int256 value)";
        StepVector[] memory all = abi.decode(vm.parseJsonTypeArray(vectors("steps.json"), "$", type_), (StepVector[]));
        for (uint256 i = 0; i < all.length; ++i) {
            calls.push(all[i].call);
            values.push(all[i].value);
            indices.push(all[i].index);
        }
    }

    function test_every_step_agrees_with_the_specification() external view {
        check(calls.length >= 28, "there are vectors");
        for (uint256 i = 0; i < calls.length; ++i) {
            _agrees(calls[i]);
        }
    }

    /// Every other value, and every other index, is refuted.
    function testFuzz_any_other_value_is_refuted(uint256 which, int64 value, uint64 index, bool near) external view {
        uint256 i = which % calls.length;
        int256 claimed = near ? values[i] + int256(which / 64 % 5) - 2 : int256(value);
        uint256 place = near ? indices[i] + which / 512 % 2 : uint256(index);
        bytes memory sent = calls[i];
        assembly ("memory-safe") {
            let at := add(add(sent, 16), VALUE_AND_INDEX)
            let other := shl(128, shr(128, mload(at)))
            mstore(at, or(other, or(shl(64, and(claimed, 0xffffffffffffffff)), and(place, 0xffffffffffffffff))))
        }
        if (claimed == values[i] && place == indices[i]) return _agrees(sent);
        (bool ok,) = referee.staticcall(sent);
        check(ok, "another value is refuted");
    }

    function _agrees(bytes memory call) private view {
        (bool ok, bytes memory answer) = referee.staticcall(call);
        check(!ok, "the step agrees");
        equal(keccak256(answer), keccak256(abi.encodePacked(MoveErrors.StepAgrees.selector)), "refusal");
    }
}
