// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Events} from "./Events.sol";
import {Configured} from "./Parameters.sol";

/// Stake of an account: free, locked in acceptances, claims and disputes, or leaving (from `due` on); and credits.
/// Two slots, since every transaction that moves money writes one of them. Wei fit 96 bits: 79 billion ether.
/// `opened`: the first deposit sets it, so that the second slot is never new when credits or leaving stake come.
struct Account {
    uint96 free;
    uint96 locked;
    uint96 leaving;
    uint48 due;
    bool opened;
    uint104 credits;
}

/// Accounts and credits: the only way money enters, and the only two ways it leaves (protocol, section 5).
/// INVARIANT: [inv 9] the balance is stakes + escrow + credits + burned: every function here moves an amount from
/// one of them to another; what leaves a stake is burned, credited, or held in escrow by the caller.
abstract contract Stakes is Configured, Events {
    mapping(address => Account) private _accounts;
    /// In one slot with the nonce of ids, which is written more often.
    uint192 private _burned;
    uint64 internal _nonce = 1;

    function accountOf(address owner)
        external
        view
        returns (uint256 free, uint256 locked, uint256 leaving, uint64 due)
    {
        Account storage account = _accounts[owner];
        return (account.free, account.locked, account.leaving, account.due);
    }

    function creditsOf(address owner) external view returns (uint256) {
        return _accounts[owner].credits;
    }

    /// Wei that nobody will ever be paid.
    function burned() external view returns (uint256) {
        return _burned;
    }

    function deposit() external payable {
        if (msg.value == 0) revert AmountIsZero();
        Account storage account = _accounts[msg.sender];
        account.free += _wei(msg.value);
        if (!account.opened) account.opened = true;
        emit Deposited(msg.sender, msg.value);
    }

    /// Free stake starts to leave; what was leaving already waits again.
    function startWithdrawal(uint256 amount) external {
        if (amount == 0) revert AmountIsZero();
        Account storage account = _accounts[msg.sender];
        account.free = _afterTaking(account.free, amount);
        account.leaving += uint96(amount);
        account.due = uint48(_now() + WITHDRAWAL_DELAY);
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
        Account storage account = _accounts[msg.sender];
        uint256 amount = account.credits;
        if (amount == 0) revert NothingToCollect();
        account.credits = 0;
        emit Collected(msg.sender, amount);
        _pay(amount);
    }

    function _lock(address owner, uint256 amount) internal {
        Account storage account = _accounts[owner];
        (uint96 free, uint96 locked) = (account.free, account.locked);
        (account.free, account.locked) = (_afterTaking(free, amount), locked + uint96(amount));
    }

    function _unlock(address owner, uint256 amount) internal {
        Account storage account = _accounts[owner];
        (uint96 free, uint96 locked) = (account.free, account.locked);
        (account.free, account.locked) = (free + uint96(amount), locked - uint96(amount));
    }

    /// Takes locked stake away: `toBurn` of it is burned, the rest is the caller's to account for.
    function _slash(address owner, uint256 amount, uint256 toBurn) internal {
        _accounts[owner].locked -= uint96(amount);
        _burn(toBurn);
        emit Slashed(owner, amount, toBurn);
    }

    /// INVARIANT: [inv 8] nobody is paid but by their own call.
    function _credit(address owner, uint256 amount) internal {
        if (amount == 0) return;
        _accounts[owner].credits += uint104(amount);
        emit Credited(owner, amount);
    }

    function _burn(uint256 amount) internal {
        if (amount > 0) _burned += uint192(amount);
    }

    /// An amount as accounts hold it.
    function _wei(uint256 amount) internal pure returns (uint96) {
        if (amount > type(uint96).max) revert AmountTooLarge(amount);
        return uint96(amount);
    }

    function _afterTaking(uint256 free, uint256 amount) private pure returns (uint96) {
        if (free < amount) revert FreeStakeTooLow(free, amount);
        return uint96(free - amount);
    }

    /// Last effect of its caller.
    function _pay(uint256 amount) private {
        (bool ok,) = msg.sender.call{value: amount}("");
        if (!ok) revert PaymentFailed();
    }
}
