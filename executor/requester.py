"""The other side of the counter: asks for an inference, reads the answer from the chain, takes a request back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from eth_utils.address import is_address, to_checksum_address

from contracts import calls
from contracts.amounts import format_amount
from contracts.client import Client
from contracts.errors import WrongSetup
from contracts.moments import moment
from contracts.observer import Observer
from contracts.shelf import Shelf
from contracts.snapshot import ClaimStatus, ClaimView, RequestStatus, RequestView, Snapshot
from prover import posted
from prover.errors import RefuteError
from prover.input_files import read_inputs
from prover.quantisation import Quantisation
from prover.trace import NUMPY_DTYPES

_ID = re.compile(r"(0x)?[0-9a-fA-F]{64}")


_WITHOUT_ANSWER = {
    RequestStatus.OPEN: "no executor has accepted it; start one that has the model, or ask again for a higher fee",
    RequestStatus.ACCEPTED: "its executor still has time; look again later",
    RequestStatus.ENDED: "it was cancelled; ask again",
}


class NoAnswer(RefuteError):
    """There is no result to read, yet or ever."""


def ask(
    client: Client,
    shelf: Shelf,
    model: str,
    given: Sequence[str | Path],
    fee: int,
    answer_period: int,
    min_stake: int = 0,
    only: str | None = None,
) -> bytes:
    """Post a request; its id. `fee` and `min_stake` in wei, `answer_period` in seconds."""
    if only is not None and not is_address(only):
        raise WrongSetup(f"--only: {only!r} is not an address; one has 0x and 40 hexadecimal digits")
    held = shelf.get(shelf.resolve(model))
    inputs = read_inputs(held, given)
    allowed = to_checksum_address(only) if only is not None else calls.NOBODY
    call = calls.request_run(held.program, inputs, fee, answer_period, min_stake, allowed)
    request: bytes = client.transact(call).event("Requested").arguments["request"]
    return request


def request_id(text: str) -> bytes:
    """A request's id as a person gives it."""
    if not _ID.fullmatch(text):
        raise WrongSetup(f"{text!r} is not a request's id; one has 64 hexadecimal digits")
    return bytes.fromhex(text.removeprefix("0x"))


def _request(snapshot: Snapshot, id: bytes) -> RequestView:
    if id not in snapshot.requests:
        raise WrongSetup(f"there is no request 0x{id.hex()} on this chain; `executor request` prints the ids")
    return snapshot.requests[id]


def read(client: Client, shelf: Shelf, text: str) -> Iterator[str]:
    """What the chain says of a request, in lines for a person.

    NoAnswer if nobody has answered it; WrongSetup if there is no such request, or if the outputs that the node's log
    shows are not what the contract has committed to.
    """
    id = request_id(text)
    snapshot = Observer(client).observe()
    request = _request(snapshot, id)
    yield f"request 0x{id.hex()}: {request.status.value}, fee {format_amount(request.fee)}"
    if request.status is RequestStatus.ACCEPTED:
        yield f"accepted by {request.executor}, to be answered before {moment(request.deadline, snapshot.timestamp)}"
    if request.claim is None:
        raise NoAnswer(f"request 0x{id.hex()} has no answer: {_WITHOUT_ANSWER[request.status]}")
    claim = snapshot.claims[request.claim]
    if posted.commitment(claim.outputs) != client.view("resultOf", id)[1]:
        raise WrongSetup("the outputs in this node's log do not hash to the contract's commitment; ask another node")
    yield f"claim 0x{claim.id.hex()} by {claim.executor}"
    if claim.status is ClaimStatus.PENDING:
        yield _not_final(claim, snapshot)
    yield from _outputs(shelf, request.model, claim.outputs)


def _not_final(claim: ClaimView, snapshot: Snapshot) -> str:
    running = sum(d.claim == claim.id for d in snapshot.running_disputes())
    disputes = f"{running} dispute{'' if running == 1 else 's'} running" if running else "no dispute running"
    if snapshot.timestamp < claim.window_end:
        return f"not final: may be disputed until {moment(claim.window_end, snapshot.timestamp)}; {disputes}"
    return f"not final yet, though its window is over: {disputes if running else 'its executor is to finalise it'}"


def _outputs(shelf: Shelf, model: bytes, outputs: Sequence[bytes]) -> Iterator[str]:
    """The outputs as numbers, as far as the model's folder says what they mean."""
    if not shelf.holds(model):
        yield from (f"output {number}: 0x{data.hex()}" for number, data in enumerate(outputs))
        return
    held = shelf.get(model)
    forms = held.report.get("outputs", ())
    for number, (data, spec) in enumerate(zip(outputs, held.program.outputs, strict=True)):
        array = np.frombuffer(data, NUMPY_DTYPES[spec.dtype])
        shown = f"output {number}: {' '.join(map(str, array))}"
        if number < len(forms):
            reals = Quantisation.from_dict(forms[number]).dequantise(array)
            shown += f"\n  as reals: {' '.join(f'{x:.4g}' for x in reals)}"
        yield f"{shown}\n  largest: number {int(array.argmax())}"


def cancel(client: Client, text: str) -> str:
    """Cancel a request; what became of it."""
    id = request_id(text)
    client.transact(calls.cancel(id))
    request = _request(Observer(client).observe(), id)
    if request.status is RequestStatus.ENDED:
        return f"cancelled; {format_amount(request.fee)} credited to {client.address}"
    return "cancelled; whoever has accepted it may still answer, otherwise the fee is credited"
