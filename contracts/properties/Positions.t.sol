// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ground, Position, Positions} from "../src/Positions.sol";
import {Property} from "./Property.sol";

/// A position's eight words and their hash stand for it and for no other [inv 12].
contract PositionsProperties is Property {
    uint256 private constant OPENED = 5;

    function check_a_position_comes_back_from_its_words(Position memory p) external view {
        Position memory q = this.read(Positions.pack(p));
        assert(keccak256(abi.encode(p)) == keccak256(abi.encode(q)));
        assert(Positions.phaseOf(Positions.pack(p)) == p.phase);
    }

    function check_positions_that_differ_have_other_hashes(Position memory p, Position memory q) external pure {
        vm.assume(Positions.hash(Positions.pack(p)) == Positions.hash(Positions.pack(q)));
        assert(p.claim == q.claim && p.ground == q.ground && p.phase == q.phase && p.operators == q.operators);
        assert(p.operator == q.operator && p.layer == q.layer && p.start == q.start && p.count == q.count);
        assert(p.length == q.length && p.element == q.element && p.value == q.value && p.index == q.index);
        assert(p.node == q.node && p.opened == q.opened);
        assert(p.records == q.records && p.tensorsRoot == q.tensorsRoot);
    }

    function check_grounds_that_differ_have_other_hashes(Ground memory g, Ground memory h) external pure {
        assert(Positions.hash(g) == keccak256(abi.encode(g)));
        vm.assume(Positions.hash(g) == Positions.hash(h));
        assert(g.challenger == h.challenger && g.layers == h.layers && g.layersRoot == h.layersRoot);
        assert(g.traceRoot == h.traceRoot && g.inputs == h.inputs);
    }

    function check_the_hash_from_calldata_is_that_from_memory(bytes32[8] calldata words) external pure {
        bytes32[8] memory copied = words;
        assert(Positions.hashCalldata(words) == Positions.hash(copied));
        assert(Positions.hash(copied) == keccak256(abi.encode(words)));
    }

    /// Whoever reads the event of a move finds the position after it.
    function check_the_changes_lead_to_the_next_position(bytes32[8] calldata before, bytes32[8] calldata next)
        external
        pure
    {
        bytes memory list = Positions.changes(before, next);
        uint256 place = 1;
        for (uint256 i = 0; i < 8; ++i) {
            bytes32 word = before[i];
            if (uint8(list[0]) >> i & 1 == 1) {
                assembly ("memory-safe") {
                    word := mload(add(add(list, 32), place))
                }
                place += 32;
            }
            assert(i == OPENED || word == next[i]);
        }
        assert(place == list.length);
    }

    function read(bytes32[8] calldata words) external pure returns (Position memory) {
        return Positions.read(words);
    }
}
