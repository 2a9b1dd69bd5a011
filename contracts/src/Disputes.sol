// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Claims, ClaimStatus} from "./Claims.sol";
import {Head} from "./Heads.sol";
import {Phase, Position, Positions} from "./Positions.sol";

enum DisputeStatus {
    None,
    Active,
    Won,
    Lost,
    Settled
}

/// Why a dispute was resolved. Other: another dispute on the claim was won first.
enum Reason {
    None,
    Step,
    Output,
    Program,
    Timeout,
    Other
}

/// `deadline` is that of the side to move, which follows from `phase`; `position` is the hash of the struct.
/// `executorTime`, `challengerTime`: seconds each side had left when it last moved.
struct Dispute {
    DisputeStatus status;
    uint8 phase;
    uint64 deadline;
    address challenger;
    bytes32 claim;
    bytes32 position;
    uint64 executorTime;
    uint64 challengerTime;
    uint128 tariff;
}

/// Disputes: how they begin, their clocks, and how they end (protocol, sections 7 to 9). The moves: `Moves.sol`.
abstract contract Disputes is Claims {
    uint256 internal constant CHALLENGE_UNITS = 150_000;

    mapping(bytes32 => Dispute) internal _disputes;

    function disputeOf(bytes32 id) external view returns (Dispute memory) {
        return _disputes[id];
    }

    /// The id of a challenger's dispute on a claim.
    /// INVARIANT: [inv 10] one per claim and challenger; none bars or decides another.
    function disputeId(bytes32 claimId, address challenger) public view returns (bytes32) {
        return keccak256(abi.encode("refute.dispute.v1", block.chainid, address(this), claimId, challenger));
    }

    function challenge(bytes32 claimId, bytes calldata head) external returns (bytes32 id) {
        id = disputeId(claimId, msg.sender);
        if (_disputes[id].status != DisputeStatus.None) revert AlreadyChallenged(id);
        _challenge(id, claimId, head);
    }

    function _challenge(bytes32 id, bytes32 claimId, bytes calldata head) internal {
        Claim storage c = _pending(claimId);
        // INVARIANT: [inv 3] every dispute begins in the window and lasts at most both clocks.
        if (_now() >= c.windowEnd) revert WindowIsOver(c.windowEnd);
        Head memory h = _head(_requests[c.request].model, head);
        _lock(msg.sender, CHALLENGER_BOND);
        Position memory position = Positions.initial(
            uint32(h.layers), h.layersRoot, c.traceRoot, _requests[c.request].inputs
        );
        uint64 deadline = _now() + CLOCK;
        Dispute storage d = _disputes[id];
        d.status = DisputeStatus.Active;
        d.phase = position.phase;
        d.deadline = deadline;
        d.challenger = msg.sender;
        d.claim = claimId;
        d.position = Positions.hash(position);
        d.executorTime = uint64(CLOCK);
        d.challengerTime = uint64(CLOCK);
        ++c.unresolved;
        _addTariff(d, c, CHALLENGE_UNITS);
        emit Challenged(id, claimId, msg.sender, position, deadline);
    }

    /// Records which of the given disputes are over because the side to move ran out of time. Those that are not
    /// are passed over, so that one of them cannot hold up the others.
    function expire(bytes32[] calldata ids) external {
        uint256 expired;
        for (uint256 i = 0; i < ids.length; ++i) {
            Dispute storage d = _disputes[ids[i]];
            Claim storage c = _claims[d.claim];
            // INVARIANT: [inv 6] a move counts before the deadline, expiry from the deadline on.
            if (d.status != DisputeStatus.Active || c.status != ClaimStatus.Pending || _now() < d.deadline) continue;
            ++expired;
            if (Phase.isChallengers(d.phase)) _lose(ids[i], d, c);
            else _win(ids[i], d, c, Reason.Timeout);
        }
        if (expired == 0) revert NothingExpired();
    }

    /// Pays a dispute that was standing when another made the claim fall.
    function settle(bytes32 id) external {
        Dispute storage d = _active(id);
        Claim storage c = _claims[d.claim];
        if (c.status != ClaimStatus.Fallen) revert ClaimHasNotFallen();
        // INVARIANT: [inv 6] a challenger whose clock ran out before the fall had lost, poked or not.
        if (Phase.isChallengers(d.phase) && d.deadline <= c.fallenAt) {
            d.status = DisputeStatus.Lost;
            _slash(d.challenger, CHALLENGER_BOND, CHALLENGER_BOND);
            emit Resolved(id, d.claim, false, uint8(Reason.Timeout));
            _payOut(id, d, c, 0);
        } else {
            d.status = DisputeStatus.Settled;
            _unlock(d.challenger, CHALLENGER_BOND);
            emit Resolved(id, d.claim, true, uint8(Reason.Other));
            _payOut(id, d, c, _share(d, c));
        }
    }

    // Endings

    function _win(bytes32 id, Dispute storage d, Claim storage c, Reason reason) internal {
        d.status = DisputeStatus.Won;
        emit Resolved(id, d.claim, true, uint8(reason));
        _fall(d.claim, c, id, d.challenger);
        _unlock(d.challenger, CHALLENGER_BOND);
        uint256 surplus = c.pot > c.tariffs ? c.pot - c.tariffs : 0;
        _payOut(id, d, c, _share(d, c) + surplus);
    }

    function _lose(bytes32 id, Dispute storage d, Claim storage c) private {
        d.status = DisputeStatus.Lost;
        --c.unresolved;
        c.tariffs -= d.tariff;
        c.lostBonds += CHALLENGER_BOND;
        _slash(d.challenger, CHALLENGER_BOND, 0);
        emit Resolved(id, d.claim, false, uint8(Reason.Timeout));
    }

    /// INVARIANT: [inv 10] a standing dispute is paid for its moves, pro rata if the pot is short.
    function _share(Dispute storage d, Claim storage c) private view returns (uint256) {
        return c.tariffs <= c.pot ? d.tariff : c.pot * d.tariff / c.tariffs;
    }

    /// INVARIANT: [inv 9] the pot is paid out or burned to the last wei.
    function _payOut(bytes32 id, Dispute storage d, Claim storage c, uint256 owed) private {
        c.left -= owed;
        if (--c.unresolved == 0) {
            _burn(c.left);
            c.left = 0;
        }
        _credit(d.challenger, owed);
        emit Settled(id, d.challenger, owed);
    }

    // Tariff and existence

    /// Adds what a challenger's move costs at the block's base fee, capped.
    function _addTariff(Dispute storage d, Claim storage c, uint256 units) internal {
        uint256 price = block.basefee < PEAK_GAS_PRICE ? block.basefee : PEAK_GAS_PRICE;
        d.tariff += uint128(units * price);
        c.tariffs += units * price;
    }

    /// A dispute that is neither won, lost nor settled.
    function _active(bytes32 id) internal view returns (Dispute storage d) {
        d = _disputes[id];
        if (d.status == DisputeStatus.None) revert UnknownDispute(id);
        if (d.status != DisputeStatus.Active) revert DisputeIsResolved();
    }

    /// An active dispute before the deadline of the side to move, on a claim that has not fallen.
    function _running(bytes32 id) internal view returns (Dispute storage d, Claim storage c) {
        d = _active(id);
        c = _pending(d.claim);
        if (_now() >= d.deadline) revert MoveAfterDeadline(d.deadline);
    }
}
