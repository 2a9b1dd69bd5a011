// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, ClaimStatus} from "../src/Claims.sol";
import {Dispute, DisputeStatus} from "../src/Disputes.sol";
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

/// Several accounts that do anything the contract lets them do, in any order and at any time. Every call is made from
/// one account, and checked: it may lower nobody else's free stake, and is refused, if it is, by a named error.
contract Handler is Stage {
    uint256 private constant ACTORS = 5;
    /// Requests of one run.
    uint256 private constant MOST = 60;
    bytes4 private constant PANIC = 0x4e487b71;
    /// Owns stake and does nothing.
    address public constant BYSTANDER = address(0xB5);
    uint256 public constant BYSTANDERS_STAKE = 7 ether;

    bytes32[] private requests;
    bytes32[] private claims;
    bytes32[] private disputes;
    mapping(bytes32 => uint256) private _kinds;
    mapping(bytes32 => Played) private _played;
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
        for (uint256 i = 0; i < ACTORS; ++i) all[i] = actor(i);
        all[ACTORS] = BYSTANDER;
    }

    // Time and gas price

    function passTime(uint256 seconds_) external {
        uint256 most = seconds_ % 8 == 0 ? 4000 : 120;
        vm.warp(block.timestamp + bounded(seconds_ / 8, 1, most));
    }

    /// To the last second in which the side to move may, or to the first in which it may not.
    function waitForDeadline(uint256 which, bool pass) external {
        if (disputes.length == 0) return;
        uint256 deadline = refute.disputeOf(_active(which)).standing.deadline;
        uint256 time = pass ? deadline : deadline - 1;
        if (time > block.timestamp) vm.warp(time);
    }

    function changeBaseFee(uint256 price) external {
        vm.fee(bounded(price, 0, 300 gwei));
    }

    // Money

    function deposit(uint256 who, uint256 amount) external {
        amount = bounded(amount, 0, 20 ether);
        if (actor(who).balance < amount) vm.deal(actor(who), amount);
        _act("deposit", actor(who), abi.encodeCall(refute.deposit, ()), amount);
    }

    /// Mostly by an account none of whose stake is leaving yet: what is leaving waits again.
    function startWithdrawal(uint256 who, uint256 amount) external {
        (,, uint256 leaving,) = refute.accountOf(actor(who));
        if (leaving > 0 && amount % 8 > 0) return;
        bytes memory call_ = abi.encodeCall(refute.startWithdrawal, (bounded(amount, 0, 40 ether)));
        _act("startWithdrawal", actor(who), call_, 0);
    }

    function withdraw(uint256 who) external {
        _act("withdraw", actor(who), abi.encodeCall(refute.withdraw, ()), 0);
    }

    function collect(uint256 who) external {
        _act("collect", actor(who), abi.encodeCall(refute.collect, ()), 0);
    }

    // Requests and claims

    function request(uint256 who, uint256 fee, uint256 minStake, bool reserved) external {
        if (requests.length >= MOST) return;
        vm.deal(actor(who), actor(who).balance + 1 ether);
        address only = reserved && who % 4 == 0 ? actor(fee) : address(0);
        bytes memory call_ = abi.encodeCall(
            refute.request, (model, interface_, inputs, ANSWER_PERIOD, bounded(minStake, 0, 15 ether), only)
        );
        (bool ok, bytes memory answer) = _act("request", actor(who), call_, bounded(fee, 0, 1 ether));
        check(ok, "a request is taken");
        requests.push(abi.decode(answer, (bytes32)));
    }

    function accept(uint256 who, uint256 which) external {
        if (requests.length == 0) return;
        _act("accept", actor(who), abi.encodeCall(refute.accept, (_request(RequestStatus.Open, which))), 0);
    }

    /// The acceptor claims one of the scripts.
    function claim(uint256 which, uint256 kind) external {
        if (requests.length == 0) return;
        bytes32 id = _request(RequestStatus.Accepted, which);
        kind = kind % scripts.length;
        Script storage script = scripts[kind];
        bytes memory call_ =
            abi.encodeCall(refute.claim, (id, interface_, script.traceRoot, script.outputs, address(0)));
        (bool ok, bytes memory answer) = _act("claim", _executor(id, which), call_, 0);
        if (!ok) return;
        claims.push(abi.decode(answer, (bytes32)));
        _kinds[claims[claims.length - 1]] = kind;
    }

    function cancel(uint256 who, uint256 which) external {
        if (requests.length == 0) return;
        bytes32 id = _pick(requests, which);
        address sender = who % 8 == 0 ? refute.requestOf(id).requester : actor(who);
        _act("cancel", sender, abi.encodeCall(refute.cancel, (id)), 0);
    }

    function lapse(uint256 who, uint256 which) external {
        if (requests.length == 0) return;
        _act("lapse", actor(who), abi.encodeCall(refute.lapse, (_request(RequestStatus.Accepted, which))), 0);
    }

    function finalise(uint256 who, uint256 which) external {
        if (claims.length == 0) return;
        _act("finalise", actor(who), abi.encodeCall(refute.finalise, (_standing(which))), 0);
    }

    // Disputes

    function challenge(uint256 who, uint256 which) external {
        if (claims.length == 0) return;
        bytes32 id = _standing(which);
        (bool ok, bytes memory answer) = _act("challenge", actor(who), abi.encodeCall(refute.challenge, (id, head)), 0);
        if (ok) _keep(abi.decode(answer, (bytes32)), id, actor(who));
    }

    /// The next moves of a dispute, each by the side to move or now and then by another account.
    function move(uint256 who, uint256 which, uint256 moves) external {
        if (disputes.length == 0) return;
        bytes32 id = _active(which);
        for (uint256 i = 0; i <= moves % 10 && _move(who >> i, id); ++i) {}
    }

    /// One move; whether it was taken.
    function _move(uint256 who, bytes32 id) private returns (bool ok) {
        Played storage played = _played[id];
        Script storage script = scripts[played.kind];
        if (script.calls.length == 0) return false;
        bool last = played.made == script.calls.length;
        bytes memory call_ = about(id, last ? script.step : script.calls[played.made]);
        bool picks = last || script.byChallenger[played.made];
        address mover = picks ? played.challenger : refute.requestOf(_requestOf(played.claim)).executor;
        if (who % 16 == 0) mover = actor(who);
        _disjoint(id, mover, call_, last && !script.wins);
        (ok,) = _act(last ? "step" : "move", mover, call_, 0);
        if (!ok) return false;
        check(!last || script.wins, "a step that agrees is refused");
        if (!last) ++played.made;
    }

    function proveOutput(uint256 who, uint256 which) external {
        if (claims.length == 0) return;
        bytes32 id = _standing(which);
        Script storage script = scripts[_kinds[id]];
        if (script.proof.length == 0) return;
        bytes32 dispute = refute.disputeId(id, actor(who));
        (bool ok,) = _act("proveOutput", actor(who), about(id, script.proof), 0);
        if (ok && _played[dispute].challenger == address(0)) _keep(dispute, id, actor(who));
    }

    function expire(uint256 who, uint256 first, uint256 second) external {
        if (disputes.length == 0) return;
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (_active(first), _active(second));
        _act("expire", actor(who), abi.encodeCall(refute.expire, (ids)), 0);
    }

    function settle(uint256 who, uint256 which) external {
        if (disputes.length == 0) return;
        _act("settle", actor(who), abi.encodeCall(refute.settle, (_active(which))), 0);
    }

    // What is checked at every call

    /// INVARIANT: [inv 6] of an active dispute on a standing claim, either the side to move may move or it has lost.
    /// Tried from the same state; `agrees`: the move is a step that proves nothing.
    function _disjoint(bytes32 id, address mover, bytes memory call_, bool agrees) private {
        Dispute memory dispute = refute.disputeOf(id);
        (ClaimStatus claimStatus,) = refute.claimOf(dispute.claim);
        bool runs = dispute.standing.status == DisputeStatus.Active && claimStatus == ClaimStatus.Pending;
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        uint256 state = vm.snapshotState();
        (bool expires,) = _send(address(this), abi.encodeCall(refute.expire, (ids)), 0);
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
        private
        returns (bool ok, bytes memory answer)
    {
        address[] memory all = accounts();
        uint256[] memory before = new uint256[](all.length);
        for (uint256 i = 0; i < all.length; ++i) (before[i],,,) = refute.accountOf(all[i]);
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

    /// Mostly a request of this status, if there is one.
    function _request(RequestStatus status, uint256 which) private view returns (bytes32 id) {
        for (uint256 i = 0; i < requests.length && which % 8 > 0; ++i) {
            id = requests[(which / 8 + i) % requests.length];
            if (refute.requestOf(id).status == status) return id;
        }
        return _pick(requests, which);
    }

    /// Mostly a claim that is neither final nor fallen, if there is one.
    function _standing(uint256 which) private view returns (bytes32 id) {
        for (uint256 i = 0; i < claims.length && which % 8 > 0; ++i) {
            id = claims[(which / 8 + i) % claims.length];
            (ClaimStatus status,) = refute.claimOf(id);
            if (status == ClaimStatus.Pending) return id;
        }
        return _pick(claims, which);
    }

    /// Mostly a dispute that is neither won, lost nor settled, if there is one.
    function _active(uint256 which) private view returns (bytes32 id) {
        for (uint256 i = 0; i < disputes.length && which % 8 > 0; ++i) {
            id = disputes[(which / 8 + i) % disputes.length];
            if (refute.disputeOf(id).standing.status == DisputeStatus.Active) return id;
        }
        return _pick(disputes, which);
    }

    function _pick(bytes32[] storage list, uint256 which) private view returns (bytes32) {
        // mostly one of the latest, about which there is still something to do
        uint256 recent = list.length < 3 ? list.length : 3;
        return which % 4 == 0 ? list[which / 4 % list.length] : list[list.length - 1 - which / 4 % recent];
    }

    function _keep(bytes32 dispute, bytes32 id, address challenger) private {
        disputes.push(dispute);
        _played[dispute] = Played(_kinds[id], 0, id, challenger);
    }

    /// The acceptor of a request, or anybody if there is none.
    function _executor(bytes32 id, uint256 seed) private view returns (address) {
        Request memory held = refute.requestOf(id);
        return held.executor == address(0) ? actor(seed) : held.executor;
    }

    function _requestOf(bytes32 id) private view returns (bytes32) {
        (, Claim memory held) = refute.claimOf(id);
        return held.request;
    }
}
