// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Docket} from "./Claims.sol";
import {Dispute, Disputes, Standing} from "./Disputes.sol";
import {Phase, Positions} from "./Positions.sol";
import {Signatures} from "./Signatures.sol";

/// How a dispute goes from one position to the next (protocol, sections 7.1 and 8): by the answer of the rules, with
/// the clock turned.
abstract contract Turns is Disputes {
    /// Answers `position` with an opening of the executor's side.
    function _open(
        bytes32 id,
        bytes32[8] calldata position,
        address rules,
        bytes memory opened,
        bytes calldata signature
    ) internal {
        _advance(id, position, rules, 0, opened);
        _requireExecutors(position, keccak256(opened), signature);
    }

    /// Answers `position` with the move in the calldata. `units`: the tariff of a challenger's move, 0 for one of
    /// the executor's side.
    function _advance(
        bytes32 id,
        bytes32[8] calldata position,
        address rules,
        uint256 units,
        bytes memory opened
    ) internal {
        (Dispute storage d, Claim storage c, bytes32 claimId) = _at(id, position);
        Standing memory standing = d.standing;
        if (units > 0) {
            if (disputeId(claimId, msg.sender) != id) revert NotTheChallenger();
            Docket memory docket = c.docket;
            _addTariff(standing, docket, units);
            c.docket = docket;
        }
        bytes memory answer = _ask(rules);
        assert(answer.length == Positions.SIZE);
        bytes32[8] memory next;
        assembly ("memory-safe") {
            next := add(answer, 32)
        }
        d.position = Positions.hash(next);
        _turnClock(standing, Positions.phaseOf(next));
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

    /// The dispute, if it stands at `position` and the side to move has time left; its claim is the position's.
    /// INVARIANT: [inv 12] a move names the position it answers, so nothing can redirect it.
    function _at(bytes32 id, bytes32[8] calldata position)
        internal
        view
        returns (Dispute storage d, Claim storage c, bytes32 claimId)
    {
        d = _active(id);
        if (Positions.hashCalldata(position) != d.position) revert StalePosition(d.position);
        claimId = position[0];
        c = _claims[claimId];
        _requireRunning(d, c);
    }

    /// INVARIANT: [inv 5] what no hash fixes is opened by the executor or its delegate, or signed by one of them.
    function _requireExecutors(bytes32[8] calldata position, bytes32 content, bytes calldata signature) private view {
        bytes32 claimId = position[0];
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
    function _ask(address rules) internal view returns (bytes memory answer) {
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
