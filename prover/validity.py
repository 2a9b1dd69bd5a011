"""The rules of a valid program (protocol, sections 3.1 to 3.6), run whenever one is loaded.

`check_record` and `check_layer_record` are the rules that the chain enforces as well, under the same names;
`check` is all of them, the int64 bound and the size of the dearest move included.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from prover import encoding
from prover.blake3_tree import CHUNK, chunk_count
from prover.errors import InvalidProgram
from prover.int64_bound import INT64_MAX, Magnitudes, bound, finished
from prover.operators import NO_AXIS, Role, row_of
from prover.program import (
    MAX_AXES,
    MAX_INTERFACE,
    MAX_LAYERS,
    MAX_OPERATORS,
    MAX_TABLE,
    MAX_TENSOR_BYTES,
    MAX_TERMS,
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Opcode,
    Operand,
    Operator,
    Program,
    ResultRef,
    TensorRoot,
    View,
    WeightRef,
)
from prover.progress import counted
from prover.trace import NUMPY_DTYPES, Array, array_root
from prover.views import MAX_STEP_RUNS, MAX_STEP_TERMS, bounds, innermost

WeightForms = Mapping[TensorRoot, tuple[DType, int]]
"""dtype and number of elements of each weight."""

MAX_SHIFT = 62
MAX_MOVE_BYTES = 16_384
MAX_MOVE_GAS = 2_000_000


def require(condition: bool, rule: str, detail: str) -> None:
    if not condition:
        raise InvalidProgram(rule, detail)


def check_record(record: bytes, layer: int, index: int) -> Operator:
    """The operator of a record, after every rule that the record alone can break."""
    operator = encoding.decode_operator(record)
    check_operator(operator, layer, index)
    return operator


def check_layer_record(record: bytes) -> tuple[int, tuple[int, ...], bytes]:
    """(number of operators, output indices, operators root) of a valid layer record."""
    count, outputs, root = encoding.decode_layer(record)
    require(
        1 <= count <= MAX_OPERATORS,
        "WrongOperatorCount",
        f"{count} operators; 1 to {MAX_OPERATORS} are allowed",
    )
    ascending = all(a < b for a, b in itertools.pairwise(outputs))
    require(bool(outputs), "LayerWithoutOutputs", "a layer checkpoints at least one result")
    require(ascending and outputs[-1] < count, "WrongLayerOutputs", f"{outputs} of {count} operators")
    return count, outputs, root


def check_operator(operator: Operator, layer: int, index: int) -> None:
    """Every rule that an operator can break by itself, as operator `index` of layer `layer`."""
    row = row_of(operator)
    may_reduce = operator.opcode in (Opcode.DOT, Opcode.REDUCE)
    require(1 <= operator.axes <= MAX_AXES, "WrongAxes", f"{operator.axes} axes; 1 to {MAX_AXES} are allowed")
    require(
        operator.reduced <= (operator.axes if may_reduce else 0)
        and operator.reduced >= (operator.opcode is Opcode.REDUCE),
        "WrongReducedAxes",
        f"{operator.reduced} of {operator.axes} axes in a {row.name}",
    )
    extents = (*operator.shape, *operator.box)
    require(min(extents) >= 1, "EmptyAxis", f"extents {extents}; each is at least 1")
    require(operator.nbytes <= MAX_TENSOR_BYTES, "TensorTooLarge", f"{operator.nbytes} bytes")
    require(operator.terms <= MAX_TERMS, "TooManyTerms", f"{operator.terms}; at most {MAX_TERMS}")
    in_dtype = operator.dtype.lo <= operator.lo <= operator.hi <= operator.dtype.hi
    require(in_dtype, "WrongClamp", f"{operator.lo}..{operator.hi} in {operator.dtype.name}")
    _check_scaling(operator)
    for role, operand in zip(row.roles, operator.operands, strict=True):
        _check_operand(operator, role, operand, layer, index)


def _check_scaling(operator: Operator) -> None:
    row = row_of(operator)
    limit = MAX_SHIFT if row.rescales else 0
    require(operator.lift <= limit, "ShiftTooLarge", f"t = {operator.lift} in a {row.name}; at most {limit}")
    limit = 0 if row.name == "div" else limit
    require(operator.shift <= limit, "ShiftTooLarge", f"s = {operator.shift} in a {row.name}; at most {limit}")
    if operator.opcode is Opcode.PLACE:
        fixed = operator.operands[2] == Immediate(0)
        valid = operator.k == NO_AXIS if fixed else operator.k < operator.axes
        require(
            valid,
            "WrongPlaceAxis",
            f"axis {operator.k} of {operator.axes} with position {operator.operands[2]}",
        )
        return
    limit = {"recip": 62, "rsqrt": 31}.get(row.name, 0)
    require(operator.k <= limit, "ExponentTooLarge", f"k = {operator.k} in a {row.name}; at most {limit}")
    if operator.opcode is Opcode.GATHER:
        require(operator.rows >= 1, "EmptyAxis", "a gather has at least one row")


def _check_operand(operator: Operator, role: Role, operand: Operand, layer: int, index: int) -> None:
    if isinstance(operand, Immediate):
        require(role.immediate, "ImmediateNotAllowed", f"{role.name} of a {row_of(operator).name}")
        if role.name == "position":
            require(operand.value == 0, "WrongPlaceAxis", f"position is the immediate {operand.value}, not 0")
        return
    require(operand.numel >= 1, "EmptyTensor", f"{role.name} has no elements")
    require(operand.nbytes <= MAX_TENSOR_BYTES, "TensorTooLarge", f"{role.name} has {operand.nbytes} bytes")
    match operand.source:
        case InputRef(number):
            require(number < MAX_INTERFACE, "NoSuchInput", f"input {number}; at most {MAX_INTERFACE}")
        case CheckpointRef(earlier, slot, slots):
            require(earlier < layer, "OperandNotEarlier", f"{role.name} names layer {earlier} from layer {layer}")
            require(slot < slots <= MAX_OPERATORS, "NoSuchSlot", f"{role.name} names slot {slot} of {slots}")
        case ResultRef(earlier):
            require(earlier < index, "OperandNotEarlier", f"{role.name} names operator {earlier} from {index}")
    if role.name == "table" and operator.opcode is Opcode.MAP:
        require(operand.numel <= MAX_TABLE, "TableTooLarge", f"{operand.numel} entries; at most {MAX_TABLE}")
        require(operand.offset == 0, "ViewOutsideTensor", f"a map's table has offset 0, not {operand.offset}")
    low, high = bounds(operand, role.extents(operator))
    inside = low >= 0 and high < operand.numel
    require(inside, "ViewOutsideTensor", f"{role.name} addresses {low}..{high} of {operand.numel} elements")


# The whole program


def check(program: Program, weights: Mapping[TensorRoot, Array]) -> None:
    """Raise InvalidProgram for the first rule that the program breaks.

    `weights` holds every weight the program names, flat or shaped; their bytes must hash to their roots.
    """
    require(1 <= len(program.layers) <= MAX_LAYERS, "WrongLayerCount", f"{len(program.layers)} layers")
    for layer in program.layers:
        check_layer_record(encoding.encode_layer(layer))
    _check_interface(program)
    roots = program.weight_roots()
    magnitudes = _check_weights(roots, weights)
    for number, layer in enumerate(counted("checking layers", program.layers)):
        for index, operator in enumerate(layer.operators):
            try:
                check_record(encoding.encode_operator(operator), number, index)
                _check_origins(program, roots, number, operator)
                _check_bound(program, number, operator, weights, magnitudes)
                _check_dearest_move(program, number, operator)
            except InvalidProgram as error:
                name = program.names[number] if number < len(program.names) else f"layer {number}"
                where = f"{name}, operator {index} ({row_of(operator).name})"
                raise InvalidProgram(error.rule, f"{error.detail}, in {where}") from error


def _check_interface(program: Program) -> None:
    for specs, what in ((program.inputs, "inputs"), (program.outputs, "outputs")):
        require(1 <= len(specs) <= MAX_INTERFACE, "WrongInterface", f"{len(specs)} {what}")
        for spec in specs:
            require(
                1 <= len(spec.shape) <= MAX_AXES and min(spec.shape) >= 1,
                "WrongInterface",
                f"shape {spec.shape}",
            )
            require(spec.nbytes <= MAX_TENSOR_BYTES, "TensorTooLarge", f"{spec.nbytes} bytes")
    for output in program.outputs:
        producer = _checkpoint(program, output.source, len(program.layers))
        same = producer.dtype == output.dtype and producer.nbytes == output.nbytes
        require(same, "WrongInterface", f"output {output} is not the checkpoint it names")


def _checkpoint(program: Program, ref: CheckpointRef, before: int) -> Operator:
    require(ref.layer < before, "OperandNotEarlier", f"layer {ref.layer} is named from layer {before}")
    layer = program.layers[ref.layer]
    exists = ref.slots == len(layer.outputs) and ref.slot < ref.slots
    require(exists, "NoSuchSlot", f"slot {ref.slot} of {ref.slots}; layer {ref.layer} has {len(layer.outputs)}")
    return layer.operators[layer.outputs[ref.slot]]


def _check_weights(roots: WeightForms, weights: Mapping[TensorRoot, Array]) -> dict[TensorRoot, int]:
    """Largest magnitude of each weight, after checking that each is there and hashes to its root."""
    result = {}
    for root, (dtype, numel) in counted("hashing weights", roots.items()):
        array = weights.get(root)
        if array is None:
            raise InvalidProgram("WeightMissing", f"no weight with root {root.hex()}")
        same = array.dtype == NUMPY_DTYPES[dtype] and array.size == numel
        require(same, "WrongWeight", f"{array.size} x {array.dtype} where the program says {numel} x {dtype.name}")
        require(array_root(array) == root, "WrongWeight", f"the bytes do not hash to {root.hex()}")
        result[root] = max(-int(array.min()), int(array.max()))
    return result


def _views(operator: Operator) -> Iterator[View]:
    return (o for o in operator.operands if isinstance(o, View))


def _check_origins(program: Program, roots: WeightForms, layer: int, operator: Operator) -> None:
    for view in _views(operator):
        match view.source:
            case InputRef(index):
                require(index < len(program.inputs), "NoSuchInput", f"input {index} of {len(program.inputs)}")
                spec = program.inputs[index]
                origin = spec.dtype, math.prod(spec.shape)
            case CheckpointRef():
                producer = _checkpoint(program, view.source, layer)
                origin = producer.dtype, producer.numel
            case ResultRef(earlier):
                producer = program.layers[layer].operators[earlier]
                origin = producer.dtype, producer.numel
            case WeightRef(root):
                origin = roots[root]
        same = (view.dtype, view.numel) == origin
        require(
            same,
            "WrongOrigin",
            f"a view of {view.numel} x {view.dtype.name} onto {origin[1]} x {origin[0].name}",
        )


def _check_bound(
    program: Program,
    layer: int,
    operator: Operator,
    weights: Mapping[TensorRoot, Array],
    magnitudes: Mapping[TensorRoot, int],
) -> None:
    held = Magnitudes(program, layer, magnitudes)
    mags = tuple(held.of(operand) for operand in operator.operands)
    row = row_of(operator)
    if row.name == "dot" and finished(operator, operator.terms * mags[0] * mags[1], mags) <= INT64_MAX:
        return  # not even all terms at their largest leave an int64: no need to look at the weights
    largest = bound(operator, mags, weights)
    require(
        largest <= INT64_MAX,
        "BoundNotInInt64",
        f"an intermediate may reach {largest}, above 2^63 - 1, with {operator.terms} terms; "
        "use narrower dtypes, a smaller multiplier, or split the reduction",
    )


# The dearest move (protocol, section 3.6)


def dearest_move(program: Program, layer: int, operator: Operator) -> tuple[int, int]:
    """(bytes, gas) of the dearest move that a dispute over this operator can need."""
    nodes, chunks = 0, 0
    payload = 32 * (4 + 19 + 2) + len(encoding.encode_operator(operator)) + 32
    for view in _views(operator):
        depth = (chunk_count(view.nbytes) - 1).bit_length()
        above = 0
        if isinstance(view.source, CheckpointRef):
            above = (view.source.slots - 1).bit_length() + (len(program.layers) - 1).bit_length()
        elif isinstance(view.source, ResultRef):
            above = (len(program.layers[layer].operators) - 1).bit_length()
        listed = 40 * len(program.inputs) if isinstance(view.source, InputRef) else 0
        payload += 32 * 10 + CHUNK + 32 * (depth + above) + listed
        nodes, chunks = nodes + depth, chunks + 1
    terms = min(operator.terms, MAX_STEP_TERMS)
    gas = 100_000 + 16 * payload + 6_000 * (16 * chunks + nodes) + 500 * terms + 4_000 * _runs(operator)
    return payload, gas


def _runs(operator: Operator) -> int:
    """Runs of the innermost reduced axis that a step over dot or reduce walks, in a and b together."""
    if operator.opcode not in (Opcode.DOT, Opcode.REDUCE):
        return 0
    walked = sum(isinstance(operand, View) for operand in operator.operands[:2])
    return walked * (min(MAX_STEP_RUNS, -(-operator.terms // innermost(operator))) + 1)


def _check_dearest_move(program: Program, layer: int, operator: Operator) -> None:
    payload, gas = dearest_move(program, layer, operator)
    require(payload <= MAX_MOVE_BYTES, "MoveTooLarge", f"{payload} bytes; at most {MAX_MOVE_BYTES}")
    require(gas <= MAX_MOVE_GAS, "MoveTooDear", f"{gas} gas; at most {MAX_MOVE_GAS}")
