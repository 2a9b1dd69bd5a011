"""A published model: a folder named by its id, with the program, the weights and the accuracy report.

    <id>/program.bin           head || interface || per layer: its record || its operators' records;
                               all but the head (74 bytes) with a u32 length before them
    <id>/weights.safetensors   one flat tensor per weight, named by its root in hexadecimal
    <id>/report.json           accuracy, quantisation of the inputs and outputs, layer names; not committed
    <id>/tokenizer.json        of a model that reads texts; not committed

Several folders may hold one weights file under several names, with the weights of all of them.

Whoever loads a folder checks every hash and every validity rule first.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from prover import encoding, validity
from prover.encoding import Reader
from prover.errors import CorruptModel, InvalidProgram
from prover.program import MAX_LAYERS, Layer, ModelId, Program, TensorRoot
from prover.trace import Array

PROGRAM_FILE = "program.bin"
WEIGHTS_FILE = "weights.safetensors"
REPORT_FILE = "report.json"
EXTRA_FILES = ("tokenizer.json",)


@dataclass(frozen=True)
class Model:
    """A program with its weights and the publisher's report on it."""

    program: Program
    weights: Mapping[TensorRoot, Array]
    report: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """More files of its folder, by name."""

    @property
    def id(self) -> ModelId:
        return encoding.model_id(self.program)


def encode_program(program: Program) -> bytes:
    """Every record of the program, in order; the model id commits to all of them."""
    interface = encoding.encode_interface(program)
    parts = [encoding.encode_head(program), _framed(interface)]
    for layer in program.layers:
        parts.append(_framed(encoding.encode_layer(layer)))
        parts += [_framed(encoding.encode_operator(operator)) for operator in layer.operators]
    return b"".join(parts)


def _framed(record: bytes) -> bytes:
    return len(record).to_bytes(4, "big") + record


def decode_program(data: bytes, names: tuple[str, ...] = ()) -> Program:
    """The inverse of `encode_program`; InvalidProgram if it does not parse or its hashes disagree."""
    reader = Reader(data)
    head = reader.take(74)
    inputs, outputs = encoding.decode_interface(reader.take(reader.unsigned(4)))
    layers = int.from_bytes(head[2:6], "big")
    validity.require(layers <= MAX_LAYERS, "WrongLayerCount", f"{layers} layers")
    program = Program(inputs, tuple(_decode_layers(reader, layers)), outputs, names)
    reader.end()
    validity.require(encoding.encode_head(program) == head, "WrongHead", "the records do not hash to the head")
    return program


def _decode_layers(reader: Reader, count: int) -> Iterator[Layer]:
    for _ in range(count):
        operators, outputs, _root = encoding.decode_layer(reader.take(reader.unsigned(4)))
        records = [reader.take(reader.unsigned(4)) for _ in range(operators)]
        yield Layer(tuple(encoding.decode_operator(record) for record in records), outputs)


def publish(model: Model, models: Path) -> Path:
    """Write a model under `models`, in a folder named by its id; nothing half-written is ever visible."""
    return publish_all([model], models)[0]


def publish_all(family: Sequence[Model], models: Path) -> list[Path]:
    """Write several models; their weights are in one file, linked into every folder, so that shared ones lie once.

    OSError if they cannot be written; what is incomplete is removed.
    """
    for model in family:
        validity.check(model.program, model.weights)
    weights = {root: array for model in family for root, array in model.weights.items()}
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".publishing-", dir=models) as held:
        common = Path(held) / WEIGHTS_FILE
        try:
            save_file({root.hex(): np.ascontiguousarray(a).reshape(-1) for root, a in weights.items()}, common)
        except SafetensorError as error:  # a full disk, say
            raise OSError(str(error)) from error
        common.chmod(0o644)  # the library leaves it to its owner alone; an agent may run as another
        return [_publish(model, models, common) for model in family]


def _publish(model: Model, models: Path, weights: Path) -> Path:
    folder = models / model.id.hex()
    if folder.exists():
        load(folder)
        return folder
    staging = Path(tempfile.mkdtemp(prefix=".publishing-", dir=models))
    try:
        (staging / PROGRAM_FILE).write_bytes(encode_program(model.program))
        try:
            os.link(weights, staging / WEIGHTS_FILE)
        except OSError:  # no links on this file system
            shutil.copy(weights, staging / WEIGHTS_FILE)
        report = {**model.report, "layers": list(model.program.names)}
        (staging / REPORT_FILE).write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
        for name, content in model.files.items():
            (staging / name).write_bytes(content)
        staging.chmod(0o755)
        os.replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def name_of(folder: Path) -> str | None:
    """The name that a model's publisher gave it; None if it has none, or no report that can be read."""
    try:
        name = json.loads((folder / REPORT_FILE).read_text()).get("name")
    except (OSError, ValueError, AttributeError):
        return None
    return name if isinstance(name, str) else None


def load(folder: Path) -> Model:
    """A model from its folder, every hash and rule checked; CorruptModel says what is wrong."""
    remedy = "fetch the model again from its publisher"
    try:
        data = (folder / PROGRAM_FILE).read_bytes()
        report = json.loads((folder / REPORT_FILE).read_text())
        weights = {TensorRoot(bytes.fromhex(k)): a for k, a in load_file(folder / WEIGHTS_FILE).items()}
        program = decode_program(data, tuple(report.get("layers", ())))
        validity.check(program, weights)
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise CorruptModel(f"model folder {folder} cannot be read: {error}; {remedy}") from error
    except MemoryError as error:
        raise CorruptModel(
            f"model folder {folder} does not fit into this machine's memory; use a larger one"
        ) from error
    except InvalidProgram as error:
        raise CorruptModel(f"model folder {folder} holds no valid model: {error}; {remedy}") from error
    named = program.weight_roots()
    files = {name: (folder / name).read_bytes() for name in EXTRA_FILES if (folder / name).is_file()}
    model = Model(program, {root: array for root, array in weights.items() if root in named}, report, files)
    if model.id.hex() != folder.name:
        raise CorruptModel(f"model folder {folder} hashes to {model.id.hex()}, not to its name; {remedy}")
    return model
