// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Interface} from "./Interfaces.sol";
import {Posted} from "./Posted.sol";
import {Request, RequestStatus, Requests} from "./Requests.sol";

enum ClaimStatus {
    None,
    Pending,
    Final,
    Fallen
}

/// `unresolved`: disputes neither lost nor settled. `tariffs`: what they are owed for their moves. `lostBonds`:
/// bonds of lost disputes, in escrow until the claim ends. `pot`, `left`: the unburned part of the slashed stake,
/// and what of it has not been paid.
struct Claim {
    ClaimStatus status;
    address executor;
    uint64 windowEnd;
    address delegate;
    uint32 unresolved;
    uint64 fallenAt;
    bytes32 request;
    bytes32 traceRoot;
    bytes32 outputs;
    uint256 stake;
    uint256 tariffs;
    uint256 lostBonds;
    uint256 pot;
    uint256 left;
}

/// Claims: posted, final, fallen (protocol, sections 6 and 9).
abstract contract Claims is Requests {
    mapping(bytes32 => Claim) internal _claims;

    function claimOf(bytes32 id) external view returns (Claim memory) {
        return _claims[id];
    }

    /// What a consumer asks: whether the request's answer is final, the claim that stands, and the commitment to
    /// its outputs.
    function resultOf(bytes32 id) external view returns (RequestStatus status, bytes32 claimId, bytes32 outputs) {
        Request storage r = _requests[id];
        return (r.status, r.claim, _claims[r.claim].outputs);
    }

    /// The acceptor's answer.
    function claim(
        bytes32 id,
        bytes calldata interface_,
        bytes32 traceRoot,
        bytes[] calldata outputs,
        address delegate
    ) external returns (bytes32 claimId) {
        Request storage r = _known(id);
        if (r.status != RequestStatus.Accepted) revert RequestNotAccepted();
        if (msg.sender != r.executor) revert NotTheAcceptor();
        if (_now() >= r.deadline) revert AnswerTooLate(r.deadline);
        _requireLengths(_outputLengths(_interface(r.model, interface_)), outputs);
        bytes32 commitment = Posted.commitment(outputs);
        claimId = keccak256(
            abi.encode(
                "refute.claim.v1", block.chainid, address(this), id, msg.sender, traceRoot, commitment, _nonce++
            )
        );
        r.status = RequestStatus.Claimed;
        r.claim = claimId;
        Claim storage c = _claims[claimId];
        c.status = ClaimStatus.Pending;
        c.executor = msg.sender;
        c.windowEnd = _now() + WINDOW;
        c.delegate = delegate;
        c.request = id;
        c.traceRoot = traceRoot;
        c.outputs = commitment;
        c.stake = r.stake;
        emit Claimed(claimId, id, msg.sender, delegate, traceRoot, outputs, c.windowEnd);
    }

    /// The window is over and no dispute is unresolved: the executor is paid.
    function finalise(bytes32 id) external {
        Claim storage c = _pending(id);
        if (_now() < c.windowEnd) revert WindowStillOpen(c.windowEnd);
        if (c.unresolved != 0) revert DisputesUnresolved(c.unresolved);
        Request storage r = _requests[c.request];
        c.status = ClaimStatus.Final;
        r.status = RequestStatus.Final;
        _unlock(c.executor, c.stake);
        _credit(c.executor, r.fee + c.lostBonds);
        emit Finalised(id, c.request);
    }

    /// The claim falls: its stake is slashed, the request is open again. The pot is the caller's to share.
    function _fall(bytes32 id, Claim storage c, bytes32 dispute, address challenger) internal {
        c.status = ClaimStatus.Fallen;
        c.fallenAt = _now();
        // INVARIANT: [inv 10] only what is burned deters; the pot may return to a friend of the executor.
        uint256 toBurn = c.stake * BURN_SHARE / BASIS;
        _slash(c.executor, c.stake, toBurn);
        c.pot = c.stake - toBurn;
        c.left = c.pot;
        _burn(c.lostBonds);
        emit Fallen(id, c.request, dispute, challenger);
        _reopen(c.request, _requests[c.request]);
    }

    /// A claim that is neither final nor fallen.
    function _pending(bytes32 id) internal view returns (Claim storage c) {
        c = _claims[id];
        if (c.status == ClaimStatus.None) revert UnknownClaim(id);
        if (c.status == ClaimStatus.Final) revert ClaimIsFinal();
        if (c.status == ClaimStatus.Fallen) revert ClaimHasFallen();
    }

    function _outputLengths(Interface memory declared) private pure returns (uint256[] memory lengths) {
        lengths = new uint256[](declared.outputs.length);
        for (uint256 i = 0; i < lengths.length; ++i) lengths[i] = declared.outputs[i].length;
    }
}
