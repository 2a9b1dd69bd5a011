// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim} from "../src/Claims.sol";
import {Parameters} from "../src/Parameters.sol";
import {Ground} from "../src/Positions.sol";
import {Refute} from "../src/Refute.sol";
import {Test} from "./Test.sol";

/// A claim of the golden games: what is posted, and the calldata of a dispute about it. `inDispute` and `about` fill in
/// what depends on the chain. `last` is the move that wins, or agrees.
struct Script {
    bytes[] calls;
    bool[] byChallenger;
    bytes last;
    bytes32[] nodes;
    bytes[] outputs;
    bytes proof;
    bytes32 traceRoot;
    bool wins;
}

/// The contract as it is deployed, with the model of the golden games registered.
abstract contract Stage is Test {
    struct MoveVector {
        bytes call;
        bool challenger;
    }

    struct ClaimVector {
        bytes last;
        MoveVector[] moves;
        bytes32[] nodes;
        bytes[] outputs;
        bytes proof;
        bytes32 traceRoot;
        bool wins;
    }

    uint256 internal constant HONEST = 0;
    uint256 internal constant FALSE_TENSOR = 1;
    uint256 internal constant FALSE_TERMS = 2;
    uint256 internal constant FALSE_NODES = 3;
    uint256 internal constant FALSE_CHUNK = 4;
    uint256 internal constant FALSE_OUTPUT = 5;

    uint32 internal constant ANSWER_PERIOD = 600;
    uint256 internal constant FEE = 0.1 ether;

    Refute internal refute;
    Script[] internal scripts;
    bytes internal head;
    bytes internal interface_;
    bytes[] internal inputs;
    bytes32 internal model;

    function parameters() internal pure returns (Parameters memory p) {
        p.window = 3600;
        p.clock = 1200;
        p.moveTime = 60;
        p.layerTime = 300;
        p.withdrawalDelay = 7200;
        p.executorStake = 10 ether;
        p.challengerBond = 1 ether;
        p.acceptanceBond = 1 ether;
        p.peakGasPrice = 100 gwei;
        p.burnShare = 5000;
    }

    function setTheStage() internal {
        vm.warp(1_700_000_000);
        address commitments = deployed("Commitments", "");
        address walk = deployed("Walk", abi.encode(commitments));
        address referee = deployed("Referee", "");
        refute = Refute(deployed("Refute", abi.encode(parameters(), walk, referee, commitments)));
        string memory json = vectors("games.json");
        head = vm.parseJsonBytes(json, ".head");
        interface_ = vm.parseJsonBytes(json, ".interface");
        inputs = vm.parseJsonBytesArray(json, ".inputs");
        model = vm.parseJsonBytes32(json, ".model");
        equal(refute.registerModel(head, interface_, ""), model, "model id");
        string memory type_ = string.concat(
            "ClaimVector(bytes last,MoveVector[] moves,bytes32[] nodes,bytes[] outputs,bytes proof,",
            "bytes32 traceRoot,bool wins)MoveVector(bytes call,bool challenger)"
        );
        ClaimVector[] memory all = abi.decode(vm.parseJsonTypeArray(json, ".claims", type_), (ClaimVector[]));
        for (uint256 i = 0; i < all.length; ++i) {
            Script storage script = scripts.push();
            for (uint256 j = 0; j < all[i].moves.length; ++j) {
                script.calls.push(all[i].moves[j].call);
                script.byChallenger.push(all[i].moves[j].challenger);
            }
            for (uint256 j = 0; j < all[i].outputs.length; ++j) {
                script.outputs.push(all[i].outputs[j]);
            }
            (script.last, script.nodes, script.proof) = (all[i].last, all[i].nodes, all[i].proof);
            (script.traceRoot, script.wins) = (all[i].traceRoot, all[i].wins);
        }
    }

    /// A script's proof with its claim filled in.
    function about(bytes32 claim, bytes memory data_) internal pure returns (bytes memory) {
        assembly ("memory-safe") {
            mstore(add(data_, 36), claim)
        }
        return data_;
    }

    /// A move of script `kind` with its dispute filled in, and in its position the claim and the ground, whose
    /// challenger comes behind the eight words of the position where the ground is carried.
    function inDispute(uint256 kind, bytes32 claim, address challenger, bytes memory data_)
        internal
        view
        returns (bytes memory)
    {
        bytes32 dispute = refute.disputeId(claim, challenger);
        bytes32 ground = keccak256(abi.encode(groundOf(kind, claim, challenger)));
        bytes4 move = bytes4(data_);
        bool carried = move == refute.openLayer.selector || move == refute.step.selector;
        assembly ("memory-safe") {
            mstore(add(data_, 36), dispute)
            mstore(add(data_, 68), claim)
            mstore(add(data_, 100), ground)
            if carried { mstore(add(data_, 324), challenger) }
        }
        return data_;
    }

    function groundOf(uint256 kind, bytes32 claim, address challenger) internal view returns (Ground memory ground) {
        (, Claim memory held) = refute.claimOf(claim);
        bytes memory record = head;
        ground.challenger = challenger;
        assembly ("memory-safe") {
            mstore(add(ground, 32), shr(224, mload(add(record, 34))))
            mstore(add(ground, 64), mload(add(record, 74)))
        }
        (ground.traceRoot, ground.inputs) = (scripts[kind].traceRoot, refute.requestOf(held.request).inputs);
    }

    /// The child that the second move of a script, which picks from the trace, picks: behind the selector, the
    /// dispute, the position and where the nodes lie.
    function firstPick(uint256 kind) internal view returns (uint256 child) {
        bytes memory call_ = scripts[kind].calls[1];
        assembly ("memory-safe") {
            child := mload(add(call_, 356))
        }
    }
}
