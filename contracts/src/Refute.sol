// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Commitments} from "./Commitments.sol";
import {Configured, Parameters} from "./Parameters.sol";
import {Proofs} from "./Proofs.sol";
import {Referee} from "./Referee.sol";
import {Walk} from "./Walk.sol";

/// Optimistic inference with fraud proofs: the one contract that holds state and money.
///
/// One story per file, each built on the one before: parameters, stakes, models, requests, claims, disputes,
/// turns, moves, proofs. What a move means is in `Walk`, `Referee` and `Commitments`. The protocol is described in
/// docs/protocol.md; comments marked INVARIANT cite the numbers of its section 11. There is no owner and nothing can be
/// upgraded [inv 13].
contract Refute is Proofs {
    constructor(Parameters memory chosen, Walk walk_, Referee referee_, Commitments commitments_)
        Configured(chosen)
        Proofs(walk_, referee_, commitments_)
    {}
}
