// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Party} from "../src/Disputes.sol";
import {RequestStatus} from "../src/Requests.sol";
import {Actors, Played} from "./Actors.sol";
import {Script} from "./Stage.sol";

/// Several accounts that do anything the contract lets them do, in any order and at any time. Every call is made from
/// one account, and checked: it may lower nobody else's free stake, and is refused, if it is, by a named error.
contract Handler is Actors {
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
        uint256 most = amount % 16 == 1 ? 150 ether : 40 ether; // more than there is, or less
        bytes memory call_ = abi.encodeCall(refute.startWithdrawal, (bounded(amount, 0, most)));
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
            abi.encodeCall(refute.claim, (id, head, interface_, script.nodes, script.outputs, address(0)));
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
        bytes memory call_ = abi.encodeCall(refute.challenge, (id, head, scripts[_kinds[id]].traceRoot));
        (bool ok, bytes memory answer) = _act("challenge", actor(who), call_, 0);
        if (ok) _keep(abi.decode(answer, (bytes32)), id, actor(who));
    }

    /// The trace is opened and picked from at once: the first two moves of the script are made.
    function challengeAt(uint256 who, uint256 which) external {
        if (claims.length == 0) return;
        bytes32 id = _standing(which);
        Script storage script = scripts[_kinds[id]];
        if (script.calls.length == 0) return;
        bytes memory call_ = abi.encodeCall(refute.challengeAt, (id, head, script.nodes, firstPick(_kinds[id])));
        (bool ok, bytes memory answer) = _act("challengeAt", actor(who), call_, 0);
        if (!ok) return;
        bytes32 dispute = abi.decode(answer, (bytes32));
        _keep(dispute, id, actor(who));
        _played[dispute].made = 2;
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
        bytes memory call_ = last ? script.last : script.calls[played.made];
        call_ = inDispute(played.kind, played.claim, played.challenger, call_);
        bool picks = last || script.byChallenger[played.made];
        address mover = picks ? played.challenger : refute.requestOf(_requestOf(played.claim)).executor;
        if (who % 16 == 0) mover = actor(who);
        _disjoint(id, mover, call_, last && !script.wins);
        (ok,) = _act(last ? "last" : "move", mover, call_, 0);
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
        Party[] memory parties = new Party[](2);
        (parties[0], parties[1]) = (partyOf(_active(first)), partyOf(_active(second)));
        _act("expire", actor(who), abi.encodeCall(refute.expire, (parties)), 0);
    }

    function settle(uint256 who, uint256 which) external {
        if (disputes.length == 0) return;
        Party memory party = partyOf(_active(which));
        _act("settle", actor(who), abi.encodeCall(refute.settle, (party.claim, party.challenger)), 0);
    }
}
