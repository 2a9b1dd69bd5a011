// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, ClaimStatus} from "../src/Claims.sol";
import {DisputeStatus, Party} from "../src/Disputes.sol";
import {Refute} from "../src/Refute.sol";
import {Request, RequestStatus} from "../src/Requests.sol";
import {Handler} from "./Handler.sol";
import {Test} from "./Test.sol";

/// What holds after any calls of any accounts (protocol, section 11). The handler checks each call itself.
contract InvariantsTest is Test {
    uint256 private constant WINDOW = 3600;
    uint256 private constant CLOCK = 1200;
    uint256 private constant DELAY = 7200;
    uint256 private constant CHALLENGER_BOND = 1 ether;

    Handler private handler;
    Refute private refute;

    function setUp() external {
        handler = new Handler();
        refute = handler.contractUnderTest();
    }

    /// Whom forge calls at random.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// [inv 9] Balance = stakes + escrow + credits + burned.
    function invariant_conservation_of_money() external view {
        equal(address(refute).balance, _stakesAndCredits() + _escrow() + refute.burned(), "money");
    }

    /// [inv 1] Who does nothing loses nothing.
    function invariant_a_bystander_keeps_its_stake() external view {
        (uint256 free, uint256 locked, uint256 leaving,) = refute.accountOf(handler.BYSTANDER());
        equal(free, handler.BYSTANDERS_STAKE(), "the bystander's free stake");
        equal(locked + leaving, 0, "the bystander's other stake");
    }

    /// [inv 6] A dispute is active only while its claim stands or it waits to be settled.
    function invariant_a_final_claim_has_no_active_dispute() external view {
        bytes32[] memory disputes = handler.allDisputes();
        for (uint256 i = 0; i < disputes.length; ++i) {
            if (refute.disputeOf(disputes[i]).standing.status != DisputeStatus.Active) continue;
            (ClaimStatus status,) = refute.claimOf(handler.partyOf(disputes[i]).claim);
            check(status != ClaimStatus.Final, "an active dispute on a final claim");
        }
    }

    /// A long run of calls drawn here leads to everything that an account can do; money is looked at on the way.
    function test_the_handler_gets_everywhere() external {
        for (uint256 i = 0; i < 2000; ++i) {
            bytes32 drawn = keccak256(abi.encode(i));
            (bool ok, bytes memory answer) = address(handler).call(_drawn(drawn));
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(answer, 32), mload(answer))
                }
            }
            if (i % 10 == 0) this.invariant_conservation_of_money();
        }
        string[17] memory names = [
            "deposit",
            "startWithdrawal",
            "withdraw",
            "collect",
            "request",
            "accept",
            "claim",
            "cancel",
            "lapse",
            "finalise",
            "challenge",
            "challengeAt",
            "move",
            "last",
            "proveOutput",
            "expire",
            "settle"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            check(handler.done(names[i]) > 0, names[i]);
        }
        check(_fallenAfterALoss() > 0, "a claim fell on which a challenger had lost");
        this.afterInvariant();
    }

    function _fallenAfterALoss() private view returns (uint256 count) {
        bytes32[] memory claims = handler.allClaims();
        for (uint256 i = 0; i < claims.length; ++i) {
            (, Claim memory held) = refute.claimOf(claims[i]);
            if (held.docket.fallen && held.docket.lost > 0) ++count;
        }
    }

    /// A call of the handler that follows from `seed`.
    function _drawn(bytes32 seed) private view returns (bytes memory) {
        bytes4[20] memory selectors = [
            handler.passTime.selector,
            handler.waitForDeadline.selector,
            handler.changeBaseFee.selector,
            handler.deposit.selector,
            handler.startWithdrawal.selector,
            handler.withdraw.selector,
            handler.collect.selector,
            handler.request.selector,
            handler.accept.selector,
            handler.claim.selector,
            handler.cancel.selector,
            handler.lapse.selector,
            handler.finalise.selector,
            handler.challenge.selector,
            handler.challengeAt.selector,
            handler.move.selector,
            handler.proveOutput.selector,
            handler.expire.selector,
            handler.settle.selector,
            handler.move.selector
        ];
        uint256 which = uint256(keccak256(abi.encode(seed, 2)));
        bytes32 second = bytes32(which);
        bytes4 selector = selectors[uint256(seed) % selectors.length];
        if (selector == handler.waitForDeadline.selector) second = bytes32(which % 2); // a bool
        return bytes.concat(selector, abi.encode(keccak256(abi.encode(seed, 1)), second, which >> 8, which % 2 == 0));
    }

    /// At the end of each run. [inv 3] When window and clocks have passed, every claim is final or has fallen once
    /// somebody pokes; [inv 8, 9] everybody is paid all that is theirs, and what is left is what was burned.
    function afterInvariant() external {
        vm.warp(block.timestamp + WINDOW + 2 * CLOCK);
        _endDisputes();
        bytes32[] memory claims = handler.allClaims();
        for (uint256 i = 0; i < claims.length; ++i) {
            (ClaimStatus status,) = refute.claimOf(claims[i]);
            if (status == ClaimStatus.Pending) refute.finalise(claims[i]);
        }
        bytes32[] memory disputes = handler.allDisputes();
        for (uint256 i = 0; i < disputes.length; ++i) {
            Party memory party = handler.partyOf(disputes[i]);
            bool active = refute.disputeOf(disputes[i]).standing.status == DisputeStatus.Active;
            if (active) refute.settle(party.claim, party.challenger);
        }
        _endRequests();
        address[] memory accounts = handler.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            _leave(accounts[i]);
        }
        equal(_escrow(), 0, "escrow");
        equal(address(refute).balance, refute.burned(), "what is left is burned");
    }

    function _endDisputes() private {
        bytes32[] memory disputes = handler.allDisputes();
        for (uint256 i = 0; i < disputes.length; ++i) {
            Party[] memory one = new Party[](1);
            one[0] = handler.partyOf(disputes[i]);
            (ClaimStatus status,) = refute.claimOf(one[0].claim);
            bool active = refute.disputeOf(disputes[i]).standing.status == DisputeStatus.Active;
            if (active && status == ClaimStatus.Pending) refute.expire(one);
        }
    }

    function _endRequests() private {
        bytes32[] memory requests = handler.allRequests();
        for (uint256 i = 0; i < requests.length; ++i) {
            if (refute.requestOf(requests[i]).status == RequestStatus.Accepted) refute.lapse(requests[i]);
            Request memory held = refute.requestOf(requests[i]);
            if (held.status == RequestStatus.Open) {
                vm.prank(held.requester);
                refute.cancel(requests[i]);
            }
        }
    }

    function _leave(address account) private {
        (uint256 free, uint256 locked,,) = refute.accountOf(account);
        equal(locked, 0, "locked stake");
        if (free > 0) {
            vm.prank(account);
            refute.startWithdrawal(free);
        }
        vm.warp(block.timestamp + DELAY);
        (,, uint256 leaving,) = refute.accountOf(account);
        if (leaving > 0) {
            vm.prank(account);
            refute.withdraw();
        }
        if (refute.creditsOf(account) > 0) {
            vm.prank(account);
            refute.collect();
        }
    }

    function _stakesAndCredits() private view returns (uint256 total) {
        address[] memory accounts = handler.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            (uint256 free, uint256 locked, uint256 leaving,) = refute.accountOf(accounts[i]);
            total += free + locked + leaving + refute.creditsOf(accounts[i]);
        }
    }

    /// Fees of requests that are not over, bonds that challengers lost on standing claims, pots not yet paid.
    function _escrow() private view returns (uint256 total) {
        bytes32[] memory requests = handler.allRequests();
        for (uint256 i = 0; i < requests.length; ++i) {
            Request memory held = refute.requestOf(requests[i]);
            bool over = held.status == RequestStatus.Final || held.status == RequestStatus.Ended;
            if (!over) total += held.fee;
        }
        bytes32[] memory claims = handler.allClaims();
        for (uint256 i = 0; i < claims.length; ++i) {
            (ClaimStatus status, Claim memory held) = refute.claimOf(claims[i]);
            if (status == ClaimStatus.Pending) total += held.docket.lost * CHALLENGER_BOND;
            total += held.left;
        }
    }
}
