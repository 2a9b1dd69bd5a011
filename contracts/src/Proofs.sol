// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Docket} from "./Claims.sol";
import {Commitments, Seam} from "./Commitments.sol";
import {Dispute, DisputeStatus, Reason, Standing} from "./Disputes.sol";
import {Moves} from "./Moves.sol";
import {Ground, Opening} from "./Positions.sol";
import {Referee} from "./Referee.sol";
import {Request} from "./Requests.sol";
import {Walk} from "./Walk.sol";

/// The moves that win a dispute (protocol, section 7.2): each proves that the executor's commitment is wrong. What a
/// proof means is decided by the stateless `Referee`, `Commitments` and `Walk`.
abstract contract Proofs is Moves {
    uint256 private constant PROOF_UNITS = 400_000;

    Referee public immutable referee;
    Commitments public immutable commitments;

    constructor(Walk walk_, Referee referee_, Commitments commitments_) Moves(walk_) {
        if (address(referee_).code.length == 0) revert NoCodeAt(address(referee_));
        if (address(commitments_).code.length == 0) revert NoCodeAt(address(commitments_));
        referee = referee_;
        commitments = commitments_;
    }

    /// Anyone's: the position fixes what is computed.
    function step(
        bytes32 dispute,
        bytes32[8] calldata position,
        Ground calldata ground,
        bytes calldata,
        Opening[] calldata
    ) external {
        _prove(dispute, position, address(referee), ground.challenger, Reason.Step);
    }

    /// The opened nodes do not fold to the one in dispute.
    function refuteNodes(bytes32 dispute, bytes32[8] calldata position, bytes32[] calldata) external {
        _prove(dispute, position, address(commitments), msg.sender, Reason.Opening);
    }

    /// The opened bytes do not hash to the chunk in dispute.
    function refuteChunk(bytes32 dispute, bytes32[8] calldata position, bytes calldata) external {
        _prove(dispute, position, address(commitments), msg.sender, Reason.Opening);
    }

    /// m or c of a long sum is not what was stated with its partial values.
    function refuteFactor(
        bytes32 dispute,
        bytes32[8] calldata position,
        Ground calldata,
        bytes calldata,
        bytes calldata,
        uint256,
        Opening[] calldata
    ) external {
        _prove(dispute, position, address(referee), msg.sender, Reason.Opening);
    }

    /// The record of an operator in the disputed layer breaks a rule.
    function refuteProgram(
        bytes32 dispute,
        bytes32[8] calldata position,
        uint256,
        bytes calldata,
        bytes32[] calldata
    ) external {
        _prove(dispute, position, address(walk), msg.sender, Reason.Program);
    }

    /// Chunk `chunk` of posted output `number` is not that of the checkpoint it is declared to be. In any phase of
    /// the caller's dispute, which begins with it if there is none.
    function proveOutput(
        bytes32 claimId,
        bytes calldata head,
        bytes calldata,
        uint256,
        uint256,
        Opening calldata,
        Opening calldata
    ) external {
        Seam memory seam = abi.decode(_ask(address(commitments)), (Seam));
        bytes32 id = disputeId(claimId, msg.sender);
        if (_disputes[id].standing.status == DisputeStatus.None) _challenge(id, claimId, head, seam.traceRoot);
        (Dispute storage d, Claim storage c) = (_active(id), _claims[claimId]);
        _requireRunning(d, c);
        Request storage r = _requests[c.request];
        _requireRoot(claimId, c, r, seam.traceRoot);
        _requireSeam(r, seam);
        _addProof(d, c);
        _win(id, claimId, msg.sender, Reason.Output);
    }

    /// What a proof is about is what is claimed.
    function _requireSeam(Request storage r, Seam memory seam) private view {
        bytes32 model = r.model;
        if (seam.model != model) revert HeadNotOfModel();
        if (seam.interfaceHash != _interfaceHash(model)) revert InterfaceNotOfModel();
        if (seam.outputs != r.outputs) revert WrongPostedList();
    }

    /// The dispute of `challenger` is won if the rules find the proof in the calldata right; its own proof is paid.
    function _prove(
        bytes32 id,
        bytes32[8] calldata position,
        address rules,
        address challenger,
        Reason reason
    ) private {
        (Dispute storage d, Claim storage c, bytes32 claimId) = _at(id, position);
        if (disputeId(claimId, challenger) != id) revert NotTheChallenger();
        _ask(rules);
        if (msg.sender == challenger) _addProof(d, c);
        _win(id, claimId, challenger, reason);
    }

    /// Adds the tariff of a move that wins.
    function _addProof(Dispute storage d, Claim storage c) private {
        (Standing memory standing, Docket memory docket) = (d.standing, c.docket);
        _addTariff(standing, docket, PROOF_UNITS);
        (d.standing, c.docket) = (standing, docket);
    }
}
