"""Operator and layer records: the chain refuses what the loader refuses, by the same name, and nothing else."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from prover import encoding, validity
from prover.errors import InvalidProgram
from prover.operators import TABLE
from prover.program import CheckpointRef, DType, Immediate, InputRef, Opcode, Operator, ResultRef, View
from tests.damage import damaged_record
from tests.records import HARNESS, NAMES, VALID, chain_rule, loader_rule
from tests.strategies import random_operator, random_program


def a_view(**changes: object) -> View:
    view = View(InputRef(0), DType.I8, 64, 0, (8, 1))
    return replace(view, **changes)


def a_sum(**changes: object) -> Operator:
    operands = (a_view(), a_view(), Immediate(1), Immediate(0))
    return replace(Operator(Opcode.DOT, 0, DType.I32, (8, 8), operands, -9, 9, reduced=1), **changes)


def a_place(**changes: object) -> Operator:
    operands = (a_view(), Immediate(0), Immediate(0))
    shell = Operator(Opcode.PLACE, 0, DType.I8, (9, 9), operands, -9, 9, k=255, box=(8, 8), start=(0, 0))
    return replace(shell, **changes)


def with_a(view: View) -> Operator:
    return a_sum(operands=(view, *a_sum().operands[1:]))


def a_map(table: View) -> Operator:
    operands = (a_view(), table, Immediate(1), Immediate(0))
    return Operator(Opcode.MAP, 0, DType.I8, (8, 8), operands, -9, 9)


def a_gather(rows: int, stride: int) -> Operator:
    operands = (a_view(), View(InputRef(1), DType.I8, 90, 0, (0, 1, stride)))
    return Operator(Opcode.GATHER, 0, DType.I8, (8, 8), operands, -9, 9, rows=rows)


def raw(operator: Operator, at: int, value: int) -> bytes:
    record = bytearray(encoding.encode_operator(operator))
    record[at] = value
    return bytes(record)


RECORD = encoding.encode_operator(a_sum())
A_OPERAND = 16 + 8
BROKEN = {
    "truncated": ("RecordTruncated", RECORD[:-1]),
    "empty": ("RecordTruncated", b""),
    "too long": ("RecordTooLong", RECORD + b"\x00"),
    "opcode 0": ("UnknownOpcode", raw(a_sum(), 0, 0)),
    "opcode 7": ("UnknownOpcode", raw(a_sum(), 0, 7)),
    "dot has no variant 1": ("UnknownOpcode", raw(a_sum(), 1, 1)),
    "dtype 0": ("UnknownDType", raw(a_sum(), 2, 0)),
    "dtype 4": ("UnknownDType", raw(a_sum(), 2, 4)),
    "no axes": ("WrongAxes", raw(a_sum(), 3, 0)),
    "nine axes": ("WrongAxes", raw(a_sum(), 3, 9)),
    "more reduced than axes": ("WrongReducedAxes", raw(a_sum(), 4, 3)),
    "a reduction that reduces nothing": (
        "WrongReducedAxes",
        encoding.encode_operator(Operator(Opcode.REDUCE, 0, DType.I8, (8, 8), (a_view(),), -9, 9)),
    ),
    "a place that reduces": ("WrongReducedAxes", encoding.encode_operator(a_place(reduced=1))),
    "empty axis": ("EmptyAxis", encoding.encode_operator(a_sum(shape=(0, 8)))),
    "empty box": ("EmptyAxis", encoding.encode_operator(a_place(box=(8, 0)))),
    "no rows": ("EmptyAxis", encoding.encode_operator(a_gather(0, 1))),
    "output too large": (
        "TensorTooLarge",
        encoding.encode_operator(
            a_sum(shape=(1 << 30, 2, 8), operands=(a_view(strides=(0, 0, 1)), *(Immediate(1),) * 3))
        ),
    ),
    "output overflows": (
        "TensorTooLarge",
        encoding.encode_operator(
            Operator(
                Opcode.PLACE,
                0,
                DType.I32,
                ((1 << 32) - 1,) * 8,
                (a_view(strides=(0,) * 8), Immediate(0), Immediate(0)),
                -9,
                9,
                k=255,
                box=(1,) * 8,
                start=(0,) * 8,
            )
        ),
    ),
    "too many terms": (
        "TooManyTerms",
        encoding.encode_operator(
            a_sum(shape=(8, (1 << 21) + 1), operands=(a_view(strides=(8, 0)), *a_sum().operands[1:]))
        ),
    ),
    "clamp upside down": ("WrongClamp", encoding.encode_operator(a_sum(lo=1, hi=0))),
    "clamp below the dtype": ("WrongClamp", encoding.encode_operator(a_sum(dtype=DType.I8, lo=-129))),
    "clamp above the dtype": ("WrongClamp", encoding.encode_operator(a_sum(dtype=DType.I16, hi=1 << 15))),
    "s of 63": ("ShiftTooLarge", encoding.encode_operator(a_sum(shift=63))),
    "t of 63": ("ShiftTooLarge", encoding.encode_operator(a_sum(lift=63))),
    "k in a dot": ("ExponentTooLarge", encoding.encode_operator(a_sum(k=1))),
    "recip 63": (
        "ExponentTooLarge",
        encoding.encode_operator(Operator(Opcode.MAP, 1, DType.I8, (8, 8), (a_view(),), -9, 9, k=63)),
    ),
    "rsqrt 32": (
        "ExponentTooLarge",
        encoding.encode_operator(Operator(Opcode.MAP, 2, DType.I8, (8, 8), (a_view(),), -9, 9, k=32)),
    ),
    "s in a div": (
        "ShiftTooLarge",
        encoding.encode_operator(Operator(Opcode.ZIP, 3, DType.I8, (8, 8), a_sum().operands, -9, 9, shift=1)),
    ),
    "place at an axis it lacks": ("WrongPlaceAxis", encoding.encode_operator(a_place(k=2))),
    "place fixed with a position": (
        "WrongPlaceAxis",
        encoding.encode_operator(a_place(operands=(a_view(), Immediate(0), a_view(strides=())))),
    ),
    "place at an immediate": (
        "WrongPlaceAxis",
        encoding.encode_operator(a_place(k=0, operands=(a_view(), Immediate(0), Immediate(1)))),
    ),
    "immediate a": ("ImmediateNotAllowed", encoding.encode_operator(with_a(Immediate(3)))),  # type: ignore[arg-type]
    "empty tensor": ("EmptyTensor", encoding.encode_operator(with_a(a_view(numel=0)))),
    "operand too large": ("TensorTooLarge", encoding.encode_operator(with_a(a_view(numel=(1 << 32) + 1)))),
    "operand's bytes overflow": ("TensorTooLarge", encoding.encode_operator(with_a(a_view(numel=(1 << 64) - 1)))),
    "input 8": ("NoSuchInput", encoding.encode_operator(with_a(a_view(source=InputRef(8))))),
    "this layer's checkpoint": (
        "OperandNotEarlier",
        encoding.encode_operator(with_a(a_view(source=CheckpointRef(5, 0, 1)))),
    ),
    "this operator": ("OperandNotEarlier", encoding.encode_operator(with_a(a_view(source=ResultRef(5))))),
    "slot 2 of 2": ("NoSuchSlot", encoding.encode_operator(with_a(a_view(source=CheckpointRef(4, 2, 2))))),
    "65 slots": ("NoSuchSlot", encoding.encode_operator(with_a(a_view(source=CheckpointRef(4, 2, 65))))),
    "source 5": ("UnknownSource", raw(a_sum(), A_OPERAND, 5)),
    "slot of an input": ("UnusedFieldNotZero", raw(a_sum(), A_OPERAND + 14, 1)),
    "operand dtype 0": ("UnknownDType", raw(a_sum(), A_OPERAND + 1, 0)),
    "table too large": (
        "TableTooLarge",
        encoding.encode_operator(a_map(View(InputRef(0), DType.I8, (1 << 16) + 1, 0, ()))),
    ),
    "table with an offset": (
        "ViewOutsideTensor",
        encoding.encode_operator(a_map(View(InputRef(0), DType.I8, 9, 1, ()))),
    ),
    "view beyond the end": ("ViewOutsideTensor", encoding.encode_operator(with_a(a_view(offset=1)))),
    "view before the start": ("ViewOutsideTensor", encoding.encode_operator(with_a(a_view(strides=(8, -1))))),
    "extreme strides": (
        "ViewOutsideTensor",
        encoding.encode_operator(with_a(a_view(strides=(-(1 << 63), (1 << 63) - 1)))),
    ),
    "rows beyond the end": ("ViewOutsideTensor", encoding.encode_operator(a_gather(11, 9))),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_rule_is_refused_by_its_name(case: str) -> None:
    rule, record = BROKEN[case]
    assert (chain_rule(record), loader_rule(record)) == (rule, rule)


def test_the_examples_are_valid_but_for_what_they_break() -> None:
    table = View(InputRef(0), DType.I8, 1 << 16, 0, ())
    for operator in (a_sum(), a_place(), a_map(table), a_gather(9, 9), with_a(a_view(source=CheckpointRef(4, 63, 64)))):
        assert chain_rule(encoding.encode_operator(operator)) == VALID


@pytest.mark.parametrize("seed", range(6))
def test_every_record_of_valid_programs_is_valid(seed: int) -> None:
    program, _, _ = random_program(seed)
    for number, layer in enumerate(program.layers):
        assert HARNESS.call("layerFault", encoding.encode_layer(layer)) == bytes(4)
        for index, operator in enumerate(layer.operators):
            assert chain_rule(encoding.encode_operator(operator), number, index) == VALID


@pytest.mark.parametrize("name", TABLE)
def test_damaged_records_break_the_same_rule_as_in_the_loader(name: str) -> None:
    rng = random.Random(name)
    for seed in range(4):
        program, _, _ = random_operator(seed, name)
        record = encoding.encode_operator(program.operator(0, 0))
        for _ in range(60):
            damaged = damaged_record(record, rng)
            layer, index = rng.randrange(3), rng.randrange(3)
            assert chain_rule(damaged, layer, index) == loader_rule(damaged, layer, index), damaged.hex()


ROOT = b"\x07" * 32
BROKEN_LAYERS = {
    "RecordTruncated": bytes([1, 1, 0]) + ROOT[:-1],
    "RecordTooLong": bytes([1, 1, 0]) + ROOT + b"\x00",
    "WrongOperatorCount": bytes([0, 1, 0]) + ROOT,
    "LayerWithoutOutputs": bytes([1, 0]) + ROOT,
    "WrongLayerOutputs": bytes([3, 2, 1, 1]) + ROOT,
}


@pytest.mark.parametrize("rule", BROKEN_LAYERS)
def test_each_rule_of_a_layer_record(rule: str) -> None:
    record = BROKEN_LAYERS[rule]
    assert NAMES[HARNESS.call("layerFault", record)] == rule
    with pytest.raises(InvalidProgram) as refused:
        validity.check_layer_record(record)
    assert refused.value.rule == rule


def test_other_broken_layer_records() -> None:
    for record in (bytes([65, 1, 0]) + ROOT, bytes([2, 2, 0, 2]) + ROOT, bytes([2, 2, 1, 0]) + ROOT):
        assert HARNESS.call("layerFault", record) != bytes(4)
        with pytest.raises(InvalidProgram):
            validity.check_layer_record(record)
