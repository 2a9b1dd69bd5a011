// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Docket} from "./Claims.sol";
import {Dispute, Disputes, DisputeStatus, Reason, Standing} from "./Disputes.sol";
import {Opening, Phase, Position, Positions} from "./Positions.sol";
import {Referee} from "./Referee.sol";
import {Request} from "./Requests.sol";
import {Signatures} from "./Signatures.sol";
import {Seam, Walk} from "./Walk.sol";

/// The moves of a dispute (protocol, section 7.2): who may send them, and until when. What they mean is decided by
/// the stateless `Walk` and `Referee`, which have a function of the same signature for each and are handed the
/// calldata as it came.
abstract contract Moves is Disputes {
    uint256 private constant NODE_PICK_UNITS = 65_000;
    uint256 private constant PICK_UNITS = 95_000;
    uint256 private constant PROOF_UNITS = 400_000;

    Walk public immutable walk;
    Referee public immutable referee;

    constructor(Walk walk_, Referee referee_) {
        if (address(walk_).code.length == 0) revert NoCodeAt(address(walk_));
        if (address(referee_).code.length == 0) revert NoCodeAt(address(referee_));
        walk = walk_;
        referee = referee_;
    }

    // Openings that an earlier hash fixes: anyone's

    function openTrace(bytes32 dispute, Position calldata position, bytes32[] calldata nodes) external {
        _advance(dispute, position, address(walk), 0, abi.encodePacked(nodes));
    }

    function openTensor(bytes32 dispute, Position calldata position, bytes32[] calldata nodes) external {
        _advance(dispute, position, address(walk), 0, abi.encodePacked(nodes));
    }

    function openChunk(bytes32 dispute, Position calldata position, bytes calldata chunk) external {
        _advance(dispute, position, address(walk), 0, chunk);
    }

    // Openings that no hash fixes: the executor's or its delegate's, sent or signed

    function openLayer(
        bytes32 dispute,
        Position calldata position,
        bytes calldata,
        bytes32[] calldata,
        bytes32[] calldata roots,
        bytes calldata signature
    ) external {
        bytes memory opened = abi.encodePacked(roots);
        _requireExecutors(dispute, position, keccak256(opened), signature);
        _advance(dispute, position, address(walk), 0, opened);
    }

    function openTerms(
        bytes32 dispute,
        Position calldata position,
        bytes calldata,
        bytes calldata values,
        Opening[] calldata,
        bytes calldata signature
    ) external {
        _requireExecutors(dispute, position, keccak256(values), signature);
        _advance(dispute, position, address(referee), 0, values);
    }

    // Picks: the challenger's

    function pickTrace(bytes32 dispute, Position calldata position, bytes32[] calldata, uint256) external {
        _advance(dispute, position, address(walk), NODE_PICK_UNITS, "");
    }

    function pickOperator(
        bytes32 dispute,
        Position calldata position,
        bytes32[] calldata,
        uint256,
        bytes calldata,
        bytes32[] calldata
    ) external {
        _advance(dispute, position, address(walk), PICK_UNITS, "");
    }

    function pickTensor(bytes32 dispute, Position calldata position, bytes32[] calldata, uint256) external {
        _advance(dispute, position, address(walk), NODE_PICK_UNITS, "");
    }

    function pickElement(bytes32 dispute, Position calldata position, bytes calldata, bytes calldata, uint256)
        external
    {
        _advance(dispute, position, address(referee), PICK_UNITS, "");
    }

    function pickTerms(bytes32 dispute, Position calldata position, bytes calldata, bytes calldata, uint256)
        external
    {
        _advance(dispute, position, address(referee), PICK_UNITS, "");
    }

    // Moves that win

    /// Anyone's: the position fixes what is computed.
    function step(bytes32 dispute, Position calldata position, bytes calldata, Opening[] calldata) external {
        (Dispute storage d, Claim storage c) = _at(dispute, position);
        _ask(address(referee));
        if (msg.sender == d.challenger) _addProof(d, c);
        _win(dispute, d, c, Reason.Step);
    }

    /// The record of an operator in the disputed layer breaks a rule.
    function refuteProgram(
        bytes32 dispute,
        Position calldata position,
        uint256,
        bytes calldata,
        bytes32[] calldata
    ) external {
        (Dispute storage d, Claim storage c) = _at(dispute, position);
        if (msg.sender != d.challenger) revert NotTheChallenger();
        _ask(address(walk));
        _addProof(d, c);
        _win(dispute, d, c, Reason.Program);
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
        bytes32 id = disputeId(claimId, msg.sender);
        if (_disputes[id].standing.status == DisputeStatus.None) _challenge(id, claimId, head);
        (Dispute storage d, Claim storage c) = _running(id);
        Seam memory seam = abi.decode(_ask(address(walk)), (Seam));
        Request storage r = _requests[c.request];
        bytes32 model = r.model;
        if (seam.model != model) revert HeadNotOfModel();
        if (seam.interfaceHash != _interfaceHash(model)) revert InterfaceNotOfModel();
        if (seam.outputs != r.outputs) revert WrongPostedList();
        if (seam.traceRoot != r.traceRoot) revert WrongTensorPath();
        _addProof(d, c);
        _win(id, d, c, Reason.Output);
    }

    /// Adds the tariff of a move that wins.
    function _addProof(Dispute storage d, Claim storage c) private {
        (Standing memory standing, Docket memory docket) = (d.standing, c.docket);
        _addTariff(standing, docket, PROOF_UNITS);
        (d.standing, c.docket) = (standing, docket);
    }

    // The one way forward

    /// Answers `position` with the move in the calldata. `units`: the tariff of a challenger's move, 0 for one of
    /// the executor's side.
    function _advance(bytes32 id, Position calldata position, address rules, uint256 units, bytes memory opened)
        private
    {
        (Dispute storage d, Claim storage c) = _at(id, position);
        Standing memory standing = d.standing;
        if (units > 0) {
            if (disputeId(d.claim, msg.sender) != id) revert NotTheChallenger();
            Docket memory docket = c.docket;
            _addTariff(standing, docket, units);
            c.docket = docket;
        }
        bytes memory answer = _ask(rules);
        assert(answer.length == Positions.SIZE);
        Position memory next;
        assembly ("memory-safe") {
            next := add(answer, 32)
        }
        d.position = Positions.hash(next);
        _turnClock(standing, next.phase);
        d.standing = standing;
        emit Moved(id, msg.sender, standing.deadline, Positions.changes(position, next), opened);
    }

    /// INVARIANT: [inv 3] a chess clock: the side that moved keeps what it has left, then the other's runs. When
    /// the same side moves again its deadline stays.
    function _turnClock(Standing memory standing, uint8 next) private view {
        if (Phase.isChallengers(standing.phase) != Phase.isChallengers(next)) {
            uint64 left = standing.deadline - _now();
            standing.deadline = uint40(_now() + standing.idle);
            standing.idle = uint32(left);
        }
        standing.phase = next;
    }

    /// The dispute, if it stands at `position` and the side to move has time left.
    /// INVARIANT: [inv 12] a move names the position it answers, so nothing can redirect it.
    function _at(bytes32 id, Position calldata position) private view returns (Dispute storage d, Claim storage c) {
        (d, c) = _running(id);
        if (Positions.hashCalldata(position) != d.position) revert StalePosition(d.position);
    }

    /// INVARIANT: [inv 5] what no hash fixes is opened by the executor or its delegate, or signed by one of them.
    function _requireExecutors(
        bytes32 id,
        Position calldata position,
        bytes32 content,
        bytes calldata signature
    ) private view {
        bytes32 claimId = _disputes[id].claim;
        Claim storage c = _claims[claimId];
        address opener = msg.sender;
        if (signature.length > 0) {
            bytes32 digest = Signatures.openingDigest(claimId, Positions.hashCalldata(position), content);
            opener = Signatures.signer(digest, signature);
        }
        // The request names the executor of the claim that stands; a fallen one has no moves.
        if (opener == address(0) || (opener != _requests[c.request].executor && opener != c.delegate)) {
            revert NotTheExecutorsOpening();
        }
    }

    /// The answer of the rules to this call's own calldata. A refusal, of whatever kind, reverts the whole call: it
    /// is never a verdict.
    function _ask(address rules) private view returns (bytes memory answer) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let ok := staticcall(gas(), rules, free, calldatasize(), 0, 0)
            let size := returndatasize()
            if iszero(ok) {
                returndatacopy(free, 0, size)
                revert(free, size)
            }
            answer := free
            mstore(answer, size)
            returndatacopy(add(answer, 32), 0, size)
            mstore(0x40, and(add(add(answer, size), 63), not(31)))
        }
    }
}
