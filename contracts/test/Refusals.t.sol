// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Errors, MoveErrors} from "../src/Errors.sol";
import {Opening} from "../src/Positions.sol";
import {Script, Stage} from "./Stage.sol";

/// Refusals by name: of heads and interfaces, of proofs of outputs, of requests and payments.
contract RefusalsTest is Stage {
    function setUp() external {
        setTheStage();
        vm.deal(address(this), 100 ether);
    }

    // Deployment

    function deployRefute(address walk, address referee, address commitments) external returns (address) {
        return deployed("Refute", abi.encode(parameters(), walk, referee, commitments));
    }

    function test_rules_without_code() external {
        address walk = address(refute.walk());
        address nothing = address(0xdead);
        bytes memory expected = abi.encodeWithSelector(Errors.NoCodeAt.selector, nothing);
        _refused(address(this), abi.encodeCall(this.deployRefute, (nothing, walk, walk)), expected);
        _refused(address(this), abi.encodeCall(this.deployRefute, (walk, nothing, walk)), expected);
        _refused(address(this), abi.encodeCall(this.deployRefute, (walk, walk, nothing)), expected);
    }

    // Models

    function test_a_head_of_another_length() external {
        bytes memory expected = abi.encodePacked(MoveErrors.WrongHeadLength.selector);
        _refusesModel(bytes.concat(head, hex"00"), interface_, expected);
        _refusesModel("", interface_, expected);
    }

    function test_another_version() external {
        bytes memory expected = abi.encodeWithSelector(Errors.UnsupportedVersion.selector, 2);
        _refusesModel(_head(2, 1, 1, keccak256(interface_)), interface_, expected);
    }

    function test_numbers_of_layers() external {
        bytes4 selector = Errors.LayerCountOutOfRange.selector;
        _refusesModel(_head(1, 0, 1, keccak256(interface_)), interface_, abi.encodeWithSelector(selector, 0));
        _refusesModel(_head(1, 4097, 4097, keccak256(interface_)), interface_, abi.encodeWithSelector(selector, 4097));
    }

    function test_numbers_of_operators() external {
        bytes4 selector = Errors.OperatorCountOutOfRange.selector;
        _refusesModel(_head(1, 6, 5, keccak256(interface_)), interface_, abi.encodeWithSelector(selector, 5));
        _refusesModel(_head(1, 6, 385, keccak256(interface_)), interface_, abi.encodeWithSelector(selector, 385));
        refute.registerModel(_head(1, 6, 384, keccak256(interface_)), interface_, "");
    }

    function test_an_interface_that_is_not_in_the_head() external {
        _refusesModel(
            _head(1, 6, 6, keccak256("another")), interface_, abi.encodePacked(Errors.InterfaceNotInHead.selector)
        );
    }

    /// Cut anywhere, extended, or with an output of a layer that there is not.
    function test_a_malformed_interface() external {
        bytes memory expected = abi.encodePacked(Errors.MalformedInterface.selector);
        for (uint256 length = 0; length <= interface_.length; ++length) {
            bytes memory record = length == interface_.length ? bytes.concat(interface_, hex"00") : new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                record[i] = interface_[i];
            }
            _refusesModel(_head(1, 6, 6, keccak256(record)), record, expected);
        }
        // u8 inputs, an i8 of 1, u8 outputs, layer 6, slot 0 of 1, an i8 of 1
        bytes memory one = hex"0101010000000101000000060001010100000001";
        _refusesModel(_head(1, 6, 6, keccak256(one)), one, expected);
        refute.registerModel(_head(1, 7, 7, keccak256(one)), one, "");
    }

    /// Two bytes of an interface changed: it is registered, or malformed under that name.
    function testFuzz_a_damaged_interface(uint256 seed) external {
        bytes memory record = interface_;
        for (uint256 i = 0; i < 2; ++i) {
            uint256 drawn = uint256(keccak256(abi.encode(seed, i)));
            record[drawn % record.length] = bytes1(uint8(drawn >> 8 & (drawn % 3 == 0 ? 0xff : 0x07)));
        }
        bytes memory head_ = _head(1, 6, 6, keccak256(record));
        (bool ok, bytes memory answer) = address(refute).call(abi.encodeCall(refute.registerModel, (head_, record, "")));
        if (ok) return;
        equal(keccak256(answer), keccak256(abi.encodePacked(Errors.MalformedInterface.selector)), "refusal");
    }

    // Requests

    function test_the_interface_of_another_model() external {
        bytes memory call_ =
            abi.encodeCall(refute.request, (model, bytes.concat(interface_, hex"00"), inputs, 1, 0, address(0)));
        _refused(address(refute), call_, abi.encodePacked(Errors.InterfaceNotOfModel.selector));
    }

    function test_no_time_to_answer() external {
        bytes memory call_ = abi.encodeCall(refute.request, (model, interface_, inputs, 0, 0, address(0)));
        _refused(address(refute), call_, abi.encodePacked(Errors.AnswerPeriodIsZero.selector));
    }

    function test_a_request_cancelled_twice() external {
        bytes32 request = _accepted();
        refute.cancel(request);
        bytes memory expected = abi.encodePacked(Errors.AlreadyCancelled.selector);
        _refused(address(refute), abi.encodeCall(refute.cancel, (request)), expected);
    }

    // Payments

    /// This contract takes no payments; what it is owed stays.
    function test_a_payment_that_fails() external {
        refute.deposit{value: 1 ether}();
        refute.startWithdrawal(1 ether);
        vm.warp(block.timestamp + parameters().withdrawalDelay);
        _refused(address(refute), abi.encodeCall(refute.withdraw, ()), abi.encodePacked(Errors.PaymentFailed.selector));
        (,, uint256 leaving,) = refute.accountOf(address(this));
        equal(leaving, 1 ether, "leaving");
    }

    // Disputes

    function test_a_dispute_is_settled_only_when_its_claim_has_fallen() external {
        bytes32 claim = _claimed();
        refute.challenge(claim, head, scripts[HONEST].traceRoot);
        bytes memory expected = abi.encodePacked(Errors.ClaimHasNotFallen.selector);
        _refused(address(refute), abi.encodeCall(refute.settle, (claim, address(this))), expected);
    }

    function test_a_proof_of_an_output_that_there_is_not() external {
        _refusesProof(head, 8, 0, "", MoveErrors.NoSuchOutput.selector);
        _refusesProof(head, 0, 1, "", MoveErrors.NoSuchChunk.selector);
        _refusesProof(bytes.concat(head, hex"00"), 0, 0, "", MoveErrors.WrongHeadLength.selector);
    }

    /// The posted list is too short, or says another length.
    function test_a_proof_with_another_posted_list() external {
        _refusesProof(head, 0, 0, "", MoveErrors.WrongInputLength.selector);
        _refusesProof(head, 0, 0, new bytes(39), MoveErrors.WrongInputLength.selector);
        _refusesProof(head, 0, 0, new bytes(40), MoveErrors.WrongInputLength.selector);
    }

    /// To the stateless rules, which look at the head's length, the place and the openings in this order.
    function _refusesProof(bytes memory head_, uint256 number, uint256 chunk, bytes memory posted, bytes4 rule)
        private
    {
        Opening memory opening;
        opening.chunk = scripts[HONEST].outputs[0];
        Opening memory committed = opening;
        opening.posted = posted;
        bytes memory call_ = abi.encodeCall(
            refute.commitments().proveOutput, (bytes32(0), head_, interface_, number, chunk, opening, committed)
        );
        _refused(address(refute.commitments()), call_, abi.encodePacked(rule));
    }

    function _refusesModel(bytes memory head_, bytes memory record, bytes memory expected) private {
        _refused(address(refute), abi.encodeCall(refute.registerModel, (head_, record, "")), expected);
    }

    function _head(uint16 version, uint32 layers, uint32 operators, bytes32 hash) private pure returns (bytes memory) {
        return abi.encodePacked(version, layers, operators, hash, bytes32(uint256(1)));
    }

    function _accepted() private returns (bytes32 request) {
        refute.deposit{value: 20 ether}();
        request = refute.request{value: FEE}(model, interface_, inputs, ANSWER_PERIOD, 0, address(0));
        refute.accept(request);
    }

    function _claimed() private returns (bytes32) {
        Script storage script = scripts[HONEST];
        return refute.claim(_accepted(), head, interface_, script.nodes, script.outputs, address(0));
    }

    /// The call reverts with exactly this data.
    function _refused(address target, bytes memory call_, bytes memory expected) private {
        (bool ok, bytes memory answer) = target.call(call_);
        check(!ok, "a refusal");
        equal(keccak256(answer), keccak256(expected), string.concat("refusal ", string(expected)));
    }
}
