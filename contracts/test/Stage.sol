// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Parameters} from "../src/Parameters.sol";
import {Refute} from "../src/Refute.sol";
import {Test} from "./Test.sol";

/// A claim of the golden games: what is posted, and the calldata of a dispute about it. The first word of each call's
/// arguments, the dispute or the claim, is to be filled in.
struct Script {
    bytes[] calls;
    bool[] byChallenger;
    bytes[] outputs;
    bytes proof;
    bytes step;
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
        MoveVector[] moves;
        bytes[] outputs;
        bytes proof;
        bytes step;
        bytes32 traceRoot;
        bool wins;
    }

    uint256 internal constant HONEST = 0;
    uint256 internal constant FALSE_TENSOR = 1;
    uint256 internal constant FALSE_TERMS = 2;
    uint256 internal constant FALSE_OUTPUT = 3;

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
        address walk = deployed("Walk", "");
        address referee = deployed("Referee", "");
        refute = Refute(deployed("Refute", abi.encode(parameters(), walk, referee)));
        string memory json = vectors("games.json");
        head = vm.parseJsonBytes(json, ".head");
        interface_ = vm.parseJsonBytes(json, ".interface");
        inputs = vm.parseJsonBytesArray(json, ".inputs");
        model = vm.parseJsonBytes32(json, ".model");
        equal(refute.registerModel(head, interface_, ""), model, "model id");
        string memory type_ = string.concat(
            "ClaimVector(MoveVector[] moves,bytes[] outputs,bytes proof,bytes step,bytes32 traceRoot,bool wins)",
            "MoveVector(bytes call,bool challenger)"
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
            (script.proof, script.step) = (all[i].proof, all[i].step);
            (script.traceRoot, script.wins) = (all[i].traceRoot, all[i].wins);
        }
    }

    /// A call of a script with its dispute or claim filled in.
    function about(bytes32 id, bytes memory data_) internal pure returns (bytes memory) {
        assembly ("memory-safe") {
            mstore(add(data_, 36), id)
        }
        return data_;
    }
}
