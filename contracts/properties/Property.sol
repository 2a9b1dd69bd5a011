// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Parameters} from "../src/Parameters.sol";

/// What the properties use of halmos' cheatcodes.
interface Vm {
    function assume(bool condition) external pure;
    function deal(address account, uint256 balance) external;
    function fee(uint256 baseFee) external;
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
}

/// Base of the properties. Halmos runs each function `check_...` with arguments that stand for every value, and looks for
/// some with which an assertion fails or a panic occurs; a call that reverts otherwise is no answer.
abstract contract Property {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function someParameters() internal pure returns (Parameters memory p) {
        (p.window, p.clock, p.moveTime, p.layerTime, p.withdrawalDelay) = (3600, 1200, 60, 300, 7200);
        (p.executorStake, p.challengerBond, p.acceptanceBond) = (10 ether, 1 ether, 1 ether);
        (p.peakGasPrice, p.burnShare) = (100 gwei, 5000);
    }
}
