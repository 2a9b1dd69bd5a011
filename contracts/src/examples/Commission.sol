// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Parameters} from "../Parameters.sol";
import {Posted} from "../Posted.sol";
import {Request, RequestStatus} from "../Requests.sol";

/// What a consumer asks of Refute.
interface IRefute {
    function parameters() external view returns (Parameters memory);
    function requestOf(bytes32 request) external view returns (Request memory);
    function resultOf(bytes32 request) external view returns (RequestStatus status, bytes32 outputs);
}

/// An example of a contract that pays by what a model says: a sponsor puts up a prize for a worker's piece of work, and
/// a model judges it. The work (a picture, say) is the input of a request to Refute, the model's score its output. The
/// worker is paid once the score is final and high enough; what is not earned by the deadline goes back. No part of a
/// deployment; copy it, and change `_score` to what your model says.
///
/// What it trusts, and what it checks of a request that it is shown:
///
/// - The deployment of Refute and the model's id, both chosen once, by the sponsor. The id commits to every operator
///   and weight; whether it is the model that somebody meant is for people to check, before they sign.
/// - The status. Only a Final answer has been open to disputes for the whole window and has none left; before, an
///   answer may be a lie, and `outputs` is still there after a claim has fallen. Never read outputs without the status.
/// - The outputs, which come as bytes from anyone, by the commitment in the result.
/// - The inputs. Here any will do, since finding them is the work. A contract that asks about something in particular
///   compares `requestOf(request).inputs` with the commitment (`Posted.commitment`) of what it means.
/// - The stake. A final answer is true if one honest watcher looked. Should none do, a lie costs nothing; and if one
///   might, it must cost more than it brings: so what is burned of the stake has to be more than the prize. All who
///   rely on one answer share its stake (docs/economics.md).
///
/// Who asked, who answered and who calls does not matter: a model says the same to everybody.
contract Commission {
    error ModelIsAnother(bytes32 asked);
    error NotFinal(RequestStatus status);
    error StakeTooLow(uint256 burns, uint256 prize);
    error OutputsAreOthers();
    error ScoreTooLow(int32 score);
    error IsOver();
    error NotOver();
    error PaymentFailed();

    IRefute public immutable REFUTE;
    bytes32 public immutable MODEL;
    int32 public immutable BAR;
    address public immutable SPONSOR;
    address public immutable WORKER;
    uint256 public immutable PRIZE;
    /// In seconds, as block timestamps. A request takes its answer period and a window, and twice the clock if it is
    /// disputed: leave the worker more than that.
    uint256 public immutable DEADLINE;

    /// The money sent is the prize.
    constructor(IRefute refute, bytes32 model, int32 bar, address worker, uint256 deadline) payable {
        (REFUTE, MODEL, BAR) = (refute, model, bar);
        (SPONSOR, WORKER, PRIZE, DEADLINE) = (msg.sender, worker, msg.value, deadline);
    }

    /// Pays the worker for a request whose final answer has a score of BAR or more. Anyone may call it.
    /// `outputs`: the answer's tensors, which are in the log of its claim.
    function deliver(bytes32 request, bytes[] calldata outputs) external {
        if (block.timestamp >= DEADLINE) revert IsOver();
        Request memory asked = REFUTE.requestOf(request);
        if (asked.model != MODEL) revert ModelIsAnother(asked.model);
        (RequestStatus status, bytes32 commitment) = REFUTE.resultOf(request);
        if (status != RequestStatus.Final) revert NotFinal(status);
        uint256 burns = _burns(asked.minStake);
        if (burns <= PRIZE) revert StakeTooLow(burns, PRIZE);
        if (Posted.commitment(outputs) != commitment) revert OutputsAreOthers();
        int32 score = _score(outputs);
        if (score < BAR) revert ScoreTooLow(score);
        _pay(WORKER);
    }

    /// Returns the prize, if it has not been earned in time. Anyone may call it.
    function refund() external {
        if (block.timestamp < DEADLINE) revert NotOver();
        _pay(SPONSOR);
    }

    /// How much of what stood behind an answer would have been burned, had it been a lie: nobody gets that back, not
    /// even an executor that disputes its own lie.
    function _burns(uint256 minStake) private view returns (uint256) {
        Parameters memory p = REFUTE.parameters();
        uint256 stake = minStake > p.executorStake ? minStake : p.executorStake;
        return stake * p.burnShare / 10_000;
    }

    /// The first number of the first output, an i32. Tensors are little-endian.
    function _score(bytes[] calldata outputs) private pure returns (int32) {
        bytes calldata b = outputs[0];
        uint32 low = uint32(uint8(b[0])) | uint32(uint8(b[1])) << 8;
        return int32(low | uint32(uint8(b[2])) << 16 | uint32(uint8(b[3])) << 24);
    }

    /// All that is here; a second time there is nothing left.
    function _pay(address to) private {
        (bool ok,) = to.call{value: address(this).balance}("");
        if (!ok) revert PaymentFailed();
    }
}
