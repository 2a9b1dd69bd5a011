"""Every transaction of the protocol as a value: function, arguments, money sent, and the gas it may need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prover import encoding, posted
from prover.blake3_tree import ChunkTree, chunk_bytes
from prover.game.moves import (
    Move,
    OpenChunk,
    Opening,
    OpenLayer,
    OpenTensor,
    OpenTerms,
    OpenTrace,
    PickElement,
    PickOperator,
    PickTensor,
    PickTerms,
    PickTrace,
    RefuteChunk,
    RefuteFactor,
    RefuteNodes,
    RefuteProgram,
    Step,
)
from prover.game.operand_source import open_checkpoint
from prover.game.position import Ground, Party, Position
from prover.merkle import path
from prover.program import Program
from prover.trace import Array, Execution, tensor_bytes

NOBODY = "0x" + "00" * 20

GAS_CAP = 16_777_216
"""Most gas of one transaction (EIP-7825)."""
CALLDATA_CAP = (128 << 10) - 512
"""Most bytes of calldata that node pools take: a transaction of 128 KiB, without its envelope."""


@dataclass(frozen=True)
class Call:
    """One transaction to the contract.

    Attributes:
        gas: what its execution may need besides its calldata.
        simulated: whether it is tried before it is sent. Moves are not: they are made by the rules, and computing
            them twice costs time in a dispute.
        alone: whether it waits until no earlier transaction of the account is on its way.
    """

    function: str
    arguments: tuple[Any, ...]
    value: int = 0
    gas: int = 400_000
    simulated: bool = True
    alone: bool = False


# Money


def deposit(amount: int) -> Call:
    """Alone: an earlier one may be on its way, and the account must not pay twice."""
    return Call("deposit", (), amount, alone=True)


def start_withdrawal(amount: int) -> Call:
    return Call("startWithdrawal", (amount,))


def withdraw() -> Call:
    return Call("withdraw", ())


def collect() -> Call:
    return Call("collect", ())


# Models, requests and claims


def register_model(program: Program, uri: str) -> Call:
    arguments = encoding.encode_head(program), encoding.encode_interface(program), uri
    return Call("registerModel", arguments, gas=1_000_000)


def add_uri(model: bytes, uri: str) -> Call:
    return Call("addUri", (model, uri))


def request(
    model: bytes,
    interface: bytes,
    inputs: Sequence[bytes],
    fee: int,
    answer_period: int,
    min_stake: int = 0,
    only: str = NOBODY,
) -> Call:
    arguments = model, interface, list(inputs), answer_period, min_stake, only
    return Call("request", arguments, fee, _gas_of_tensors(inputs))


def request_run(
    program: Program,
    inputs: Sequence[Array],
    fee: int,
    answer_period: int,
    min_stake: int = 0,
    only: str = NOBODY,
) -> Call:
    """A request for a program's outputs on these inputs, which have its dtypes and shapes."""
    model, interface = bytes(encoding.model_id(program)), encoding.encode_interface(program)
    return request(model, interface, [tensor_bytes(array) for array in inputs], fee, answer_period, min_stake, only)


def cancel(request_id: bytes) -> Call:
    return Call("cancel", (request_id,))


def accept(request_id: bytes) -> Call:
    return Call("accept", (request_id,))


def lapse(request_id: bytes) -> Call:
    return Call("lapse", (request_id,))


def claim(
    request_id: bytes,
    head: bytes,
    interface: bytes,
    nodes: Sequence[bytes],
    outputs: Sequence[bytes],
    delegate: str = NOBODY,
) -> Call:
    """`nodes` are those of the execution's trace."""
    arguments = request_id, head, interface, list(nodes), list(outputs), delegate
    return Call("claim", arguments, gas=_gas_of_tensors(outputs))


def claim_execution(request_id: bytes, execution: Execution, delegate: str = NOBODY) -> Call:
    """The claim of an execution's outputs and trace."""
    program, outputs = execution.program, [tensor_bytes(output) for output in execution.outputs]
    head, interface = encoding.encode_head(program), encoding.encode_interface(program)
    return claim(request_id, head, interface, execution.trace.nodes, outputs, delegate)


def finalise(claim_id: bytes) -> Call:
    return Call("finalise", (claim_id,))


