// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, ClaimStatus} from "../src/Claims.sol";
import {DisputeStatus, Party} from "../src/Disputes.sol";
import {Errors, MoveErrors} from "../src/Errors.sol";
import {Script, Stage} from "./Stage.sol";

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

    function test_nodes_that_do_not_hash_to_the_one_in_dispute_fall() external {
        _falls(FALSE_NODES);
    }

    function test_a_chunk_that_does_not_hash_to_the_one_in_dispute_falls() external {
        _falls(FALSE_CHUNK);
    }

    /// To open a dispute at one of the claim's nodes is the same as to open it, have the trace opened and pick.
    function test_a_challenge_may_begin_below_the_root() external {
        (bytes32 claim, uint256 state) = (_claim(FALSE_TERMS), vm.snapshotState());
        vm.prank(CHALLENGER);
        bytes32 dispute = refute.challenge(claim, head, scripts[FALSE_TERMS].traceRoot);
        for (uint256 i = 0; i < 2; ++i) {
            _ok(i == 0 ? EXECUTOR : CHALLENGER, _scripted(FALSE_TERMS, claim, scripts[FALSE_TERMS].calls[i]));
        }
        bytes32 position = refute.disputeOf(dispute).position;
        vm.revertToState(state);
        vm.prank(CHALLENGER);
        refute.challengeAt(claim, head, scripts[FALSE_TERMS].nodes, firstPick(FALSE_TERMS));
        equal(refute.disputeOf(dispute).position, position, "position");
    }

    /// The ground of another's dispute, or another program: refused at the layer and at the step.
    function test_a_move_that_needs_the_ground_carries_the_disputes_own() external {
        bytes32 claim = _claim(FALSE_TERMS);
        vm.prank(CHALLENGER);
        refute.challenge(claim, head, scripts[FALSE_TERMS].traceRoot);
        for (uint256 i = 0; i < scripts[FALSE_TERMS].calls.length; ++i) {
            bytes memory call = _scripted(FALSE_TERMS, claim, scripts[FALSE_TERMS].calls[i]);
            if (bytes4(call) == refute.openLayer.selector) _refusesOtherGrounds(EXECUTOR, call);
            _ok(scripts[FALSE_TERMS].byChallenger[i] ? CHALLENGER : EXECUTOR, call);
        }
        _refusesOtherGrounds(CHALLENGER, _scripted(FALSE_TERMS, claim, scripts[FALSE_TERMS].last));
    }

    /// Any word of the ground changed; the first is the challenger, which tells whose step it is before the rules look.
    function _refusesOtherGrounds(address sender, bytes memory call) private {
        bool isStep = bytes4(call) == refute.step.selector;
        for (uint256 i = 0; i < 5; ++i) {
            bytes memory changed = bytes.concat(call);
            changed[4 + 32 * (10 + i) - 1] ^= 0x01;
            _refusedTo(
                sender, changed, isStep && i == 0 ? Errors.NotTheChallenger.selector : MoveErrors.WrongGround.selector
            );
        }
    }

    function test_a_challenge_begins_only_at_nodes_of_the_claim() external {
        bytes32 claim = _claim(FALSE_TERMS);
        bytes32[] memory nodes = scripts[HONEST].nodes;
        bytes memory call_ = abi.encodeCall(refute.challengeAt, (claim, head, nodes, 0));
        _refusedTo(CHALLENGER, call_, Errors.WrongTraceRoot.selector);
        call_ = abi.encodeCall(refute.challengeAt, (claim, head, new bytes32[](nodes.length + 1), 0));
        _refusedTo(CHALLENGER, call_, MoveErrors.WrongNodes.selector);
        nodes = scripts[FALSE_TERMS].nodes;
        call_ = abi.encodeCall(refute.challengeAt, (claim, head, nodes, nodes.length));
        _refusedTo(CHALLENGER, call_, MoveErrors.NoSuchChild.selector);
    }

    /// An id is of one claim only: an answer that fell cannot be claimed again before time has passed.
    function test_an_answer_that_fell_is_not_claimed_again_in_its_block() external {
        bytes32 claim = _claim(FALSE_OUTPUT);
        _ok(CHALLENGER, about(claim, scripts[FALSE_OUTPUT].proof));
        (, Claim memory held) = refute.claimOf(claim);
        _ok(EXECUTOR, abi.encodeCall(refute.accept, (held.request)));
        Script storage script = scripts[FALSE_OUTPUT];
        bytes memory again =
            abi.encodeCall(refute.claim, (held.request, head, interface_, script.nodes, script.outputs, address(0)));
        _refusedTo(EXECUTOR, again, Errors.ClaimExists.selector);
        vm.warp(block.timestamp + 1);
        _ok(EXECUTOR, again);
    }

    function test_a_false_output_falls() external {
        bytes32 claim = _claim(FALSE_OUTPUT);
        _ok(CHALLENGER, about(claim, scripts[FALSE_OUTPUT].proof));
        _hasFallen(claim);
    }

    function test_an_honest_claim_stands() external {
        (bytes32 claim, bytes32 dispute) = _play(HONEST);
        _refusedTo(CHALLENGER, _scripted(HONEST, claim, scripts[HONEST].last), MoveErrors.StepAgrees.selector);
        vm.warp(block.timestamp + parameters().window + parameters().clock);
        Party[] memory parties = new Party[](1);
        parties[0] = Party(claim, CHALLENGER);
        refute.expire(parties);
        check(refute.disputeOf(dispute).standing.status == DisputeStatus.Lost, "the dispute is lost");
        refute.finalise(claim);
        equal(refute.creditsOf(EXECUTOR), FEE + parameters().challengerBond, "the executor's credits");
        (uint256 free, uint256 locked,,) = refute.accountOf(EXECUTOR);
        equal(free, 50 ether, "the executor's free stake");
        equal(locked, 0, "the executor's locked stake");
    }

    function test_the_outcome_does_not_depend_on_who_sends_the_step() external {
        (bytes32 claim,) = _play(FALSE_TERMS);
        _ok(STRANGER, _scripted(FALSE_TERMS, claim, scripts[FALSE_TERMS].last));
        _hasFallen(claim);
    }

    function _falls(uint256 kind) private {
        (bytes32 claim, bytes32 dispute) = _play(kind);
        _ok(CHALLENGER, _scripted(kind, claim, scripts[kind].last));
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
        dispute = refute.challenge(claim, head, scripts[kind].traceRoot);
        for (uint256 i = 0; i < scripts[kind].calls.length; ++i) {
            address mover = scripts[kind].byChallenger[i] ? CHALLENGER : EXECUTOR;
            _ok(mover, _scripted(kind, claim, scripts[kind].calls[i]));
        }
    }

    function _scripted(uint256 kind, bytes32 claim, bytes memory call) private view returns (bytes memory) {
        return inDispute(kind, claim, CHALLENGER, call);
    }

    function _claim(uint256 kind) private returns (bytes32) {
        vm.prank(STRANGER);
        bytes32 request = refute.request{value: FEE}(model, interface_, inputs, ANSWER_PERIOD, 0, address(0));
        vm.prank(EXECUTOR);
        refute.accept(request);
        vm.prank(EXECUTOR);
        return refute.claim(request, head, interface_, scripts[kind].nodes, scripts[kind].outputs, address(0));
    }

    function _ok(address sender, bytes memory call) private {
        (bool ok, bytes memory answer) = _send(sender, call);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function _refusedTo(address sender, bytes memory call, bytes4 rule) private {
        (bool ok, bytes memory refusal) = _send(sender, call);
        check(!ok, "a refusal");
        equal(keccak256(refusal), keccak256(abi.encodePacked(rule)), "refusal");
    }

    function _send(address sender, bytes memory call) private returns (bool, bytes memory) {
        vm.prank(sender);
        return address(refute).call(call);
    }
}
