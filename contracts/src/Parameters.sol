// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Errors} from "./Errors.sol";

/// The parameters of a deployment (protocol, section 5). Times in seconds, money in wei, shares in basis points.
struct Parameters {
    uint32 window;
    uint32 clock;
    uint32 moveTime;
    uint32 layerTime;
    uint32 withdrawalDelay;
    uint128 executorStake;
    uint128 challengerBond;
    uint128 acceptanceBond;
    uint64 peakGasPrice;
    uint16 burnShare;
}

/// Immutable parameters, and the relations between them that the invariants rest on.
abstract contract Configured is Errors {
    /// Most moves one side makes in the longest game.
    uint256 private constant MOST_MOVES = 12;
    /// Gas of the dearest defence, and the margin on it.
    uint256 private constant DEFENCE_GAS = 5_000_000;
    uint256 internal constant BASIS = 10_000;

    uint64 internal immutable WINDOW;
    uint64 internal immutable CLOCK;
    uint64 internal immutable MOVE_TIME;
    uint64 internal immutable LAYER_TIME;
    uint64 internal immutable WITHDRAWAL_DELAY;
    uint256 internal immutable EXECUTOR_STAKE;
    uint256 internal immutable CHALLENGER_BOND;
    uint256 internal immutable ACCEPTANCE_BOND;
    uint256 internal immutable PEAK_GAS_PRICE;
    uint256 internal immutable BURN_SHARE;

    constructor(Parameters memory p) {
        uint256 moveTime = p.moveTime;
        uint256 challengerBond = p.challengerBond;
        if (moveTime == 0) revert MoveTimeIsZero();
        if (p.window < moveTime + p.layerTime) revert WindowTooShort();
        if (p.clock < MOST_MOVES * moveTime + p.layerTime) revert ClockTooShort();
        // INVARIANT: [inv 3] whatever is at stake in a claim outlasts it.
        if (p.withdrawalDelay < p.window + 2 * uint256(p.clock)) revert WithdrawalDelayTooShort();
        if (p.acceptanceBond == 0) revert AcceptanceBondIsZero();
        // At a price of nothing a dispute would need no bond, and earn no tariff.
        if (p.peakGasPrice == 0) revert PeakGasPriceIsZero();
        if (p.executorStake <= p.acceptanceBond || p.executorStake < 2 * challengerBond) {
            revert ExecutorStakeTooLow();
        }
        if (p.executorStake > type(uint96).max) revert AmountTooLarge(p.executorStake);
        if (4 * challengerBond < 5 * DEFENCE_GAS * p.peakGasPrice) revert ChallengerBondTooLow();
        // INVARIANT: [inv 10] at least half of a slashed stake is burned.
        if (p.burnShare < BASIS / 2 || p.burnShare > BASIS) revert BurnShareOutOfRange();
        WINDOW = p.window;
        CLOCK = p.clock;
        MOVE_TIME = p.moveTime;
        LAYER_TIME = p.layerTime;
        WITHDRAWAL_DELAY = p.withdrawalDelay;
        EXECUTOR_STAKE = p.executorStake;
        CHALLENGER_BOND = challengerBond;
        ACCEPTANCE_BOND = p.acceptanceBond;
        PEAK_GAS_PRICE = p.peakGasPrice;
        BURN_SHARE = p.burnShare;
    }

    function parameters() external view returns (Parameters memory) {
        return Parameters(
            uint32(WINDOW),
            uint32(CLOCK),
            uint32(MOVE_TIME),
            uint32(LAYER_TIME),
            uint32(WITHDRAWAL_DELAY),
            uint128(EXECUTOR_STAKE),
            uint128(CHALLENGER_BOND),
            uint128(ACCEPTANCE_BOND),
            uint64(PEAK_GAS_PRICE),
            uint16(BURN_SHARE)
        );
    }

    /// INVARIANT: [inv 11] the one clock.
    function _now() internal view returns (uint64) {
        return uint64(block.timestamp);
    }
}
