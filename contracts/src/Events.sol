// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Everything an agent or a page needs to follow requests, claims and disputes.
interface Events {
    event ModelRegistered(bytes32 indexed model, address indexed publisher, bytes head, bytes interface_, string uri);
    event UriAdded(bytes32 indexed model, address indexed publisher, string uri);

    event Deposited(address indexed account, uint256 amount);
    event WithdrawalStarted(address indexed account, uint256 amount, uint64 due);
    event Withdrawn(address indexed account, uint256 amount);
    event Credited(address indexed account, uint256 amount);
    event Collected(address indexed account, uint256 amount);
    /// `amount` left the account's stake; `burned` of it is gone for good.
    event Slashed(address indexed account, uint256 amount, uint256 burned);

    event Requested(
        bytes32 indexed request,
        bytes32 indexed model,
        address indexed requester,
        uint256 fee,
        uint32 answerPeriod,
        uint256 minStake,
        address only,
        bytes[] inputs
    );
    event Accepted(bytes32 indexed request, address indexed executor, uint256 stake, uint64 deadline);
    event Lapsed(bytes32 indexed request, address indexed executor);
    event Reopened(bytes32 indexed request);
    event Cancelled(bytes32 indexed request);

    event Claimed(
        bytes32 indexed claim,
        bytes32 indexed request,
        address indexed executor,
        address delegate,
        bytes32 traceRoot,
        bytes32[] nodes,
        bytes[] outputs,
        uint64 windowEnd
    );
    event Finalised(bytes32 indexed claim, bytes32 indexed request);
    event Fallen(bytes32 indexed claim, bytes32 indexed request, bytes32 dispute, address challenger);

    /// The position is the first one of a program of `layers` under `layersRoot`, with the claim's commitments.
    event Challenged(
        bytes32 indexed dispute,
        bytes32 indexed claim,
        address indexed challenger,
        uint32 layers,
        bytes32 layersRoot,
        bytes32 traceRoot,
        bytes32 inputs,
        uint64 deadline
    );
    /// `changes`: how the position changed, see `Positions.changes`. `opened`: what was put on the table to pick from
    /// (packed nodes, packed roots, the chunk, values), empty for picks; the position's field of that name is its
    /// keccak, or 0 (where nothing is opened, and for roots, which are bound by `tensorsRoot`).
    event Moved(bytes32 indexed dispute, address mover, uint64 deadline, bytes changes, bytes opened);
    event Resolved(bytes32 indexed dispute, bytes32 indexed claim, bool challengerWon, uint8 reason);
    event Settled(bytes32 indexed dispute, address indexed challenger, uint256 paid);
}
