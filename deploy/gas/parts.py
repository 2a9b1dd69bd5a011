"""What the gas of a transaction is paid for: calldata, storage, hashing and so on, from its instructions on anvil."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.fees import TRANSACTION_GAS
from deploy.gas.games import Sent, calldata_gas
from prover.errors import RefuteError
from prover.game.moves import Move, Opening, PickTerms, RefuteChunk, RefuteFactor, RefuteNodes, Step

CLASSES = {
    "storage": {"SLOAD", "SSTORE", "TLOAD", "TSTORE"},
    "keccak": {"KECCAK256", "SHA3"},
    "logs": {"LOG0", "LOG1", "LOG2", "LOG3", "LOG4"},
    "calls": {"CALL", "STATICCALL", "DELEGATECALL"},
    "memory": {
        *("MLOAD", "MSTORE", "MSTORE8", "MCOPY", "CALLDATALOAD", "CALLDATACOPY", "RETURNDATACOPY", "CODECOPY"),
        *("RETURN", "REVERT"),
    },
}
"""Instructions by what they are for; all others are arithmetic, stack and jumps."""
NEW_SLOT = 20_000
"""Gas of a storage slot that was zero, warm (EIP-2929)."""
MOST_REFUNDED = 5
"""A fifth of the gas at most (EIP-3529)."""
FLOOR = 10
"""Gas per token of calldata, of which a zero byte is one and another byte is four (EIP-7623)."""
BLOCK = 64


def parts(sent: Sent, instructions: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Gas by class, summing to the receipt's (refunds are below zero); `new slots` and `bytes` are counts besides.

    Raises:
        RefuteError: neither a refund nor the floor of calldata makes up for what is missing.
    """
    found = Counter(transaction=TRANSACTION_GAS, calldata=calldata_gas(sent.data))
    new_slots = 0
    for entry, cost in zip(instructions, own_costs(instructions), strict=True):
        found[_class(entry["op"])] += cost
        new_slots += entry["op"] == "SSTORE" and cost >= NEW_SLOT
    missing = sent.gas - sum(found.values())
    if (missing > 0 and sent.gas != floor(sent.data)) or missing < -(sum(found.values()) // MOST_REFUNDED):
        raise RefuteError(
            f"{sent.function}: its receipt says {sent.gas:,}, {missing:+,} from what its instructions cost"
        )
    found["refunds" if missing <= 0 else "calldata"] += missing
    found["new slots"], found["bytes"] = new_slots, len(sent.data)
    return found


def floor(data: bytes) -> int:
    """The least that a transaction with this calldata pays (EIP-7623)."""
    return TRANSACTION_GAS + FLOOR * calldata_gas(data) // 4


def own_costs(instructions: Sequence[Mapping[str, Any]]) -> list[int]:
    """What each instruction costs without what it calls: the gas until the next one of its frame, less the calls'."""
    costs = [0] * len(instructions)
    left: list[int | None] = [None] * 1026
    """By depth, the gas at the next instruction of the frame; None behind its last one."""
    called = [0] * 1026
    """By depth, the cost of the frame as far as it has been walked back."""
    for i in range(len(instructions) - 1, -1, -1):
        depth, gas = instructions[i]["depth"], instructions[i]["gas"]
        after, below = left[depth], called[depth + 1]
        costs[i] = instructions[i]["gasCost"] if after is None else gas - after - below
        left[depth], left[depth + 1] = gas, None
        called[depth], called[depth + 1] = called[depth] + costs[i] + below, 0
    return costs


def _class(instruction: str) -> str:
    return next((name for name, members in CLASSES.items() if instruction in members), "arithmetic")


def blocks(move: Move) -> int:
    """BLAKE3 compressions that the contract makes for a move: of chunks by their blocks, and of parents."""
    match move:
        case RefuteNodes(nodes):
            return len(nodes) - 1
        case RefuteChunk(chunk):
            return -(-len(chunk) // BLOCK)
        case PickTerms(_, _, _, shown):
            return max(len(shown) - 1, 0)
        case Step(_, openings) | RefuteFactor(_, _, _, openings):
            return sum(map(_blocks_of, openings))
    return 0


def _blocks_of(opening: Opening) -> int:
    """Inputs are under keccak."""
    return 0 if opening.posted else -(-len(opening.chunk) // BLOCK) + len(opening.chunk_path)
