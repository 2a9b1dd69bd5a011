// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, ClaimStatus} from "../src/Claims.sol";
import {Dispute, DisputeStatus, Party} from "../src/Disputes.sol";
import {Errors, MoveErrors} from "../src/Errors.sol";
import {Request, RequestStatus} from "../src/Requests.sol";
import {Refute} from "../src/Refute.sol";
import {Script, Stage} from "./Stage.sol";

/// A dispute that the handler plays: of which script, and how many of its calls have been made.
struct Played {
    uint256 kind;
    uint256 made;
    bytes32 claim;
    address challenger;
}

/// The accounts of the handler, what they have made, and what is checked at each of their calls.
abstract contract Actors is Stage {
    uint256 internal constant ACTORS = 5;
    /// Requests of one run.
    uint256 internal constant MOST = 60;
    bytes4 internal constant PANIC = 0x4e487b71;
    /// Owns stake and does nothing.
    address public constant BYSTANDER = address(0xB5);
    uint256 public constant BYSTANDERS_STAKE = 7 ether;

    bytes32[] internal requests;
    bytes32[] internal claims;
    bytes32[] internal disputes;
    mapping(bytes32 => uint256) internal _kinds;
    mapping(bytes32 => Played) internal _played;
    /// Calls that were not refused, by what they did.
    mapping(string => uint256) public done;

    constructor() {
        setTheStage();
        vm.deal(BYSTANDER, BYSTANDERS_STAKE);
        vm.prank(BYSTANDER);
        refute.deposit{value: BYSTANDERS_STAKE}();
        for (uint256 i = 0; i < ACTORS; ++i) {
            vm.deal(actor(i), 1000 ether);
            vm.prank(actor(i));
            refute.deposit{value: 100 ether}();
        }
    }

    function actor(uint256 seed) public pure returns (address) {
        return address(uint160(0xA000 + seed % ACTORS));
    }

    function accounts() public pure returns (address[] memory all) {
        all = new address[](ACTORS + 1);
        for (uint256 i = 0; i < ACTORS; ++i) {
            all[i] = actor(i);
        }
        all[ACTORS] = BYSTANDER;
    }

    // What is checked at every call

    /// INVARIANT: [inv 6] of an active dispute on a standing claim, either the side to move may move or it has lost.
    /// Tried from the same state; `agrees`: the move is a step that proves nothing.
    function _disjoint(bytes32 id, address mover, bytes memory call_, bool agrees) internal {
        Dispute memory dispute = refute.disputeOf(id);
        (ClaimStatus claimStatus,) = refute.claimOf(_played[id].claim);
        bool runs = dispute.standing.status == DisputeStatus.Active && claimStatus == ClaimStatus.Pending;
        Party[] memory parties = new Party[](1);
        parties[0] = partyOf(id);
        uint256 state = vm.snapshotState();
        (bool expires,) = _send(address(this), abi.encodeCall(refute.expire, (parties)), 0);
        vm.revertToState(state);
        state = vm.snapshotState();
        (bool moves, bytes memory refusal) = _send(mover, call_, 0);
        vm.revertToState(state);
        check(!(expires && moves), "a timeout and a move are disjoint");
        if (!runs) check(!expires && !moves, "nothing happens in a dispute that is over");
        else if (block.timestamp >= dispute.standing.deadline) check(expires, "from the deadline on it expires");
        else if (!moves) _isForeignOrAgrees(refusal, agrees);
    }

    function _isForeignOrAgrees(bytes memory refusal, bool agrees) private pure {
        bytes4 name = bytes4(refusal);
        bool foreign = name == Errors.NotTheChallenger.selector || name == Errors.NotTheExecutorsOpening.selector;
        check(foreign || (agrees && name == MoveErrors.StepAgrees.selector), "before the deadline it moves");
    }

    /// One account's call, counted under `what` unless it is refused.
    /// INVARIANT: [inv 1] it lowers no other account's free stake.
    function _act(string memory what, address sender, bytes memory call_, uint256 value)
        internal
        returns (bool ok, bytes memory answer)
    {
        address[] memory all = accounts();
        uint256[] memory before = new uint256[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            (before[i],,,) = refute.accountOf(all[i]);
        }
        (ok, answer) = _send(sender, call_, value);
        for (uint256 i = 0; i < all.length; ++i) {
            (uint256 free,,,) = refute.accountOf(all[i]);
            check(free >= before[i] || all[i] == sender, "nobody else's free stake falls");
        }
        if (ok) ++done[what];
        else check(answer.length >= 4 && bytes4(answer) != PANIC, "a refusal has a name and is no panic");
    }

    function _send(address sender, bytes memory call_, uint256 value) private returns (bool, bytes memory) {
        vm.prank(sender);
        return address(refute).call{value: value}(call_);
    }

    // What is there

    function contractUnderTest() external view returns (Refute) {
        return refute;
    }

    function allRequests() external view returns (bytes32[] memory) {
        return requests;
    }

    function allClaims() external view returns (bytes32[] memory) {
        return claims;
    }

    function allDisputes() external view returns (bytes32[] memory) {
        return disputes;
    }

    function partyOf(bytes32 dispute) public view returns (Party memory) {
        return Party(_played[dispute].claim, _played[dispute].challenger);
    }

    /// Mostly a request of this status, if there is one.
    function _request(RequestStatus status, uint256 which) internal view returns (bytes32 id) {
        for (uint256 i = 0; i < requests.length && which % 8 > 0; ++i) {
            id = requests[(which / 8 + i) % requests.length];
            if (refute.requestOf(id).status == status) return id;
        }
        return _pick(requests, which);
    }

    /// Mostly a claim that is neither final nor fallen, if there is one.
    function _standing(uint256 which) internal view returns (bytes32 id) {
        for (uint256 i = 0; i < claims.length && which % 8 > 0; ++i) {
            id = claims[(which / 8 + i) % claims.length];
            (ClaimStatus status,) = refute.claimOf(id);
            if (status == ClaimStatus.Pending) return id;
        }
        return _pick(claims, which);
    }

    /// Mostly a dispute that is neither won, lost nor settled, if there is one.
    function _active(uint256 which) internal view returns (bytes32 id) {
        for (uint256 i = 0; i < disputes.length && which % 8 > 0; ++i) {
            id = disputes[(which / 8 + i) % disputes.length];
            if (refute.disputeOf(id).standing.status == DisputeStatus.Active) return id;
        }
        return _pick(disputes, which);
    }

    function _pick(bytes32[] storage list, uint256 which) internal view returns (bytes32) {
        // mostly one of the latest, about which there is still something to do
        uint256 recent = list.length < 3 ? list.length : 3;
        return which % 4 == 0 ? list[which / 4 % list.length] : list[list.length - 1 - which / 4 % recent];
    }

    function _keep(bytes32 dispute, bytes32 id, address challenger) internal {
        disputes.push(dispute);
        _played[dispute] = Played(_kinds[id], 0, id, challenger);
    }

    /// The acceptor of a request, or anybody if there is none.
    function _executor(bytes32 id, uint256 seed) internal view returns (address) {
        Request memory held = refute.requestOf(id);
        return held.executor == address(0) ? actor(seed) : held.executor;
    }

    function _requestOf(bytes32 id) internal view returns (bytes32) {
        (, Claim memory held) = refute.claimOf(id);
        return held.request;
    }
}