def _gas_of_tensors(tensors: Sequence[bytes]) -> int:
    """Copying, hashing and logging posted tensors."""
    return 800_000 + 40 * sum(map(len, tensors))


# Disputes


def challenge(claim_id: bytes, program: Program, trace_root: bytes) -> Call:
    """`trace_root` is the claim's own, from its log."""
    return Call("challenge", (claim_id, encoding.encode_head(program), trace_root), gas=600_000)


def challenge_at(claim_id: bytes, program: Program, nodes: Sequence[bytes], child: int) -> Call:
    """A challenge that picks one of the claim's nodes at once."""
    return Call("challengeAt", (claim_id, encoding.encode_head(program), list(nodes), child), gas=600_000)


def expire(disputes: Sequence[Party]) -> Call:
    return Call("expire", (list(disputes),), gas=300_000 + 200_000 * len(disputes))


def settle(dispute: Party) -> Call:
    return Call("settle", (dispute.claim, dispute.challenger))


def prove_output(claim_id: bytes, execution: Execution, outputs: Sequence[bytes], number: int, chunk: int) -> Call:
    """Chunk `chunk` of posted output `number` beside the committed checkpoint's, whose trace root `execution` has."""
    program = execution.program
    leaves = posted.chunk_leaves(outputs[number])
    listed = posted.posted(outputs)
    shown = Opening(chunk_bytes(outputs[number], chunk), tuple(path(leaves, chunk)), posted=listed)
    source = program.outputs[number].source
    data = tensor_bytes(execution.trace.checkpoints[source.layer][source.slot])
    root, root_path = open_checkpoint(execution, source.layer, source.slot)
    committed = Opening(chunk_bytes(data, chunk), tuple(ChunkTree(data).path(chunk)), root, root_path)
    head, interface = encoding.encode_head(program), encoding.encode_interface(program)
    arguments = claim_id, head, interface, number, chunk, opening_words(shown), opening_words(committed)
    return Call("proveOutput", arguments, gas=3_000_000)


def opening_words(opening: Opening) -> tuple[Any, ...]:
    """An opening as the contract takes it."""
    return opening.chunk, list(opening.chunk_path), opening.root, list(opening.root_path), opening.posted


def answer(dispute: bytes, position: Position, move: Move, signature: bytes = b"") -> Call:
    """The call that answers `position` with `move`; `signature` when another than the executor sends its opening."""
    function, arguments, gas = _move(position.ground, move, signature)
    return Call(function, (dispute, position.words(), *arguments), gas=gas, simulated=isinstance(move, RefuteProgram))


def _move(ground: Ground, move: Move, signature: bytes) -> tuple[str, tuple[Any, ...], int]:
    match move:
        case OpenTrace(nodes):
            return "openTrace", (list(nodes),), 500_000
        case PickTrace(nodes, child):
            return "pickTrace", (list(nodes), child), 500_000
        case OpenLayer(record, siblings, roots, only):
            layer = record, list(siblings), list(roots), only
            return "openLayer", (ground.words(), layer, signature), 1_500_000
        case PickOperator(root, root_path, operator, record, siblings):
            return "pickOperator", (root, list(root_path), operator, record, list(siblings)), 1_500_000
        case OpenTensor(nodes):
            return "openTensor", (list(nodes), signature), 1_000_000
        case PickTensor(nodes, child):
            return "pickTensor", (list(nodes), child), 500_000
        case OpenChunk(chunk):
            return "openChunk", (chunk, signature), 1_000_000
        case PickElement(record, chunk, item):
            return "pickElement", (record, chunk, item), 1_000_000
        case OpenTerms(record, values):
            return "openTerms", (record, values, signature), 1_000_000
        case PickTerms(record, values, choice, shown):
            return "pickTerms", (record, values, choice, list(shown)), 1_000_000
        case Step(record, operands):
            return "step", (ground.words(), record, [opening_words(o) for o in operands]), 4_000_000
        case RefuteProgram(operator, record, siblings):
            return "refuteProgram", (operator, record, list(siblings)), 2_000_000
        case RefuteNodes(nodes):
            return "refuteNodes", (list(nodes),), 2_000_000
        case RefuteChunk(chunk):
            return "refuteChunk", (chunk,), 1_000_000
        case RefuteFactor(record, values, number, operand):
            opened = [opening_words(o) for o in operand]
            return "refuteFactor", (ground.words(), record, values, number, opened), 2_000_000
