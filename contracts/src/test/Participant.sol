// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// A contract that takes part in the protocol and misbehaves when it is paid. For the tests; no part of a deployment.
contract Participant {
    enum Conduct {
        TakesPayment,
        Refuses,
        BurnsGas,
        ReEnters
    }

    address private immutable target;
    Conduct private immutable conduct;

    constructor(address target_, Conduct conduct_) {
        target = target_;
        conduct = conduct_;
    }

    /// Makes a call of the protocol in its own name, with the money sent.
    function act(bytes calldata call) external payable {
        (bool ok, bytes memory answer) = target.call{value: msg.value}(call);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    receive() external payable {
        if (conduct == Conduct.Refuses) revert();
        if (conduct == Conduct.BurnsGas) while (true) {}
        if (conduct == Conduct.ReEnters) {
            (bool ok,) = target.call(abi.encodeWithSignature("collect()"));
            require(ok);
        }
    }
}
