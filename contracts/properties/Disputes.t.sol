// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Docket} from "../src/Claims.sol";
import {Dispute, DisputeStatus, Party, Standing} from "../src/Disputes.sol";
import {Phase, Positions} from "../src/Positions.sol";
import {AnyRules, OpenRefute} from "./OpenRefute.sol";
import {Property} from "./Property.sol";

/// Clocks and endings of a dispute in any state, whatever the rules answer [inv 3, 6, 9, 10].
contract DisputesProperties is Property {
    bytes32 private constant CLAIM = bytes32(uint256(2));
    address private constant EXECUTOR = address(0xe);
    address private constant CHALLENGER = address(0xc);
    uint256 private constant FEE = 0.1 ether;
    uint256 private constant STAKE = 10 ether;
    uint256 private constant BOND = 1 ether;

    /// Below this many disputes of the claim have been lost before.
    uint256 private constant LOST = 16;

    AnyRules private rules;
    OpenRefute private refute;
    bytes32 private id;
    uint256 private clock;

    function setUp() external {
        rules = new AnyRules();
        refute = new OpenRefute(someParameters(), rules);
        id = refute.disputeId(CLAIM, CHALLENGER);
        clock = someParameters().clock;
        _stake(EXECUTOR, STAKE);
        _stake(CHALLENGER, BOND);
    }

    function _stake(address owner, uint256 amount) private {
        vm.deal(owner, amount);
        vm.prank(owner);
        refute.deposit{value: amount}();
        refute.lock(owner, amount);
    }

    function check_a_move_counts_before_the_deadline_and_turns_the_clock(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_,
        bytes32 place
    ) external {
        _begin(docket, standing, now_);
        bytes32[8] memory next = _answered(place);
        refute.openTrace(id, _position(), new bytes32[](1));
        Dispute memory d = refute.disputeOf(id);
        assert(standing.status == DisputeStatus.Active && !docket.fallen && now_ < standing.deadline);
        _requireTurned(standing, d.standing, Positions.phaseOf(next), now_);
        assert(d.standing.tariff == standing.tariff && d.position == Positions.hash(next));
    }

    function check_a_pick_adds_its_tariff_to_both_accounts_of_it(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_,
        bytes32 place,
        bool peak
    ) external {
        _begin(docket, standing, now_);
        vm.fee(peak ? 500 gwei : 30 gwei);
        bytes32[8] memory next = _answered(place);
        vm.prank(CHALLENGER);
        refute.pickTrace(id, _position(), new bytes32[](1), 0);
        Standing memory later = refute.disputeOf(id).standing;
        _requireTurned(standing, later, Positions.phaseOf(next), now_);
        uint256 more = 65_000 * (peak ? uint256(someParameters().peakGasPrice) : 30 gwei);
        (, Claim memory held) = refute.claimOf(CLAIM);
        assert(later.tariff == standing.tariff + more && held.docket.tariffs == docket.tariffs + more);
    }

    /// That the other's dispute has another id, hashes see to.
    function check_nobody_picks_for_the_challenger(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_,
        bytes32 place
    ) external {
        _begin(docket, standing, now_);
        _answered(place);
        vm.prank(EXECUTOR);
        try refute.pickTrace(id, _position(), new bytes32[](1), 0) {
            assert(false);
        } catch {}
    }

    function check_nobody_opens_for_the_executor(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_,
        bytes32 place,
        address sender
    ) external {
        _begin(docket, standing, now_);
        _answered(place);
        vm.prank(sender);
        refute.openTensor(id, _position(), new bytes32[](1), "");
        assert(sender == EXECUTOR);
    }

    function check_a_move_that_answers_another_position_is_refused(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_,
        bytes32 place,
        bytes32 held
    ) external {
        _begin(docket, standing, now_);
        vm.assume(held != Positions.hash(_position()));
        refute.setDispute(id, standing, held);
        _answered(place);
        vm.prank(CHALLENGER);
        try refute.pickTrace(id, _position(), new bytes32[](1), 0) {
            assert(false);
        } catch {}
    }

    function check_from_the_deadline_on_the_side_to_move_has_lost(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_
    ) external {
        _begin(docket, standing, now_);
        vm.assume(docket.unresolved > 0 && docket.tariffs <= STAKE / 2);
        bool over = standing.status == DisputeStatus.Active && !docket.fallen && now_ >= standing.deadline;
        try refute.expire(_parties()) {
            assert(over);
            DisputeStatus status = refute.disputeOf(id).standing.status;
            assert(status == (Phase.isChallengers(standing.phase) ? DisputeStatus.Lost : DisputeStatus.Won));
        } catch {
            assert(!over);
        }
    }

    /// The bond of a challenger that lost waits in escrow, counted by the claim.
    function check_a_challenger_out_of_time_loses_its_bond_and_no_more(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_
    ) external {
        _begin(docket, standing, now_);
        vm.assume(docket.unresolved > 0 && Phase.isChallengers(standing.phase));
        refute.expire(_parties());
        (, Claim memory held) = refute.claimOf(CLAIM);
        assert(!held.docket.fallen && held.docket.unresolved == docket.unresolved - 1);
        assert(held.docket.lost == docket.lost + 1 && held.docket.tariffs == docket.tariffs - standing.tariff);
        assert(_locked(CHALLENGER) == 0 && _locked(EXECUTOR) == STAKE);
        assert(refute.burned() == 0 && refute.creditsOf(CHALLENGER) == 0);
    }

    /// Of the stake, at least half is burned; the rest is the winner's, or waits for the others; to the wei.
    function check_a_slashed_stake_is_burned_credited_or_kept_for_others(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_
    ) external {
        _begin(docket, standing, now_);
        vm.assume(docket.unresolved > 0 && docket.tariffs <= STAKE / 2 && !Phase.isChallengers(standing.phase));
        refute.expire(_parties());
        (, Claim memory held) = refute.claimOf(CLAIM);
        assert(held.docket.fallen && held.docket.fallenAt == now_);
        assert(held.docket.unresolved == docket.unresolved - 1);
        uint256 ofTheLost = docket.lost * BOND;
        assert(refute.burned() >= STAKE / 2 + ofTheLost);
        assert(refute.burned() + refute.creditsOf(CHALLENGER) + held.left == STAKE + ofTheLost);
        assert(refute.creditsOf(CHALLENGER) >= standing.tariff && held.left <= held.pot);
        assert(held.left == (docket.unresolved == 1 ? 0 : docket.tariffs - standing.tariff));
        assert(_locked(CHALLENGER) == 0 && _locked(EXECUTOR) == 0);
    }

    function check_a_dispute_on_a_fallen_claim_is_paid_from_the_pot_or_loses_its_bond(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_,
        uint96 left
    ) external {
        _begin(docket, standing, now_);
        uint96 pot = uint96(STAKE / 2);
        vm.assume(docket.unresolved > 0 && docket.tariffs <= pot && standing.tariff <= left && left <= pot);
        refute.setPot(CLAIM, pot, left);
        refute.settle(CLAIM, CHALLENGER);
        assert(docket.fallen && standing.status == DisputeStatus.Active);
        bool late = Phase.isChallengers(standing.phase) && standing.deadline <= docket.fallenAt;
        (, Claim memory held) = refute.claimOf(CLAIM);
        assert(refute.creditsOf(CHALLENGER) == (late ? 0 : standing.tariff));
        assert(refute.burned() + held.left + refute.creditsOf(CHALLENGER) == left + (late ? BOND : 0));
        assert(held.docket.unresolved == docket.unresolved - 1 && _locked(CHALLENGER) == 0);
        assert(docket.unresolved > 1 || held.left == 0);
    }

    function check_a_final_claim_returns_the_stake_and_pays_fee_and_bonds(
        Docket calldata docket,
        Standing calldata standing,
        uint40 now_,
        uint40 windowEnd
    ) external {
        _begin(docket, standing, now_);
        refute.setWindowEnd(windowEnd);
        refute.finalise(CLAIM);
        assert(now_ >= windowEnd && docket.unresolved == 0 && !docket.fallen);
        (uint256 free, uint256 locked,,) = refute.accountOf(EXECUTOR);
        assert(free == STAKE && locked == 0);
        assert(refute.creditsOf(EXECUTOR) == FEE + docket.lost * BOND && refute.burned() == 0);
    }

    /// A dispute with clocks that a game can have, at position `_position`, on a claim that stands or has fallen.
    function _begin(Docket calldata docket, Standing calldata standing, uint40 now_) private {
        vm.warp(now_);
        vm.assume(standing.idle <= clock && standing.deadline <= uint256(now_) + clock);
        vm.assume(uint256(now_) + clock < type(uint40).max);
        vm.assume(docket.tariffs < 1 << 94 && standing.tariff <= docket.tariffs);
        vm.assume(docket.lost < LOST);
        refute.setClaim(CLAIM, EXECUTOR, uint96(FEE), docket);
        refute.setDispute(id, standing, Positions.hash(_position()));
    }

    function _position() private pure returns (bytes32[8] memory words) {
        words[0] = CLAIM;
    }

    /// What the rules answer: the position with another `place`, in which is the phase.
    function _answered(bytes32 place) private returns (bytes32[8] memory next) {
        next = _position();
        next[2] = place;
        rules.answer(next);
    }

    function _parties() private pure returns (Party[] memory parties) {
        parties = new Party[](1);
        parties[0] = Party(CLAIM, CHALLENGER);
    }

    function _locked(address owner) private view returns (uint256 locked) {
        (, locked,,) = refute.accountOf(owner);
    }

    function _requireTurned(Standing calldata before, Standing memory later, uint8 phase, uint40 now_) private pure {
        uint256 left = before.deadline - now_;
        bool turned = Phase.isChallengers(before.phase) != Phase.isChallengers(phase);
        assert(later.deadline - uint256(now_) == (turned ? before.idle : left));
        assert(later.idle == (turned ? left : before.idle));
        assert(later.phase == phase && later.status == DisputeStatus.Active);
    }
}
