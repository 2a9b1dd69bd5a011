// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Head} from "./Heads.sol";
import {Interface} from "./Interfaces.sol";
import {Posted} from "./Posted.sol";
import {Request, RequestStatus, Requests} from "./Requests.sol";
import {Trees} from "./Trees.sol";

enum ClaimStatus {
    None,
    Pending,
    Final,
    Fallen
}

/// What disputes about a claim add up to; all 0 until there is one. `unresolved`: disputes neither lost nor settled.
/// `lost`: disputes that challengers lost, whose bonds are in escrow until the claim ends. `tariffs`: what the others
/// are owed for their moves.
struct Docket {
    bool fallen;
    uint40 fallenAt;
    uint32 unresolved;
    uint32 lost;
    uint96 tariffs;
}

/// What is claimed is in the request while it stands. `pot`, `left`: the unburned part of the slashed stake, and what
/// of it has not been paid, where there is more than one dispute to settle.
struct Claim {
    bytes32 request;
    Docket docket;
    address delegate;
    uint96 pot;
    uint96 left;
}

/// Claims: posted, final, fallen (protocol, sections 6 and 9).
abstract contract Claims is Requests {
    mapping(bytes32 => Claim) internal _claims;

    function claimOf(bytes32 id) external view returns (ClaimStatus status, Claim memory held) {
        held = _claims[id];
        status = _statusOf(held.request, held.docket.fallen);
    }

    /// What a consumer asks: whether the request's answer is final, and the commitment to its outputs.
    function resultOf(bytes32 id) external view returns (RequestStatus status, bytes32 outputs) {
        return (_requests[id].status, _requests[id].outputs);
    }

    /// The acceptor's answer. `nodes`: the frontier of its trace, CLAIM_DEPTH splits down, which gives the trace root.
    function claim(
        bytes32 id,
        bytes calldata head,
        bytes calldata interface_,
        bytes32[] calldata nodes,
        bytes[] calldata outputs,
        address delegate
    ) external returns (bytes32 claimId) {
        Request storage r = _known(id);
        if (r.status != RequestStatus.Accepted) revert RequestNotAccepted();
        if (msg.sender != r.executor) revert NotTheAcceptor();
        if (_now() >= r.due) revert AnswerTooLate(r.due);
        uint40 windowEnd = uint40(_now() + WINDOW);
        (r.status, r.due) = (RequestStatus.Claimed, windowEnd);
        bytes32 traceRoot = _answered(r, head, interface_, nodes, outputs);
        claimId = _claimId(id, r, traceRoot);
        Claim storage c = _claims[claimId];
        if (c.request != 0) revert ClaimExists();
        c.request = id;
        if (delegate != address(0)) c.delegate = delegate;
        emit Claimed(claimId, id, msg.sender, delegate, traceRoot, nodes, outputs, windowEnd);
    }

    /// The trace root of an answer. The commitment to its outputs, whose lengths must be those of the interface, is
    /// held at the request; to the root, the claim's id is the commitment.
    function _answered(
        Request storage r,
        bytes calldata head,
        bytes calldata interface_,
        bytes32[] calldata nodes,
        bytes[] calldata outputs
    ) private returns (bytes32 traceRoot) {
        Head memory h = _head(r.model, head);
        _requireLengths(_outputLengths(_interface(h, interface_)), outputs);
        traceRoot = _traceRoot(h.layers, nodes);
        r.outputs = Posted.commitment(outputs);
    }

    /// The id of the claim that stands at a request, if `traceRoot` is what it claims: whoever needs the root brings
    /// it, which saves a slot.
    /// INVARIANT: [inv 12] the id names chain, contract, party and contents; the end of the window is its nonce.
    function _claimId(bytes32 id, Request storage r, bytes32 traceRoot) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                "refute.claim.v2", block.chainid, address(this), id, r.executor, traceRoot, r.outputs, r.due
            )
        );
    }

    function _requireRoot(bytes32 claimId, Claim storage c, Request storage r, bytes32 traceRoot) internal view {
        if (_claimId(c.request, r, traceRoot) != claimId) revert WrongTraceRoot();
    }

    /// The trace root of a program of `layers` from the nodes that a claim shows.
    function _traceRoot(uint256 layers, bytes32[] calldata nodes) internal pure returns (bytes32 root) {
        if (nodes.length != Trees.frontierSize(layers, Trees.CLAIM_DEPTH)) revert WrongNodes();
        (root,) = Trees.foldFrontier(layers, Trees.CLAIM_DEPTH, nodes, 0, Trees.node);
    }

    /// The window is over and no dispute is unresolved: the executor is paid.
    function finalise(bytes32 id) external {
        (Claim storage c, Request storage r) = _pending(id);
        if (_now() < r.due) revert WindowStillOpen(r.due);
        Docket memory docket = c.docket;
        if (docket.unresolved != 0) revert DisputesUnresolved(docket.unresolved);
        r.status = RequestStatus.Final;
        address executor = r.executor;
        _unlock(executor, _stakeOf(r));
        _credit(executor, r.fee + docket.lost * CHALLENGER_BOND);
        emit Finalised(id, c.request);
    }

    /// A claim that is neither final nor fallen, with its request.
    function _pending(bytes32 id) internal view returns (Claim storage c, Request storage r) {
        c = _claims[id];
        bytes32 request_ = c.request;
        r = _requests[request_];
        ClaimStatus status = _statusOf(request_, c.docket.fallen);
        if (status == ClaimStatus.None) revert UnknownClaim(id);
        if (status == ClaimStatus.Final) revert ClaimIsFinal();
        if (status == ClaimStatus.Fallen) revert ClaimHasFallen();
    }

    /// A claim that has not fallen is the one that stands at its request. A request's id is made by this contract and
    /// not anyone's content, so that it can tell whether there is one.
    function _statusOf(bytes32 request_, bool fallen) private view returns (ClaimStatus) {
        if (request_ == 0) return ClaimStatus.None;
        if (fallen) return ClaimStatus.Fallen;
        return _requests[request_].status == RequestStatus.Final ? ClaimStatus.Final : ClaimStatus.Pending;
    }

    function _outputLengths(Interface memory declared) private pure returns (uint256[] memory lengths) {
        lengths = new uint256[](declared.outputs.length);
        for (uint256 i = 0; i < lengths.length; ++i) lengths[i] = declared.outputs[i].length;
    }
}
