"""What a watcher thinks of a claim: agrees, refuted, or unknown (protocol, section 10).

It is the likeliest of all to be wrong itself, so before it calls a claim refuted a second backend must reproduce
its own run and the scalar specification must confirm an element of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from contracts.shelf import CannotRun, Run, input_arrays, running
from contracts.snapshot import ClaimView, RequestView
from prover import operators
from prover.blake3_tree import CHUNK
from prover.errors import InvalidInput, RefuteError
from prover.interpreter import reader
from prover.model_folder import Model
from prover.program import TensorRoot, View, WeightRef
from prover.trace import Array, Execution


class WatcherAtFault(RefuteError):
    """Two ways of computing the same thing disagree on this machine: nothing may be challenged from it."""


@dataclass(frozen=True)
class Agrees:
    """Trace root and outputs are those of the watcher's own run."""

    execution: Execution | None = field(default=None, compare=False, repr=False)
    """The run, for whoever defends the claim."""


@dataclass(frozen=True)
class Unknown:
    """The watcher cannot tell, and says why. It does not challenge."""

    reason: str
    model_missing: bool = False
    """It can tell once it has the model."""
    later: bool = False
    """It may be able to tell later: the machine was short of something."""


@dataclass(frozen=True)
class Seam:
    """Where the posted output differs from the checkpoint that the claim itself commits to."""

    output: int
    chunk: int


@dataclass(frozen=True)
class Refuted:
    """The claim is wrong. With a `seam`, one transaction proves it; otherwise the dispute walks the trace."""

    execution: Execution
    seam: Seam | None = None


Verdict = Agrees | Unknown | Refuted


Judge = Callable[[ClaimView, RequestView, Model], Verdict]
"""Adversaries are honest watchers with another one of these."""


@dataclass(frozen=True)
class TwoBackends:
    """The honest judge: runs the model, and once more with a second backend if the claim differs."""

    run: Run
    again: Run

    def __call__(self, claim: ClaimView, request: RequestView, model: Model) -> Verdict:
        """The verdict; WatcherAtFault if the ways of computing it do not agree with each other."""
        try:
            with running(bytes(model.id)):
                return _judge(claim, request, model, self.run, self.again)
        except InvalidInput as error:
            return Unknown(f"the request's input is not the model's: {error}")
        except CannotRun as error:
            return Unknown(str(error), later=True)


def _judge(claim: ClaimView, request: RequestView, model: Model, run: Run, again: Run) -> Verdict:
    inputs = input_arrays(model.program, request.inputs)
    execution = run(model, inputs)
    posted = _first_difference(execution, claim)
    if execution.trace.root == claim.trace_root and posted is None:
        return Agrees(execution)
    second = again(model, inputs)
    if second.trace.root != execution.trace.root:
        raise WatcherAtFault(
            f"two backends disagree on model {model.id.hex()}: trace roots {execution.trace.root.hex()} and "
            f"{second.trace.root.hex()}; nothing is challenged from this machine until they agree"
        )
    _confirm(execution, posted)
    if execution.trace.root == claim.trace_root and posted is not None:
        output, element = posted
        return Refuted(execution, Seam(output, element * model.program.outputs[output].dtype.size // CHUNK))
    return Refuted(execution)


def _first_difference(execution: Execution, claim: ClaimView) -> tuple[int, int] | None:
    """(output, element) of the first output element that differs from the posted one."""
    for number, (output, posted) in enumerate(zip(execution.outputs, claim.outputs, strict=True)):
        theirs = np.frombuffer(posted, output.dtype)
        differs = np.flatnonzero(theirs != output.reshape(-1))
        if differs.size:
            return number, int(differs[0])
    return None


def _confirm(execution: Execution, posted: tuple[int, int] | None) -> None:
    """Have the scalar specification compute the differing output element, or one element of each output.

    The operands it reads are this watcher's own. What differs further up only the dispute will show; there the
    specification confirms the element in dispute before the step.
    """
    for number, spec in enumerate(execution.program.outputs):
        if posted is not None and posted[0] != number:
            continue
        element = posted[1] if posted is not None else 0
        source = spec.source
        index = execution.program.layers[source.layer].outputs[source.slot]
        expected = specified(execution, source.layer, index, element)
        mine = int(execution.outputs[number].reshape(-1)[element])
        if expected != mine:
            raise WatcherAtFault(
                f"the scalar specification gives {expected} for element {element} of output {number}, this machine "
                f"computed {mine}; nothing is challenged from it"
            )


def specified(execution: Execution, layer: int, index: int, element: int) -> int:
    """What the scalar specification gives for one element of a layer's operator, from this watcher's own operands."""
    operator = execution.program.layers[layer].operators[index]
    weights, results = _weights(execution, operator.operands), execution.results(layer)
    read = reader(operator, execution.inputs, weights, execution.trace.checkpoints, results)
    return operators.element(operator, element, read)


def _weights(execution: Execution, operands: tuple[object, ...]) -> dict[TensorRoot, Array]:
    roots = [o.source.root for o in operands if isinstance(o, View) and isinstance(o.source, WeightRef)]
    return {root: execution.weight(root) for root in roots}
