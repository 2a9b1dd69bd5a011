"""A step on which contract and specification differ: written to a file, replayed from it, reduced to a small one.

The files lie under `tests/vectors/found/`; they hold a whole program with its tensors, so that they outlive any change
of the generator that drew them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from prover.errors import RefuteError
from prover.interpreter import Interpretation, operand_array
from prover.model_folder import decode_program, encode_program
from prover.operators import row_of
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    Layer,
    Opcode,
    Operator,
    OutputSpec,
    Program,
    TensorRoot,
    TensorSpec,
    View,
    WeightRef,
)
from prover.trace import NUMPY_DTYPES, Array, array_root, tensor_bytes
from prover.views import coordinates
from tests.steps import Place, Steps, on_chain

FOUND = Path(__file__).parent / "vectors" / "found"
MAX_TRIES = 400
"""Candidates that a reduction tries."""


@dataclass(frozen=True)
class Case:
    """A program with weights and inputs, and one step of it."""

    program: Program
    weights: dict[TensorRoot, Array]
    inputs: tuple[Array, ...]
    place: Place

    @property
    def operator(self) -> Operator:
        return self.program.operator(self.place.layer, self.place.operator)

    def steps(self) -> Steps:
        return Steps(Interpretation(self.program, self.weights, self.inputs))


Fails = Callable[[Case], bool]


def differs(case: Case) -> bool:
    """Whether the contract's step computes something else than the specification, or refuses to compute."""
    return on_chain(*case.steps().at(case.place)) != "StepAgrees"


# Files


def write(case: Case, folder: Path = FOUND) -> Path:
    """Write a case under a name that follows from its content; the file."""
    dtypes = {array.dtype: dtype for dtype, array in ((d, np.zeros(0, NUMPY_DTYPES[d])) for d in DType)}
    content = {
        "program": encode_program(case.program).hex(),
        "weights": [{"dtype": int(dtypes[a.dtype]), "data": tensor_bytes(a).hex()} for a in case.weights.values()],
        "inputs": [tensor_bytes(a).hex() for a in case.inputs],
        "place": asdict(case.place),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{row_of(case.operator).name}-{array_root(np.frombuffer(repr(content).encode(), 'i1')).hex()[:8]}"
    path = path.with_suffix(".json")
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    return path


def read(path: Path) -> Case:
    """The case of a file."""
    content: dict[str, Any] = json.loads(path.read_text())
    program = decode_program(bytes.fromhex(content["program"]))
    weights = [
        np.frombuffer(bytes.fromhex(held["data"]), NUMPY_DTYPES[DType(held["dtype"])]) for held in content["weights"]
    ]
    inputs = tuple(
        np.frombuffer(bytes.fromhex(data), NUMPY_DTYPES[spec.dtype]).reshape(spec.shape)
        for data, spec in zip(content["inputs"], program.inputs, strict=True)
    )
    return Case(program, {array_root(a): a for a in weights}, inputs, Place(**content["place"]))


# Reduction


def reduce(case: Case, fails: Fails = differs) -> Case:
    """A case that still fails and is small: of every change that makes it simpler, each one that it survives."""
    tries = 0
    progress = True
    while progress:
        progress = False
        for candidate in simpler(case):
            tries += 1
            if tries > MAX_TRIES:
                return case
            try:
                failing = fails(candidate)
            except (RefuteError, ArithmeticError, LookupError, AssertionError):
                continue  # the change broke the case itself
            if failing:
                case, progress = candidate, True
                break
    return case


def simpler(case: Case) -> Iterator[Case]:
    """Simpler cases, the largest simplifications first."""
    operator, place = case.operator, case.place
    if len(case.program.layers) > 1 or len(case.program.layers[0].operators) > 1:
        yield _alone(case)
        return
    if operator.numel > 1 and operator.opcode is not Opcode.PLACE:
        yield _one_element(case)
    if place.count > 1:
        half = place.count // 2
        yield replace(case, place=replace(place, count=half))
        yield replace(case, place=replace(place, start=place.start + half, count=place.count - half))
    for name, value in (("shift", 0), ("lift", 0), ("lo", operator.dtype.lo), ("hi", operator.dtype.hi)):
        if getattr(operator, name) != value:
            yield _with(case, replace(operator, **{name: value}))
    for slot, operand in enumerate(operator.operands):
        if isinstance(operand, View):
            if row_of(operator).roles[slot].immediate:
                for value in (0, 1):
                    yield _with(case, _operand(operator, slot, Immediate(value)))
            yield from _zeroed(case, slot, operand)
        elif abs(operand.value) > 1:
            yield _with(case, _operand(operator, slot, Immediate(operand.value // 2)))


def _operand(operator: Operator, slot: int, operand: View | Immediate) -> Operator:
    return replace(operator, operands=(*operator.operands[:slot], operand, *operator.operands[slot + 1 :]))


def _with(case: Case, operator: Operator, weights: dict[TensorRoot, Array] | None = None) -> Case:
    """A program of one operator over weights alone."""
    output = OutputSpec(CheckpointRef(0, 0, 1), operator.dtype, operator.out_shape or (1,))
    program = Program((TensorSpec(DType.I8, (1,)),), (Layer((operator,), (0,)),), (output,))
    held = {**case.weights, **(weights or {})}
    used = {root: held[root] for root in program.weight_roots()}
    place = replace(case.place, layer=0, operator=0)
    return Case(program, used, (np.zeros(1, NUMPY_DTYPES[DType.I8]),), place)


def _alone(case: Case) -> Case:
    """The operator with every tensor that it looks at as a weight."""
    run = Interpretation(case.program, case.weights, case.inputs)
    results = run.results(case.place.layer)
    weights: dict[TensorRoot, Array] = {}
    operator = case.operator
    for slot, view in enumerate(operator.operands):
        if isinstance(view, View):
            tensor = np.array(operand_array(view, case.inputs, case.weights, run.trace.checkpoints, results))
            weights[array_root(tensor)] = tensor
            operator = _operand(operator, slot, replace(view, source=WeightRef(array_root(tensor))))
    return _with(case, operator, weights)


def _one_element(case: Case) -> Case:
    """The operator with the one output element in question: its coordinates go into the views' offsets."""
    operator = case.operator
    at = coordinates(case.place.element, operator.out_shape)
    for slot, view in enumerate(operator.operands):
        if isinstance(view, View) and view.strides:
            moved = view.offset + sum(s * x for s, x in zip(view.strides, at, strict=False))
            strides = (*(0 for _ in at), *view.strides[len(at) :])
            operator = _operand(operator, slot, replace(view, offset=moved, strides=strides))
    shape = (*(1 for _ in at), *operator.shape[len(at) :])
    return _with(replace(case, place=replace(case.place, element=0)), replace(operator, shape=shape))


def _zeroed(case: Case, slot: int, view: View) -> Iterator[Case]:
    """With the operand's tensor zero: all of it, or either half of what is not."""
    assert isinstance(view.source, WeightRef)
    data = case.weights[view.source.root].reshape(-1)
    places = np.flatnonzero(data)
    for part in (places, places[: len(places) // 2], places[len(places) // 2 :]):
        if len(part):
            changed = np.array(data)
            changed[part] = 0
            root = array_root(changed)
            yield _with(case, _operand(case.operator, slot, replace(view, source=WeightRef(root))), {root: changed})
