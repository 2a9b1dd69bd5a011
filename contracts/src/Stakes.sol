// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Events} from "./Events.sol";
import {Configured} from "./Parameters.sol";

/// Stake of an account: free, locked in acceptances, claims and disputes, or leaving (from `due` on).
struct Account {
    uint256 free;
    uint256 locked;
    uint256 leaving;
    uint64 due;
}

/// Accounts and credits: the only way money enters, and the only two ways it leaves (protocol, section 5).
/// INVARIANT: [inv 9] the balance is stakes + escrow + credits + burned: every function here moves an amount from
/// one of them to another; what leaves a stake is burned, credited, or held in escrow by the caller.
abstract contract Stakes is Configured, Events {
    mapping(address => Account) private _accounts;
    mapping(address => uint256) private _credits;
    uint256 private _burned;

    function accountOf(address owner) external view returns (Account memory) {
        return _accounts[owner];
    }

    function creditsOf(address owner) external view returns (uint256) {
        return _credits[owner];
    }

    /// Wei that nobody will ever be paid.
    function burned() external view returns (uint256) {
        return _burned;
    }

    function deposit() external payable {
        if (msg.value == 0) revert AmountIsZero();
        _accounts[msg.sender].free += msg.value;
        emit Deposited(msg.sender, msg.value);
    }

    /// Free stake starts to leave; what was leaving already waits again.
    function startWithdrawal(uint256 amount) external {
        if (amount == 0) revert AmountIsZero();
        Account storage account = _accounts[msg.sender];
        _takeFree(account, amount);
        account.leaving += amount;
        account.due = _now() + WITHDRAWAL_DELAY;
        emit WithdrawalStarted(msg.sender, amount, account.due);
    }

    function withdraw() external {
        Account storage account = _accounts[msg.sender];
        uint256 amount = account.leaving;
        if (amount == 0) revert NothingToWithdraw();
        if (_now() < account.due) revert WithdrawalNotDue(account.due);
        account.leaving = 0;
        emit Withdrawn(msg.sender, amount);
        _pay(amount);
    }

    function collect() external {
        uint256 amount = _credits[msg.sender];
        if (amount == 0) revert NothingToCollect();
        _credits[msg.sender] = 0;
        emit Collected(msg.sender, amount);
        _pay(amount);
    }

    function _lock(address owner, uint256 amount) internal {
        Account storage account = _accounts[owner];
        _takeFree(account, amount);
        account.locked += amount;
    }

    function _unlock(address owner, uint256 amount) internal {
        Account storage account = _accounts[owner];
        account.locked -= amount;
        account.free += amount;
    }

    /// Takes locked stake away: `toBurn` of it is burned, the rest is the caller's to account for.
    function _slash(address owner, uint256 amount, uint256 toBurn) internal {
        _accounts[owner].locked -= amount;
        _burn(toBurn);
        emit Slashed(owner, amount, toBurn);
    }

    /// INVARIANT: [inv 8] nobody is paid but by their own call.
    function _credit(address owner, uint256 amount) internal {
        if (amount == 0) return;
        _credits[owner] += amount;
        emit Credited(owner, amount);
    }

    function _burn(uint256 amount) internal {
        if (amount > 0) _burned += amount;
    }

    function _takeFree(Account storage account, uint256 amount) private {
        uint256 free = account.free;
        if (free < amount) revert FreeStakeTooLow(free, amount);
        account.free = free - amount;
    }

    /// Last effect of its caller.
    function _pay(uint256 amount) private {
        (bool ok,) = msg.sender.call{value: amount}("");
        if (!ok) revert PaymentFailed();
    }
}
