"""Records of operators, layers, interface and model head, byte by byte (protocol, section 3)."""

from __future__ import annotations

from prover import merkle
from prover.errors import InvalidProgram
from prover.operators import BY_CODE
from prover.program import (
    MAX_AXES,
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    ModelId,
    Opcode,
    Operand,
    Operator,
    OutputSpec,
    Program,
    ResultRef,
    TensorRef,
    TensorRoot,
    TensorSpec,
    View,
    WeightRef,
)

VERSION = 1
MODEL_DOMAIN = b"refute.model.v1"

_IMMEDIATE, _INPUT, _WEIGHT, _CHECKPOINT, _RESULT = range(5)


class Reader:
    """A cursor over a record; running past its end is an InvalidProgram."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        if len(part) != count:
            raise InvalidProgram("RecordTruncated", f"{len(self.data)} bytes, at least {self.at + count} needed")
        self.at += count
        return part

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def signed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big", signed=True)

    def dtype(self) -> DType:
        code = self.unsigned(1)
        if code not in set(DType):
            raise InvalidProgram("UnknownDType", f"code {code}; 1, 2 and 3 are i8, i16 and i32")
        return DType(code)

    def end(self) -> None:
        if self.at != len(self.data):
            raise InvalidProgram("RecordTooLong", f"{len(self.data) - self.at} bytes after the last field")


def _u(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def _i(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big", signed=True)


def encode_operand(operand: Operand) -> bytes:
    if isinstance(operand, Immediate):
        return _u(_IMMEDIATE, 1) + _i(operand.value, 4)
    index = slot = slots = 0
    root = b""
    match operand.source:
        case InputRef(index):
            source = _INPUT
        case WeightRef(root):
            source = _WEIGHT
        case CheckpointRef(index, slot, slots):
            source = _CHECKPOINT
        case ResultRef(index):
            source = _RESULT
    head = _u(source, 1) + _u(operand.dtype, 1) + _u(operand.numel, 8) + _u(index, 4) + _u(slot, 1) + _u(slots, 1)
    return head + root + _u(operand.offset, 8) + b"".join(_i(s, 8) for s in operand.strides)


def encode_operator(operator: Operator) -> bytes:
    """The operator record."""
    head = bytes(
        (
            operator.opcode,
            operator.variant,
            operator.dtype,
            operator.axes,
            operator.reduced,
            operator.shift,
            operator.lift,
            operator.k,
        )
    )
    body = _i(operator.lo, 4) + _i(operator.hi, 4) + b"".join(_u(x, 4) for x in operator.shape)
    if operator.opcode is Opcode.GATHER:
        body += _u(operator.rows, 4)
    if operator.opcode is Opcode.PLACE:
        body += b"".join(_u(x, 4) for x in operator.box) + b"".join(_i(x, 4) for x in operator.start)
    return head + body + b"".join(encode_operand(o) for o in operator.operands)


def _decode_source(reader: Reader, source: int) -> tuple[DType, int, TensorRef]:
    dtype, numel = reader.dtype(), reader.unsigned(8)
    index, slot, slots = reader.unsigned(4), reader.unsigned(1), reader.unsigned(1)
    if source != _CHECKPOINT and (slot or slots):
        raise InvalidProgram("UnusedFieldNotZero", f"slot {slot} of {slots} in an operand that is no checkpoint")
    match source:
        case 1:
            return dtype, numel, InputRef(index)
        case 2:
            if index:
                raise InvalidProgram("UnusedFieldNotZero", f"index {index} in a weight operand")
            return dtype, numel, WeightRef(TensorRoot(reader.take(32)))
        case 3:
            return dtype, numel, CheckpointRef(index, slot, slots)
        case 4:
            return dtype, numel, ResultRef(index)
    raise InvalidProgram("UnknownSource", f"code {source}; 0 to 4 are immediate, input, weight, checkpoint, operator")


def decode_operator(record: bytes) -> Operator:
    """The operator of a record; InvalidProgram if it does not parse. Other rules: `prover.validity`."""
    reader = Reader(record)
    opcode, variant = reader.unsigned(1), reader.unsigned(1)
    row = BY_CODE.get((opcode, variant))
    if row is None:
        raise InvalidProgram("UnknownOpcode", f"opcode {opcode}, variant {variant}")
    dtype, axes, reduced = reader.dtype(), reader.unsigned(1), reader.unsigned(1)
    if not 1 <= axes <= MAX_AXES:
        raise InvalidProgram("WrongAxes", f"{axes} axes; 1 to {MAX_AXES} are allowed")
    if reduced > axes:
        raise InvalidProgram("WrongReducedAxes", f"{reduced} reduced axes of {axes}")
    shift, lift, k = reader.unsigned(1), reader.unsigned(1), reader.unsigned(1)
    lo, hi = reader.signed(4), reader.signed(4)
    shape = tuple(reader.unsigned(4) for _ in range(axes))
    rows = reader.unsigned(4) if row.opcode is Opcode.GATHER else 0
    box: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    if row.opcode is Opcode.PLACE:
        box = tuple(reader.unsigned(4) for _ in range(axes))
        start = tuple(reader.signed(4) for _ in range(axes))
    shell = Operator(row.opcode, variant, dtype, shape, (), lo, hi, reduced, shift, lift, k, rows, box, start)
    operands: list[Operand] = []
    for role in row.roles:
        source = reader.unsigned(1)
        if source == _IMMEDIATE:
            operands.append(Immediate(reader.signed(4)))
            continue
        tensor_dtype, numel, ref = _decode_source(reader, source)
        offset = reader.unsigned(8)
        strides = tuple(reader.signed(8) for _ in range(role.strides(shell)))
        operands.append(View(ref, tensor_dtype, numel, offset, strides))
    reader.end()
    return Operator(
        row.opcode, variant, dtype, shape, tuple(operands), lo, hi, reduced, shift, lift, k, rows, box, start
    )


def operators_root(layer: Layer) -> bytes:
    return merkle.root([encode_operator(o) for o in layer.operators])


def encode_layer(layer: Layer) -> bytes:
    """The layer record."""
    return bytes((len(layer.operators), len(layer.outputs), *layer.outputs)) + operators_root(layer)


def decode_layer(record: bytes) -> tuple[int, tuple[int, ...], bytes]:
    """(number of operators, output indices, operators root) of a layer record."""
    reader = Reader(record)
    operators, outputs = reader.unsigned(1), reader.unsigned(1)
    result = operators, tuple(reader.take(outputs)), reader.take(32)
    reader.end()
    return result


def layers_root(program: Program) -> bytes:
    return merkle.root([encode_layer(layer) for layer in program.layers])


def _encode_shape(dtype: DType, shape: tuple[int, ...]) -> bytes:
    return bytes((dtype, len(shape))) + b"".join(_u(x, 4) for x in shape)


def encode_interface(program: Program) -> bytes:
    """Inputs and outputs with dtype and shape."""
    inputs = b"".join(_encode_shape(spec.dtype, spec.shape) for spec in program.inputs)
    outputs = b"".join(
        _u(spec.source.layer, 4) + bytes((spec.source.slot, spec.source.slots)) + _encode_shape(spec.dtype, spec.shape)
        for spec in program.outputs
    )
    return bytes((len(program.inputs),)) + inputs + bytes((len(program.outputs),)) + outputs


def decode_interface(data: bytes) -> tuple[tuple[TensorSpec, ...], tuple[OutputSpec, ...]]:
    """Inputs and outputs of an interface record."""
    reader = Reader(data)

    def shaped() -> tuple[DType, tuple[int, ...]]:
        dtype = reader.dtype()
        return dtype, tuple(reader.unsigned(4) for _ in range(reader.unsigned(1)))

    inputs = tuple(TensorSpec(*shaped()) for _ in range(reader.unsigned(1)))
    outputs = tuple(
        OutputSpec(CheckpointRef(reader.unsigned(4), reader.unsigned(1), reader.unsigned(1)), *shaped())
        for _ in range(reader.unsigned(1))
    )
    reader.end()
    return inputs, outputs


def encode_head(program: Program) -> bytes:
    """The model head, 74 bytes."""
    interface_hash = merkle.keccak(encode_interface(program))
    return (
        _u(VERSION, 2)
        + _u(len(program.layers), 4)
        + _u(program.operator_count, 4)
        + interface_hash
        + layers_root(program)
    )


def model_id(program: Program) -> ModelId:
    """keccak(domain || head)."""
    return ModelId(merkle.keccak(MODEL_DOMAIN, encode_head(program)))
