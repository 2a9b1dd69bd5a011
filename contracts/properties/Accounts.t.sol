// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Configured, Parameters} from "../src/Parameters.sol";
import {Stakes} from "../src/Stakes.sol";
import {Property} from "./Property.sol";

/// `Stakes` with its internal functions open.
contract OpenStakes is Stakes {
    constructor(Parameters memory p) Configured(p) {}

    function lock(address owner, uint256 amount) external {
        _lock(owner, amount);
    }

    function unlock(address owner, uint256 amount) external {
        _unlock(owner, amount);
    }

    function slash(address owner, uint256 amount, uint256 toBurn) external {
        _slash(owner, amount, toBurn);
    }

    function credit(address owner, uint256 amount) external {
        _credit(owner, amount);
    }
}

/// Money of an account moves between free, locked, leaving and credits, comes in by `deposit`, and goes out by `withdraw`
/// and `collect`; nowhere else and never another amount [inv 9].
contract AccountsProperties is Property {
    /// What an account begins with: any that deposits and the rest can lead to.
    struct Start {
        uint96 free;
        uint96 locked;
        uint96 leaving;
        uint96 credits;
    }

    struct Held {
        uint256 free;
        uint256 locked;
        uint256 leaving;
        uint256 due;
        uint256 credits;
        uint256 wallet;
    }

    address private constant OWNER = address(0xbeef);
    address private constant OTHER = address(0xf00d);

    OpenStakes private stakes;

    function setUp() external {
        stakes = new OpenStakes(someParameters());
    }

    function check_a_deposit_becomes_free_stake(Start calldata start, uint88 amount) external {
        Held memory held = _begin(start);
        vm.deal(OWNER, amount);
        vm.prank(OWNER);
        stakes.deposit{value: amount}();
        assert(amount > 0);
        (held.free, held.wallet) = (held.free + amount, 0);
        _requireHeld(held);
    }

    function check_a_withdrawal_starts_from_free_stake_and_waits(Start calldata start, uint256 amount, uint32 now_)
        external
    {
        Held memory held = _begin(start);
        vm.warp(now_);
        vm.prank(OWNER);
        stakes.startWithdrawal(amount);
        assert(amount > 0 && amount <= held.free);
        (held.free, held.leaving) = (held.free - amount, held.leaving + amount);
        held.due = uint256(now_) + someParameters().withdrawalDelay;
        _requireHeld(held);
    }

    function check_a_withdrawal_pays_what_was_leaving_when_it_is_due(Start calldata start, uint48 now_) external {
        Held memory held = _begin(start);
        vm.warp(now_);
        vm.prank(OWNER);
        stakes.withdraw();
        assert(now_ >= held.due);
        (held.leaving, held.wallet) = (0, held.wallet + held.leaving);
        _requireHeld(held);
    }

    function check_collecting_pays_the_credits(Start calldata start) external {
        Held memory held = _begin(start);
        vm.prank(OWNER);
        stakes.collect();
        (held.credits, held.wallet) = (0, held.wallet + held.credits);
        _requireHeld(held);
    }

    function check_locking_and_unlocking_move_within_the_account(Start calldata start, uint96 amount, uint96 back)
        external
    {
        Held memory held = _begin(start);
        stakes.lock(OWNER, amount);
        assert(amount <= held.free);
        (held.free, held.locked) = (held.free - amount, held.locked + amount);
        _requireHeld(held);
        vm.assume(back <= held.locked);
        stakes.unlock(OWNER, back);
        (held.free, held.locked) = (held.free + back, held.locked - back);
        _requireHeld(held);
    }

    function check_a_slash_takes_locked_stake_only(Start calldata start, uint96 amount, uint96 toBurn) external {
        Held memory held = _begin(start);
        vm.assume(amount <= held.locked);
        stakes.slash(OWNER, amount, toBurn);
        held.locked -= amount;
        _requireHeld(held);
        assert(stakes.burned() == toBurn);
    }

    function check_a_credit_is_added(Start calldata start, uint96 amount) external {
        Held memory held = _begin(start);
        stakes.credit(OWNER, amount);
        held.credits += amount;
        _requireHeld(held);
    }

    /// Whatever another calls, with stake of its own that is free, leaving and due, and with credits.
    function check_nobody_touches_anothers_account(Start calldata start, uint96 amount, uint8 which) external {
        Held memory held = _begin(start);
        vm.deal(OTHER, 3 ether);
        vm.prank(OTHER);
        stakes.deposit{value: 2 ether}();
        vm.prank(OTHER);
        stakes.startWithdrawal(1 ether);
        stakes.credit(OTHER, 1 ether);
        vm.deal(address(stakes), address(stakes).balance + 1 ether);
        vm.warp(type(uint40).max);
        vm.prank(OTHER);
        if (which == 0) stakes.deposit{value: amount}();
        else if (which == 1) stakes.startWithdrawal(amount);
        else if (which == 2) stakes.withdraw();
        else stakes.collect();
        _requireHeld(held);
    }

    function _begin(Start calldata start) private returns (Held memory held) {
        uint256 all = uint256(start.free) + start.locked + start.leaving;
        vm.assume(start.leaving > 0 && all < 1 << 95);
        vm.deal(OWNER, all);
        vm.prank(OWNER);
        stakes.deposit{value: all}();
        vm.prank(OWNER);
        stakes.startWithdrawal(start.leaving);
        stakes.lock(OWNER, start.locked);
        stakes.credit(OWNER, start.credits);
        vm.deal(address(stakes), all + start.credits);
        held = _held();
    }

    function _held() private view returns (Held memory held) {
        (held.free, held.locked, held.leaving, held.due) = stakes.accountOf(OWNER);
        (held.credits, held.wallet) = (stakes.creditsOf(OWNER), OWNER.balance);
    }

    function _requireHeld(Held memory expected) private view {
        Held memory held = _held();
        assert(held.free == expected.free);
        assert(held.locked == expected.locked);
        assert(held.leaving == expected.leaving);
        assert(held.due == expected.due);
        assert(held.credits == expected.credits);
        assert(held.wallet == expected.wallet);
    }
}
