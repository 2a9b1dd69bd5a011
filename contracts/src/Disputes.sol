// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Claims, Docket} from "./Claims.sol";
import {Head, Heads} from "./Heads.sol";
import {Ground, Phase, Position, Positions} from "./Positions.sol";
import {Request} from "./Requests.sol";
import {Trees} from "./Trees.sol";

enum DisputeStatus {
    None,
    Active,
    Won,
    Lost,
    Settled
}

/// Why a dispute was resolved. Other: another dispute on the claim was won first. Opening: one that was made was wrong.
enum Reason {
    None,
    Step,
    Output,
    Program,
    Timeout,
    Other,
    Opening
}

/// What every move of a dispute writes, in one slot. `deadline` is that of the side to move, which follows from
/// `phase`; `idle`: seconds that the other side has left. `tariff`: what the challenger is owed for its moves.
struct Standing {
    DisputeStatus status;
    uint8 phase;
    uint40 deadline;
    uint32 idle;
    uint96 tariff;
}

/// `position` is the hash of the position's words. Whose dispute it is, and about which claim, is in its id.
struct Dispute {
    Standing standing;
    bytes32 position;
}

/// A dispute by its claim and challenger.
struct Party {
    bytes32 claim;
    address challenger;
}

/// Disputes: how they begin, their clocks, and how they end (protocol, sections 7 to 9). The moves: `Moves.sol`.
abstract contract Disputes is Claims {
    using Positions for Position;

    uint256 internal constant CHALLENGE_UNITS = 160_000;

    mapping(bytes32 => Dispute) internal _disputes;

    function disputeOf(bytes32 id) external view returns (Dispute memory) {
        return _disputes[id];
    }

    /// The id of a challenger's dispute on a claim.
    /// INVARIANT: [inv 10] one per claim and challenger; none bars or decides another.
    function disputeId(bytes32 claimId, address challenger) public view returns (bytes32) {
        return keccak256(abi.encode("refute.dispute.v1", block.chainid, address(this), claimId, challenger));
    }

    /// `traceRoot`: the claim's, which is in its log.
    function challenge(bytes32 claimId, bytes calldata head, bytes32 traceRoot) external returns (bytes32 id) {
        id = disputeId(claimId, msg.sender);
        if (_disputes[id].standing.status != DisputeStatus.None) revert AlreadyChallenged(id);
        _challenge(id, claimId, head, traceRoot);
    }

    /// A challenge that opens the trace and picks from it at once: the nodes are in the claim's log.
    function challengeAt(bytes32 claimId, bytes calldata head, bytes32[] calldata nodes, uint256 child)
        external
        returns (bytes32 id)
    {
        id = disputeId(claimId, msg.sender);
        if (_disputes[id].standing.status != DisputeStatus.None) revert AlreadyChallenged(id);
        Position memory position = _challenge(id, claimId, head, _traceRoot(Heads.decode(head).layers, nodes));
        position.pick(nodes, Trees.CLAIM_DEPTH, child);
        position.enterTrace();
        bytes32[8] memory words = Positions.pack(position);
        Dispute storage d = _disputes[id];
        d.position = Positions.hash(words);
        d.standing.phase = position.phase;
        // words 2 and 4 have changed: the place and the node
        bytes memory changes = abi.encodePacked(uint8(1 << 2 | 1 << 4), words[2], words[4]);
        emit Moved(id, msg.sender, d.standing.deadline, changes, abi.encodePacked(nodes));
    }

    function _challenge(bytes32 id, bytes32 claimId, bytes calldata head, bytes32 traceRoot)
        internal
        returns (Position memory position)
    {
        (Claim storage c, Request storage r) = _pending(claimId);
        // INVARIANT: [inv 3] every dispute begins in the window and lasts at most both clocks.
        if (_now() >= r.due) revert WindowIsOver(r.due);
        Head memory h = _head(r.model, head);
        _requireRoot(claimId, c, r, traceRoot);
        _lock(msg.sender, CHALLENGER_BOND);
        Ground memory ground = Ground(msg.sender, uint32(h.layers), h.layersRoot, traceRoot, r.inputs);
        position = Positions.initial(claimId, ground);
        Standing memory standing;
        standing.status = DisputeStatus.Active;
        standing.phase = position.phase;
        standing.deadline = uint40(_now() + CLOCK);
        standing.idle = uint32(CLOCK);
        Docket memory docket = c.docket;
        ++docket.unresolved;
        _addTariff(standing, docket, CHALLENGE_UNITS);
        c.docket = docket;
        Dispute storage d = _disputes[id];
        d.standing = standing;
        d.position = Positions.hash(Positions.pack(position));
        emit Challenged(
            id,
            claimId,
            msg.sender,
            ground.layers,
            ground.layersRoot,
            ground.traceRoot,
            ground.inputs,
            standing.deadline
        );
    }

    /// Records which of the given disputes are over because the side to move ran out of time. Those that are not
    /// are passed over, so that one of them cannot hold up the others.
    function expire(Party[] calldata parties) external {
        uint256 expired;
        for (uint256 i = 0; i < parties.length; ++i) {
            (bytes32 claimId, address challenger) = (parties[i].claim, parties[i].challenger);
            bytes32 id = disputeId(claimId, challenger);
            Dispute storage d = _disputes[id];
            Claim storage c = _claims[claimId];
            Standing memory standing = d.standing;
            // INVARIANT: [inv 6] a move counts before the deadline, expiry from the deadline on.
            if (standing.status != DisputeStatus.Active || c.docket.fallen || _now() < standing.deadline) continue;
            ++expired;
            if (Phase.isChallengers(standing.phase)) _lose(id, claimId, challenger);
            else _win(id, claimId, challenger, Reason.Timeout);
        }
        if (expired == 0) revert NothingExpired();
    }

    /// Pays a dispute that was standing when another made the claim fall.
    function settle(bytes32 claimId, address challenger) external {
        bytes32 id = disputeId(claimId, challenger);
        Dispute storage d = _active(id);
        Claim storage c = _claims[claimId];
        Docket memory docket = c.docket;
        if (!docket.fallen) revert ClaimHasNotFallen();
        Standing memory standing = d.standing;
        uint256 owed;
        // INVARIANT: [inv 6] a challenger whose clock ran out before the fall had lost, poked or not.
        if (Phase.isChallengers(standing.phase) && standing.deadline <= docket.fallenAt) {
            d.standing.status = DisputeStatus.Lost;
            _slash(challenger, CHALLENGER_BOND, CHALLENGER_BOND);
            emit Resolved(id, claimId, false, uint8(Reason.Timeout));
        } else {
            d.standing.status = DisputeStatus.Settled;
            _unlock(challenger, CHALLENGER_BOND);
            emit Resolved(id, claimId, true, uint8(Reason.Other));
            owed = _share(standing.tariff, docket.tariffs, c.pot);
        }
        uint256 left = c.left - owed;
        // INVARIANT: [inv 9] the pot is paid out or burned to the last wei.
        if (--docket.unresolved == 0) {
            _burn(left);
            left = 0;
        }
        c.left = uint96(left);
        c.docket.unresolved = docket.unresolved;
        _pay(id, challenger, owed);
    }

    // Endings

    /// The claim falls: its stake is slashed, the winner is paid, the request is open again.
    function _win(bytes32 id, bytes32 claimId, address challenger, Reason reason) internal {
        Dispute storage d = _disputes[id];
        Claim storage c = _claims[claimId];
        d.standing.status = DisputeStatus.Won;
        emit Resolved(id, claimId, true, uint8(reason));
        Docket memory docket = c.docket;
        Request storage r = _requests[c.request];
        uint256 stake = _stakeOf(r);
        // INVARIANT: [inv 10] only what is burned deters; the pot may return to a friend of the executor.
        uint256 toBurn = stake * BURN_SHARE / BASIS;
        uint256 pot = stake - toBurn;
        uint256 owed = _share(d.standing.tariff, docket.tariffs, pot);
        if (pot > docket.tariffs) owed += pot - docket.tariffs;
        _slash(r.executor, stake, toBurn);
        if (docket.lost > 0) _burn(docket.lost * CHALLENGER_BOND);
        // INVARIANT: [inv 9] the pot is paid out or burned to the last wei.
        if (--docket.unresolved == 0) _burn(pot - owed);
        else (c.pot, c.left) = (uint96(pot), uint96(pot - owed));
        docket.fallen = true;
        docket.fallenAt = uint40(_now());
        c.docket = docket;
        emit Fallen(claimId, c.request, id, challenger);
        _reopen(c.request, r);
        _unlock(challenger, CHALLENGER_BOND);
        _pay(id, challenger, owed);
    }

    function _lose(bytes32 id, bytes32 claimId, address challenger) private {
        Dispute storage d = _disputes[id];
        Claim storage c = _claims[claimId];
        d.standing.status = DisputeStatus.Lost;
        Docket memory docket = c.docket;
        --docket.unresolved;
        ++docket.lost;
        docket.tariffs -= d.standing.tariff;
        c.docket = docket;
        _slash(challenger, CHALLENGER_BOND, 0);
        emit Resolved(id, claimId, false, uint8(Reason.Timeout));
    }

    /// INVARIANT: [inv 10] a standing dispute is paid for its moves, pro rata if the pot is short.
    function _share(uint256 tariff, uint256 tariffs, uint256 pot) private pure returns (uint256) {
        return tariffs <= pot ? tariff : pot * tariff / tariffs;
    }

    function _pay(bytes32 id, address challenger, uint256 owed) private {
        _credit(challenger, owed);
        emit Settled(id, challenger, owed);
    }

    // Tariff and existence

    /// Adds what a challenger's move costs at the block's base fee, capped.
    function _addTariff(Standing memory standing, Docket memory docket, uint256 units) internal view {
        uint256 price = block.basefee < PEAK_GAS_PRICE ? block.basefee : PEAK_GAS_PRICE;
        standing.tariff += uint96(units * price);
        docket.tariffs += uint96(units * price);
    }

    /// A dispute that is neither won, lost nor settled.
    function _active(bytes32 id) internal view returns (Dispute storage d) {
        d = _disputes[id];
        DisputeStatus status = d.standing.status;
        if (status == DisputeStatus.None) revert UnknownDispute(id);
        if (status != DisputeStatus.Active) revert DisputeIsResolved();
    }

    /// Reverts unless the side to move has time left, on a claim that has not fallen.
    function _requireRunning(Dispute storage d, Claim storage c) internal view {
        if (c.docket.fallen) revert ClaimHasFallen();
        if (_now() >= d.standing.deadline) revert MoveAfterDeadline(d.standing.deadline);
    }
}
