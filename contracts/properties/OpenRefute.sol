// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Docket} from "../src/Claims.sol";
import {Commitments} from "../src/Commitments.sol";
import {Dispute, DisputeStatus, Standing} from "../src/Disputes.sol";
import {Parameters} from "../src/Parameters.sol";
import {Referee} from "../src/Referee.sol";
import {Refute} from "../src/Refute.sol";
import {RequestStatus} from "../src/Requests.sol";
import {Walk} from "../src/Walk.sol";

/// Rules that answer every move with the same position, whatever was asked: that a dispute's money and clocks are right
/// must not depend on what moves mean.
contract AnyRules {
    bytes32[8] private _words;

    function answer(bytes32[8] calldata words) external {
        _words = words;
    }

    fallback() external {
        bytes32[8] memory words = _words;
        assembly ("memory-safe") {
            return(words, 256)
        }
    }
}

/// `Refute` with any state that one wants of a claim and its disputes.
contract OpenRefute is Refute {
    bytes32 internal constant REQUEST = bytes32(uint256(1));

    constructor(Parameters memory p, AnyRules rules)
        Refute(p, Walk(address(rules)), Referee(address(rules)), Commitments(address(rules)))
    {}

    /// A claim by `executor` that stands, whose stake is locked.
    function setClaim(bytes32 claimId, address executor, uint96 fee, Docket calldata docket) external {
        (_requests[REQUEST].status, _requests[REQUEST].executor) = (RequestStatus.Claimed, executor);
        (_requests[REQUEST].requester, _requests[REQUEST].fee) = (address(0xfee), fee);
        (_claims[claimId].request, _claims[claimId].docket) = (REQUEST, docket);
    }

    function setPot(bytes32 claimId, uint96 pot, uint96 left) external {
        (_claims[claimId].pot, _claims[claimId].left) = (pot, left);
    }

    function setDispute(bytes32 id, Standing calldata standing, bytes32 position) external {
        (_disputes[id].standing, _disputes[id].position) = (standing, position);
    }

    function setWindowEnd(uint40 due) external {
        _requests[REQUEST].due = due;
    }

    function lock(address owner, uint256 amount) external {
        _lock(owner, amount);
    }
}
