// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Moves} from "./Moves.sol";
import {Configured, Parameters} from "./Parameters.sol";
import {Referee} from "./Referee.sol";
import {Walk} from "./Walk.sol";

/// Optimistic inference with fraud proofs: the one contract that holds state and money.
///
/// One story per file, each built on the one before: parameters, stakes, models, requests, claims, disputes, moves.
/// What a move means is in `Walk` and `Referee`. The protocol is described in docs/protocol.md; comments marked
/// INVARIANT cite the numbers of its section 11. There is no owner and nothing can be upgraded [inv 13].
contract Refute is Moves {
    constructor(Parameters memory chosen, Walk walk_, Referee referee_) Configured(chosen) Moves(walk_, referee_) {}
}
