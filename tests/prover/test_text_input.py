"""Texts and token ids as inputs: what a model does not take is one clear line, not another sentence's answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from prover.errors import CorruptModel, InvalidInput
from prover.input_files import read_inputs
from prover.model_folder import Model
from prover.operators import TABLE
from prover.program import (
    CheckpointRef,
    DType,
    Immediate,
    InputRef,
    Layer,
    Operator,
    OutputSpec,
    Program,
    TensorSpec,
    View,
)
from prover.quantisation import Quantisation
from prover.text_input import TOKENIZER_FILE, TextForm

LENGTH, WORDS = 6, 300
SHAPE = (1, LENGTH)


def tokenizer() -> bytes:
    made = Tokenizer(models.WordLevel({f"w{i}": i for i in range(WORDS)}, unk_token="w0"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made.to_str().encode()


def model(files: dict[str, bytes], *, texts: bool = True) -> Model:
    """Token ids below WORDS and a mask, as a sentence encoder takes them."""
    inputs = TensorSpec(DType.I16, SHAPE), TensorSpec(DType.I8, SHAPE)
    ids = View(InputRef(0), DType.I16, LENGTH, 0, (LENGTH, 1))
    mask = View(InputRef(1), DType.I8, LENGTH, 0, (LENGTH, 1))
    row, held = TABLE["mul"], DType.I32
    operands = (ids, mask, Immediate(1), Immediate(0))
    operator = Operator(row.opcode, row.variant, held, SHAPE, operands, held.lo, held.hi, 0, 0, 0, 0)
    program = Program(inputs, (Layer((operator,), (0,)),), (OutputSpec(CheckpointRef(0, 0, 1), held, SHAPE),))
    forms = [
        Quantisation(DType.I16, SHAPE, 1.0, 0, WORDS - 1).as_dict(),
        Quantisation(DType.I8, SHAPE, 1.0, 0, 1).as_dict(),
    ]
    described = {"inputs": forms, **({"text": TextForm(LENGTH, masked=True).as_dict()} if texts else {})}
    return Model(program, {}, described, files)


WHOLE = model({TOKENIZER_FILE: tokenizer()})


def test_a_text_is_padded_and_masked() -> None:
    ids, mask = read_inputs(WHOLE, ["w5 w299 w7"])
    assert (ids.dtype, mask.dtype) == (np.int16, np.int8)
    assert ids.tolist() == [[5, 299, 7, 0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 0, 0, 0]]


def test_a_text_that_is_too_long_is_refused_with_what_fits() -> None:
    with pytest.raises(InvalidInput, match="the text has 7 tokens, the model takes 6; shorten it"):
        read_inputs(WHOLE, ["w1 " * 7])


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "has no tokenizer.json; fetch the model again"),
        ({TOKENIZER_FILE: tokenizer()[:50]}, "tokenizer.json of the model cannot be read: .*; fetch the model again"),
        ({TOKENIZER_FILE: b"\xff\xfe"}, "tokenizer.json of the model cannot be read"),
        ({TOKENIZER_FILE: b"{}"}, "tokenizer.json of the model cannot be read"),
    ],
)
def test_a_missing_or_damaged_tokenizer_is_said(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(CorruptModel, match=reason) as refused:
        read_inputs(model(files), ["w1"])
    assert "\n" not in str(refused.value)


def written(folder: Path, name: str, values: object, dtype: str) -> Path:
    array = np.broadcast_to(np.array(values, dtype), SHAPE)
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        path.write_bytes(array.tobytes())
    return path


@pytest.mark.parametrize(("name", "dtype"), [("a.npy", "<i2"), ("a.npy", "<i8"), ("a.npy", "<u4"), ("a.bin", "<i2")])
def test_token_ids_may_be_of_any_dtype(tmp_path: Path, name: str, dtype: str) -> None:
    ids, _ = read_inputs(WHOLE, [written(tmp_path, name, 299, dtype), written(tmp_path, "m.npy", 1, "<i8")])
    assert ids.dtype == np.int16
    assert (ids == 299).all()


@pytest.mark.parametrize(
    ("name", "dtype", "value"),
    [
        ("a.npy", "<i2", 300),
        ("a.npy", "<i2", -1),
        ("a.npy", "<i8", 1 << 40),
        ("a.npy", "<f4", 300.0),
        ("a.npy", "<f4", 1.5),
        ("a.bin", "<i2", 300),
    ],
)
def test_token_ids_that_the_model_does_not_know_are_refused(
    tmp_path: Path, name: str, dtype: str, value: float
) -> None:
    path = written(tmp_path, name, value, dtype)
    with pytest.raises(InvalidInput, match=rf"{path}: element 0 .* takes whole numbers from 0 to 299"):
        read_inputs(WHOLE, [path, written(tmp_path, "m.npy", 1, "<i1")])


def test_a_mask_is_of_zeros_and_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"m\.npy: element 0 .* takes whole numbers from 0 to 1"):
        read_inputs(WHOLE, [written(tmp_path, "a.npy", 1, "<i2"), written(tmp_path, "m.npy", 2, "<i1")])


@pytest.mark.parametrize("name", ["nowhere/ids.npy", "ids.bin"])
def test_a_file_that_is_not_there_is_no_text(name: str) -> None:
    with pytest.raises(InvalidInput, match="has 2 inputs, 1 files were given"):
        read_inputs(WHOLE, [name])
    with pytest.raises(InvalidInput, match=f"input {name} cannot be read"):
        read_inputs(WHOLE, [name, "mask.npy"])
    ids, _ = read_inputs(WHOLE, [f"w5 {name}"])
    assert ids[0, 0] == 5


def test_a_model_that_takes_no_texts_says_so() -> None:
    with pytest.raises(InvalidInput, match="has 2 inputs, 1 files were given"):
        read_inputs(model({}, texts=False), ["w1"])
