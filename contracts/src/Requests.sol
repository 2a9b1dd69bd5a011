// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Interface} from "./Interfaces.sol";
import {Models} from "./Models.sol";
import {Posted} from "./Posted.sol";
import {Stakes} from "./Stakes.sol";

enum RequestStatus {
    None,
    Open,
    Accepted,
    Claimed,
    Final,
    Ended
}

/// `executor` is that of the present acceptance, `due` when its answer is due, or the end of its claim's window.
/// `outputs` are those of the last claim. `restricted`: whether `only` and `minStake` are to be read.
/// The fee is in escrow until the status is Final or Ended. The first slot is what every step of a request writes.
struct Request {
    RequestStatus status;
    bool cancelled;
    bool restricted;
    uint32 answerPeriod;
    uint40 due;
    address executor;
    address requester;
    uint96 fee;
    address only;
    uint96 minStake;
    bytes32 model;
    bytes32 inputs;
    bytes32 outputs;
}

/// Requests: asked, accepted, lapsed, cancelled (protocol, section 6).
abstract contract Requests is Models, Stakes {
    mapping(bytes32 => Request) internal _requests;
    mapping(bytes32 => mapping(address => bool)) private _barred;

    function requestOf(bytes32 id) external view returns (Request memory) {
        return _requests[id];
    }

    /// Whether an executor let this request lapse and may not accept it again.
    function isBarred(bytes32 id, address executor) external view returns (bool) {
        return _barred[id][executor];
    }

    /// Asks for the outputs of `model` on `inputs`; the value sent is the fee. `only`: who may accept, or 0.
    function request(
        bytes32 model,
        bytes calldata interface_,
        bytes[] calldata inputs,
        uint32 answerPeriod,
        uint256 minStake,
        address only
    ) external payable returns (bytes32 id) {
        _requireLengths(_interface(model, interface_).inputs, inputs);
        if (answerPeriod == 0) revert AnswerPeriodIsZero();
        bytes32 commitment = Posted.commitment(inputs);
        // INVARIANT: [inv 12] the id names chain, contract, party, contents and a nonce.
        id = keccak256(
            abi.encode(
                "refute.request.v1", block.chainid, address(this), msg.sender, model, commitment, _nonce++
            )
        );
        Request storage r = _requests[id];
        r.status = RequestStatus.Open;
        r.answerPeriod = answerPeriod;
        (r.requester, r.fee) = (msg.sender, _wei(msg.value));
        r.model = model;
        r.inputs = commitment;
        if (only != address(0) || minStake > 0) {
            r.restricted = true;
            (r.only, r.minStake) = (only, _wei(minStake));
        }
        emit Requested(id, model, msg.sender, msg.value, answerPeriod, minStake, only, inputs);
    }

    function accept(bytes32 id) external {
        Request storage r = _known(id);
        if (r.status != RequestStatus.Open) revert RequestNotOpen();
        if (r.restricted && r.only != address(0) && r.only != msg.sender) revert ReservedFor(r.only);
        if (_barred[id][msg.sender]) revert ExecutorBarred();
        uint256 stake = _stakeOf(r);
        _lock(msg.sender, stake);
        uint40 due = uint40(_now() + r.answerPeriod);
        (r.status, r.executor, r.due) = (RequestStatus.Accepted, msg.sender, due);
        emit Accepted(id, msg.sender, stake, due);
    }

    /// What an acceptance of the request locks.
    function _stakeOf(Request storage r) internal view returns (uint256) {
        uint256 least = r.restricted ? r.minStake : 0;
        return least > EXECUTOR_STAKE ? least : EXECUTOR_STAKE;
    }

    /// The answer is overdue: the executor forfeits the acceptance bond and is barred.
    function lapse(bytes32 id) external {
        Request storage r = _known(id);
        if (r.status != RequestStatus.Accepted) revert RequestNotAccepted();
        if (_now() < r.due) revert AnswerNotOverdue(r.due);
        (address executor, uint256 stake) = (r.executor, _stakeOf(r));
        _barred[id][executor] = true;
        uint256 toBurn = ACCEPTANCE_BOND / 2;
        _slash(executor, ACCEPTANCE_BOND, toBurn);
        _credit(r.requester, ACCEPTANCE_BOND - toBurn);
        _unlock(executor, stake - ACCEPTANCE_BOND);
        emit Lapsed(id, executor);
        _reopen(id, r);
    }

    /// INVARIANT: [inv 13] a requester may cancel at any time, with effect as soon as nobody works on it.
    function cancel(bytes32 id) external {
        Request storage r = _known(id);
        if (msg.sender != r.requester) revert NotTheRequester();
        if (r.status == RequestStatus.Final || r.status == RequestStatus.Ended) revert RequestIsOver();
        if (r.cancelled) revert AlreadyCancelled();
        r.cancelled = true;
        emit Cancelled(id);
        if (r.status == RequestStatus.Open) _end(r);
    }

    /// Without an answer again: open to others, or over if its requester has cancelled.
    function _reopen(bytes32 id, Request storage r) internal {
        (r.executor, r.due) = (address(0), 0);
        if (r.cancelled) {
            _end(r);
        } else {
            r.status = RequestStatus.Open;
            emit Reopened(id);
        }
    }

    function _end(Request storage r) private {
        r.status = RequestStatus.Ended;
        _credit(r.requester, r.fee);
    }

    function _known(bytes32 id) internal view returns (Request storage r) {
        r = _requests[id];
        if (r.status == RequestStatus.None) revert UnknownRequest(id);
    }

    function _requireLengths(uint256[] memory lengths, bytes[] calldata tensors) internal pure {
        if (tensors.length != lengths.length) revert WrongNumberOfTensors(lengths.length, tensors.length);
        for (uint256 i = 0; i < lengths.length; ++i) {
            if (tensors[i].length != lengths[i]) revert WrongTensorLength(i, lengths[i], tensors[i].length);
        }
    }
}
