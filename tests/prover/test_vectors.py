"""The committed golden vectors are what the code computes, and records survive a round trip."""

from __future__ import annotations

import json

import pytest

from prover import encoding
from prover.model_folder import decode_program, encode_program
from tests import vectors
from tests.strategies import random_program


@pytest.mark.parametrize("name", vectors.FILES)
def test_the_vectors_are_the_golden_ones(name: str) -> None:
    assert json.loads((vectors.FOLDER / name).read_text()) == vectors.FILES[name]()


@pytest.mark.parametrize("seed", range(30))
def test_a_program_survives_its_encoding(seed: int) -> None:
    program, _, _ = random_program(seed)
    assert decode_program(encode_program(program)) == program
    for layer in program.layers:
        for operator in layer.operators:
            assert encoding.decode_operator(encoding.encode_operator(operator)) == operator
    assert encoding.decode_interface(encoding.encode_interface(program)) == (program.inputs, program.outputs)
