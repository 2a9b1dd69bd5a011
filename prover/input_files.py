"""Inputs of a model as people give them: files of integers or of reals, or a text where the model reads texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prover.errors import InvalidInput
from prover.model_folder import Model
from prover.program import TensorSpec
from prover.quantisation import Quantisation
from prover.text_input import text_form, tokenised
from prover.trace import NUMPY_DTYPES, Array

FILE_ENDINGS = (".npy", ".bin")
"""What ends so is no text."""


def read_inputs(model: Model, given: Sequence[str | Path]) -> list[Array]:
    """The program's inputs, one file each, or one text; InvalidInput says what is wrong and what is wanted.

    A `.npy` file holds the integers of the program's dtype and shape, or floats of that shape; any other file holds
    the integers' little-endian bytes. Whole numbers, such as token ids, may be of any dtype, and are refused where the
    module takes no such number. What names no file is a text, if the model's folder has a tokenizer.
    """
    specs = model.program.inputs
    if len(given) == 1 and text_form(model.report) is not None and not _names_file(str(given[0])):
        return tokenised(model, str(given[0]))
    paths = [Path(name) for name in given]
    if len(paths) != len(specs):
        raise InvalidInput(f"the model has {len(specs)} inputs, {len(paths)} files were given")
    forms = model.report.get("inputs", ())
    return [
        _read(path, spec, Quantisation.from_dict(forms[number]) if number < len(forms) else None)
        for number, (path, spec) in enumerate(zip(paths, specs, strict=True))
    ]


def _names_file(given: str) -> bool:
    """Whether it names a file, be it one that is not there; a text may be too long for a file's name."""
    try:
        return Path(given).is_file() or (given.endswith(FILE_ENDINGS) and not any(map(str.isspace, given)))
    except OSError:
        return False


def _read(path: Path, spec: TensorSpec, form: Quantisation | None) -> Array:
    dtype = NUMPY_DTYPES[spec.dtype]
    wanted = f"{spec.nbytes} bytes: {' x '.join(map(str, spec.shape))} of {spec.dtype.name.lower()}"
    try:
        array = _array(path) if path.suffix == ".npy" else np.frombuffer(path.read_bytes(), "u1")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"input {path} cannot be read: {error}; give {wanted}") from error
    if path.suffix != ".npy":
        if array.size != spec.nbytes:
            raise InvalidInput(f"input {path} has {array.size} bytes; the model takes {wanted}")
        array = array.view(dtype).reshape(spec.shape)
    whole = form is not None and form.whole and array.dtype.kind in "iu"
    if form is not None and array.shape == spec.shape and (whole or array.dtype.kind == "f"):
        if not np.isfinite(array).all():
            raise InvalidInput(f"input {path} contains NaN or infinite values; replace them")
        try:
            return form.quantise(array)
        except InvalidInput as error:
            raise InvalidInput(f"input {path}: {error}") from error
    if array.dtype != dtype or array.shape != spec.shape:
        held = f"{' x '.join(map(str, array.shape))} of {array.dtype}"
        raise InvalidInput(f"input {path} holds {held}; the model takes {wanted}, or floats of that shape")
    return np.ascontiguousarray(array)


def _array(path: Path) -> np.ndarray:
    """The one array of a `.npy` file; ValueError if it is none. (numpy.load also opens archives and pickles.)"""
    with path.open("rb") as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array
