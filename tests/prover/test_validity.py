"""Every rule of a valid program is refused by its name, from the record where the record shows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prover import encoding, int64_bound, validity
from prover.errors import InvalidProgram
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Opcode,
    Operator,
    OutputSpec,
    Program,
    ResultRef,
    TensorRoot,
    TensorSpec,
    View,
    WeightRef,
)
from prover.trace import array_root

WEIGHT = np.arange(-12, 12, dtype=np.int8)
ROOT = array_root(WEIGHT)
A = View(InputRef(0), DType.I16, 6, 0, (0, 1))
LINEAR = Operator(
    Opcode.DOT,
    0,
    DType.I16,
    (4, 6),
    (A, View(WeightRef(ROOT), DType.I8, 24, 0, (6, 1)), Immediate(3), Immediate(-1)),
    -100,
    100,
    reduced=1,
    shift=4,
    lift=2,
)
X = View(InputRef(0), DType.I16, 6, 0, (1,))
NO_POSITION = Immediate(0)
DIV = Operator(Opcode.ZIP, 3, DType.I16, (6,), (X, X, Immediate(1), Immediate(0)), -9, 9)
RECIP = Operator(Opcode.MAP, 1, DType.I16, (6,), (X,), -9, 9, k=8)
LOOK_UP = Operator(
    Opcode.MAP, 0, DType.I8, (6,), (X, View(WeightRef(ROOT), DType.I8, 24, 0, ()), Immediate(1), Immediate(0)), -9, 9
)
GATHER = Operator(Opcode.GATHER, 0, DType.I8, (6,), (X, View(WeightRef(ROOT), DType.I8, 24, 0, (0, 1))), -9, 9, rows=24)
PLACE = Operator(Opcode.PLACE, 0, DType.I16, (8,), (X, Immediate(0), NO_POSITION), -9, 9, k=255, box=(6,), start=(1,))
MAXIMUM = Operator(Opcode.REDUCE, 0, DType.I16, (6,), (X,), -9, 9, reduced=1)


def operand(operator: Operator, slot: int, changed: View | Immediate) -> Operator:
    operands = list(operator.operands)
    operands[slot] = changed
    return replace(operator, operands=tuple(operands))


def view(operator: Operator, slot: int, **changes: object) -> Operator:
    held = operator.operands[slot]
    assert isinstance(held, View)
    return operand(operator, slot, replace(held, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("operator", [LINEAR, DIV, RECIP, LOOK_UP, GATHER, PLACE, MAXIMUM])
def test_a_valid_record_decodes_to_its_operator(operator: Operator) -> None:
    assert validity.check_record(encoding.encode_operator(operator), 0, 0) == operator


BROKEN: dict[str, list[Operator]] = {
    "WrongReducedAxes": [replace(DIV, reduced=1), replace(MAXIMUM, reduced=0)],
    "EmptyAxis": [replace(DIV, shape=(0,)), replace(PLACE, box=(0,)), replace(GATHER, rows=0)],
    "TensorTooLarge": [
        replace(RECIP, shape=(1 << 32 - 1,), operands=(replace(X, strides=(0,)),), dtype=DType.I32),
        view(RECIP, 0, numel=(1 << 32) + 1),
    ],
    "TooManyTerms": [replace(MAXIMUM, shape=((1 << 21) + 1,), operands=(replace(X, strides=(0,)),))],
    "WrongClamp": [replace(LINEAR, lo=101), replace(LINEAR, hi=1 << 15), replace(LINEAR, lo=-(1 << 15) - 1)],
    "ShiftTooLarge": [
        replace(LINEAR, shift=63),
        replace(LINEAR, lift=63),
        replace(DIV, shift=1),
        replace(GATHER, lift=1),
        replace(MAXIMUM, shift=1),
    ],
    "ExponentTooLarge": [
        replace(RECIP, k=63),
        replace(RECIP, variant=2, k=32),
        replace(LINEAR, k=1),
    ],
    "WrongPlaceAxis": [
        replace(PLACE, k=0),
        replace(PLACE, k=1, operands=(X, Immediate(0), replace(X, strides=()))),
        operand(replace(PLACE, k=0), 2, Immediate(1)),
    ],
    "ImmediateNotAllowed": [operand(LINEAR, 0, Immediate(1)), operand(LOOK_UP, 1, Immediate(1))],
    "EmptyTensor": [view(RECIP, 0, numel=0)],
    "ViewOutsideTensor": [
        view(LINEAR, 1, strides=(7, 1)),
        view(LINEAR, 1, strides=(-6, 1)),
        view(RECIP, 0, offset=1),
        view(LOOK_UP, 1, offset=1),
        replace(GATHER, rows=25),
        replace(PLACE, box=(7,)),
    ],
    "TableTooLarge": [view(LOOK_UP, 1, numel=65_537)],
    "NoSuchInput": [view(RECIP, 0, source=InputRef(8))],
    "OperandNotEarlier": [
        view(RECIP, 0, source=ResultRef(2)),
        view(RECIP, 0, source=CheckpointRef(3, 0, 1)),
    ],
    "NoSuchSlot": [
        view(RECIP, 0, source=CheckpointRef(2, 1, 1)),
        view(RECIP, 0, source=CheckpointRef(2, 0, 65)),
    ],
}


@pytest.mark.parametrize(("rule", "operator"), [(rule, o) for rule, os in BROKEN.items() for o in os])
def test_a_record_that_breaks_a_rule_is_refused_by_its_name(rule: str, operator: Operator) -> None:
    with pytest.raises(InvalidProgram) as refused:
        validity.check_record(encoding.encode_operator(operator), 3, 2)
    assert refused.value.rule == rule


RECORD = encoding.encode_operator(LINEAR)
MALFORMED = {
    "UnknownOpcode": [b"\x00" + RECORD[1:], b"\x07" + RECORD[1:], RECORD[:1] + b"\x01" + RECORD[2:]],
    "UnknownDType": [RECORD[:2] + b"\x00" + RECORD[3:], RECORD[:2] + b"\x04" + RECORD[3:]],
    "WrongAxes": [RECORD[:3] + b"\x00" + RECORD[4:], RECORD[:3] + b"\x09" + RECORD[4:]],
    "RecordTruncated": [RECORD[:-1], RECORD[:20], b""],
    "RecordTooLong": [RECORD + b"\x00"],
    "UnknownSource": [RECORD[:24] + b"\x05" + RECORD[25:]],
    "UnusedFieldNotZero": [RECORD[:38] + b"\x01" + RECORD[39:]],
}


@pytest.mark.parametrize(("rule", "record"), [(rule, r) for rule, rs in MALFORMED.items() for r in rs])
def test_a_malformed_record_is_refused_by_its_name(rule: str, record: bytes) -> None:
    with pytest.raises(InvalidProgram) as refused:
        validity.check_record(record, 3, 2)
    assert refused.value.rule == rule


def program(*operators: Operator, outputs: tuple[int, ...] = (0,)) -> Program:
    spec = OutputSpec(CheckpointRef(0, 0, len(outputs)), operators[0].dtype, operators[0].out_shape or (1,))
    return Program((TensorSpec(DType.I16, (6,)),), (Layer(operators, outputs),), (spec,))


WIDE_A = replace(A, dtype=DType.I32, numel=6)
GOOD = program(LINEAR)
PROGRAMS: dict[str, list[Program]] = {
    "WrongLayerCount": [replace(GOOD, layers=())],
    "WrongOperatorCount": [program(*[LINEAR] * 65)],
    "LayerWithoutOutputs": [replace(GOOD, layers=(Layer((LINEAR,), ()),))],
    "WrongLayerOutputs": [
        replace(GOOD, layers=(Layer((LINEAR, LINEAR), (1, 0)),)),
        replace(GOOD, layers=(Layer((LINEAR,), (1,)),)),
        replace(GOOD, layers=(Layer((LINEAR,), (0, 0)),)),
    ],
    "WrongInterface": [
        replace(GOOD, outputs=()),
        replace(GOOD, outputs=(replace(GOOD.outputs[0], shape=(5,)),)),
        replace(GOOD, inputs=(TensorSpec(DType.I16, ()),)),
    ],
    "NoSuchSlot": [replace(GOOD, outputs=(replace(GOOD.outputs[0], source=CheckpointRef(0, 0, 2)),))],
    "WrongOrigin": [program(view(LINEAR, 0, dtype=DType.I8)), replace(GOOD, inputs=(TensorSpec(DType.I16, (7,)),))],
    "WeightMissing": [program(view(LINEAR, 1, source=WeightRef(TensorRoot(bytes(32)))))],
    "BoundNotInInt64": [
        program(replace(LINEAR, lift=62, operands=(*LINEAR.operands[:2], Immediate(1), Immediate(2)))),
        program(operand(replace(DIV, lift=61), 3, Immediate(4))),
    ],
}


@pytest.mark.parametrize(("rule", "broken"), [(rule, p) for rule, ps in PROGRAMS.items() for p in ps])
def test_a_program_that_breaks_a_rule_is_refused_by_its_name(rule: str, broken: Program) -> None:
    with pytest.raises(InvalidProgram) as refused:
        validity.check(broken, {ROOT: WEIGHT})
    assert refused.value.rule == rule


def test_a_reduction_too_long_for_exact_accumulation_is_refused() -> None:
    """Two i32 operands: already two terms may leave int64."""
    squares = replace(LINEAR, shape=(1, 6), operands=(WIDE_A, WIDE_A, Immediate(1), Immediate(0)), shift=0, lift=0)
    held = replace(program(squares), inputs=(TensorSpec(DType.I32, (6,)),))
    with pytest.raises(InvalidProgram, match=r"BoundNotInInt64.*6 terms"):
        validity.check(held, {})


def test_the_bound_of_a_constant_dot_sums_the_weights_magnitudes() -> None:
    rows = [abs(WEIGHT[6 * i : 6 * i + 6].astype(int)).sum() for i in range(4)]
    expected = (1 << 15) * int(max(rows)) * 3 + (1 << 2) + (1 << 3)
    assert int64_bound.bound(LINEAR, (1 << 15, 12, 3, 1), {ROOT: WEIGHT}) == expected


def test_a_valid_program_passes_and_an_altered_weight_does_not() -> None:
    validity.check(GOOD, {ROOT: WEIGHT})
    with pytest.raises(InvalidProgram, match="WrongWeight"):
        validity.check(GOOD, {ROOT: WEIGHT + np.int8(1)})
