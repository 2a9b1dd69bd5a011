// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ClaimStatus} from "../src/Claims.sol";
import {DisputeStatus} from "../src/Disputes.sol";
import {MoveErrors} from "../src/Errors.sol";
import {Stage} from "./Stage.sol";

/// Whole disputes on the deployed contract, as the simulator played them.
contract GamesTest is Stage {
    address private constant EXECUTOR = address(0xE1);
    address private constant CHALLENGER = address(0xC1);
    address private constant STRANGER = address(0x51);

    function setUp() external {
        setTheStage();
        for (uint160 i = 0; i < 2; ++i) {
            address account = i == 0 ? EXECUTOR : CHALLENGER;
            vm.deal(account, 100 ether);
            vm.prank(account);
            refute.deposit{value: 50 ether}();
        }
        vm.deal(STRANGER, 1 ether);
    }

    function test_a_false_tensor_falls() external {
        _falls(FALSE_TENSOR);
    }

    function test_a_false_sum_falls() external {
        _falls(FALSE_TERMS);
    }

    function test_a_false_output_falls() external {
        bytes32 claim = _claim(FALSE_OUTPUT);
        _ok(CHALLENGER, about(claim, scripts[FALSE_OUTPUT].proof));
        _hasFallen(claim);
    }

    function test_an_honest_claim_stands() external {
        (bytes32 claim, bytes32 dispute) = _play(HONEST);
        (bool ok, bytes memory refusal) = _send(CHALLENGER, about(dispute, scripts[HONEST].step));
        check(!ok, "the step agrees");
        equal(keccak256(refusal), keccak256(abi.encodePacked(MoveErrors.StepAgrees.selector)), "refusal");
        vm.warp(block.timestamp + parameters().window + parameters().clock);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = dispute;
        refute.expire(ids);
        refute.finalise(claim);
        equal(refute.creditsOf(EXECUTOR), FEE + parameters().challengerBond, "the executor's credits");
        (uint256 free, uint256 locked,,) = refute.accountOf(EXECUTOR);
        equal(free, 50 ether, "the executor's free stake");
        equal(locked, 0, "the executor's locked stake");
    }

    function test_the_outcome_does_not_depend_on_who_sends_the_step() external {
        (bytes32 claim, bytes32 dispute) = _play(FALSE_TERMS);
        _ok(STRANGER, about(dispute, scripts[FALSE_TERMS].step));
        _hasFallen(claim);
    }

    function _falls(uint256 kind) private {
        (bytes32 claim, bytes32 dispute) = _play(kind);
        _ok(CHALLENGER, about(dispute, scripts[kind].step));
        _hasFallen(claim);
        check(refute.disputeOf(dispute).standing.status == DisputeStatus.Won, "the dispute is won");
    }

    /// Half of the stake is burned, the other half is the challenger's.
    function _hasFallen(bytes32 claim) private view {
        (ClaimStatus status,) = refute.claimOf(claim);
        check(status == ClaimStatus.Fallen, "the claim has fallen");
        equal(refute.creditsOf(CHALLENGER), 5 ether, "the challenger's credits");
        equal(refute.burned(), 5 ether, "burned");
        (uint256 free, uint256 locked,,) = refute.accountOf(CHALLENGER);
        equal(free, 50 ether, "the challenger's free stake");
        equal(locked, 0, "the challenger's locked stake");
    }

    /// A dispute up to the step.
    function _play(uint256 kind) private returns (bytes32 claim, bytes32 dispute) {
        claim = _claim(kind);
        vm.prank(CHALLENGER);
        dispute = refute.challenge(claim, head);
        for (uint256 i = 0; i < scripts[kind].calls.length; ++i) {
            address mover = scripts[kind].byChallenger[i] ? CHALLENGER : EXECUTOR;
            _ok(mover, about(dispute, scripts[kind].calls[i]));
        }
    }

    function _claim(uint256 kind) private returns (bytes32) {
        vm.prank(STRANGER);
        bytes32 request = refute.request{value: FEE}(model, interface_, inputs, ANSWER_PERIOD, 0, address(0));
        vm.prank(EXECUTOR);
        refute.accept(request);
        vm.prank(EXECUTOR);
        return refute.claim(request, interface_, scripts[kind].traceRoot, scripts[kind].outputs, address(0));
    }

    function _ok(address sender, bytes memory call) private {
        (bool ok, bytes memory answer) = _send(sender, call);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function _send(address sender, bytes memory call) private returns (bool, bytes memory) {
        vm.prank(sender);
        return address(refute).call(call);
    }
}
