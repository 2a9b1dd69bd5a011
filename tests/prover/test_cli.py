"""The command `prover`: compile, report, inspect and run; what is wrong is one line on stderr and status 1."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from prover import model_folder
from prover.examples.digits_model import CompiledDigits
from prover.model_folder import Model
from prover.runtime import Runtime
from tests.prover.conftest import Prover, Said
from tests.strategies import random_program


def small_model() -> Model:
    program, weights, _ = random_program(5)
    return Model(program, weights)


def nothing() -> None:
    """Returns no model."""


def needs(x: int) -> None:
    """Takes what nobody gives."""


def fails() -> None:
    raise ValueError("of my own")


NO_FUNCTION = "text"


@pytest.fixture
def image(digits: CompiledDigits, tmp_path: Path) -> Path:
    """The first held-out image as the model takes it."""
    path = tmp_path / "image.npy"
    np.save(path, digits.images[0])
    return path


# compile


def test_compile_writes_a_folder_named_by_the_id_and_prints_its_report(compile_command: tuple[Said, Path]) -> None:
    said, models = compile_command
    assert (said.status, said.err) == (0, "")
    (folder,) = models.iterdir()
    assert f"\nmodel {folder.name}\nwritten to {folder}\n" in said.out, "unbroken, to be copied"
    assert "on 360 held-out inputs: " in said.out
    model_folder.load(folder)


def test_compile_takes_any_function_that_returns_a_model(prover: Prover, tmp_path: Path) -> None:
    said = prover("compile", f"{__name__}:small_model", "--models", tmp_path / "models")
    assert said.out.splitlines()[0] == f"model {small_model().id.hex()}"
    assert model_folder.load(tmp_path / "models" / small_model().id.hex()).program == small_model().program


SOURCES = {
    "nosuch": "'nosuch' is neither an example (digits, minilm, llama, gpt2, resnet18, vit) nor module:function",
    ":model": "neither an example",
    ".digits:model": "neither an example",
    "prover.examples.digits_model:": "neither an example",
    "prover.nosuch:model": "cannot be imported: No module named 'prover.nosuch'; give module:function",
    "prover.examples.digits_model:nosuch": "has no attribute 'nosuch'; give module:function",
    f"{__name__}:nothing": "returns NoneType, not a prover.publication.Subject or a Model",
    f"{__name__}:NO_FUNCTION": "is no function but str; give module:function",
    f"{__name__}:needs": "needs x; give a function that needs nothing",
    f"{__name__}:fails": "fails: ValueError: of my own (test_cli.py line ",
}


@pytest.mark.parametrize("source", SOURCES)
def test_compile_refuses_what_gives_no_model(prover: Prover, tmp_path: Path, source: str) -> None:
    assert SOURCES[source] in prover("compile", source, "--models", tmp_path / "models").refusal
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(:", "cannot be imported: SyntaxError: invalid syntax (broken.py, line 1)"),
        ("\n1 / 0", "cannot be imported: ZeroDivisionError: division by zero (broken.py line 2: 1 / 0)"),
        ("import nosuchpackage", "cannot be imported: No module named 'nosuchpackage'"),
    ],
)
def test_compile_refuses_a_module_that_cannot_be_imported(
    prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert expected in prover("compile", "broken:model", "--models", tmp_path / "models").refusal
    assert not (tmp_path / "models").exists()


def test_compile_refuses_a_place_it_cannot_write_to(prover: Prover, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    line = prover("compile", f"{__name__}:small_model", "--models", file).refusal
    assert f"cannot be written under {file}" in line
    assert "choose another --models" in line
    assert file.read_text() == "kept"


# report and inspect


def test_report_prints_accuracies_and_layers(prover: Prover, folder: Path) -> None:
    said = prover("report", folder)
    assert said.status == 0
    assert "passes: at most 0.5 points of accuracy lost" in said.out
    assert all(name in said.out for name in ("stem", "block.a", "block.b", "expand", "hidden", "head"))


def test_report_as_json_is_the_published_file(prover: Prover, folder: Path) -> None:
    said = prover("report", folder, "--json")
    assert json.loads(said.out) == json.loads((folder / model_folder.REPORT_FILE).read_text())


def test_report_of_a_model_without_accuracy_is_its_json(prover: Prover, tmp_path: Path) -> None:
    folder = model_folder.publish(small_model(), tmp_path)
    assert json.loads(prover("report", folder).out) == {"layers": []}


def test_inspect_lists_every_operator(prover: Prover, folder: Path) -> None:
    said = prover("inspect", folder)
    assert f"model {folder.name}\n" in said.out
    program = model_folder.load(folder).program
    assert len(re.findall(r"│ (dot|mul|place|reduce_max) ", said.out)) == program.operator_count
    assert f"{program.operator_count} operators, 40,536 bytes of weights" in said.out


def test_a_folder_may_be_named_from_within(prover: Prover, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert prover("inspect", ".").status == 0


@pytest.mark.parametrize("command", ["report", "inspect", "run"])
def test_a_folder_that_is_no_model_is_refused(prover: Prover, tmp_path: Path, command: str) -> None:
    more = ("--input", tmp_path / "x.npy") if command == "run" else ()
    line = prover(command, tmp_path / "nosuch", *more).refusal
    assert f"model folder {tmp_path / 'nosuch'} cannot be read" in line
    assert line.endswith("fetch the model again from its publisher")


# run


def test_run_prints_outputs_reals_and_the_trace_root(
    prover: Prover, folder: Path, digits: CompiledDigits, image: Path
) -> None:
    run = Runtime(digits.model.program, digits.model.weights).run([digits.images[0]])
    integers, reals, root = prover("run", folder, "--input", image).out.splitlines()
    assert integers == f"output 0: {run.outputs[0].reshape(-1).tolist()}"
    assert root == f"trace root {run.trace.root.hex()}"
    shown = [float(x) for x in reals.removeprefix("  as reals: ").split()]
    scale = digits.model.report["outputs"][0]["scale"]
    np.testing.assert_allclose(shown, run.outputs[0].reshape(-1) * scale, rtol=1e-3)


def test_run_takes_integers_reals_and_bytes_alike(
    prover: Prover, folder: Path, digits: CompiledDigits, image: Path, tmp_path: Path
) -> None:
    scale = digits.model.report["inputs"][0]["scale"]
    np.save(tmp_path / "reals.npy", digits.images[0] * scale)
    np.save(tmp_path / "small_reals.npy", (digits.images[0] * scale).astype(np.float32))
    (tmp_path / "bytes.bin").write_bytes(digits.images[0].tobytes())
    expected = prover("run", folder, "--input", image)
    assert expected.status == 0
    for name in ("reals.npy", "small_reals.npy", "bytes.bin"):
        assert prover("run", folder, "--input", tmp_path / name) == expected


def test_run_shows_every_checkpoint_root_on_one_line_per_layer(
    prover: Prover, folder: Path, digits: CompiledDigits, image: Path
) -> None:
    run = Runtime(digits.model.program, digits.model.weights).run([digits.images[0]])
    shown = [line for line in prover("run", folder, "--input", image, "--trace").out.splitlines() if "layer" in line]
    assert shown == [f"layer {n}: {' '.join(r.hex() for r in roots)}" for n, roots in enumerate(run.trace.roots)]


@pytest.mark.parametrize("backend", ["int8", "float32", "float64", "bf16", "int64"])
def test_run_gives_the_same_root_on_every_backend(prover: Prover, folder: Path, image: Path, backend: str) -> None:
    assert prover("run", folder, "--input", image, "--backend", backend) == prover("run", folder, "--input", image)


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta"])
def test_run_refuses_a_device_that_is_not_here(prover: Prover, folder: Path, image: Path, device: str) -> None:
    line = prover("run", folder, "--input", image, "--device", device).refusal
    assert f"device '{device}' cannot be used" in line


def test_run_refuses_an_unknown_backend(prover: Prover, folder: Path, image: Path) -> None:
    line = prover("run", folder, "--input", image, "--backend", "fp4").refusal
    assert "no matmul backend 'fp4'; choose one of int8, " in line


def array(values: np.ndarray) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        np.save(path, values, allow_pickle=True)

    return write


def archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, np.zeros((1, 1, 8, 8), np.int16))


IMAGE = np.zeros((1, 1, 8, 8), np.int16)
INPUTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("x.npy", lambda path: None, "No such file"),
    "directory": ("x.npy", lambda path: path.mkdir(), "Is a directory"),
    "empty": ("x.npy", lambda path: path.write_bytes(b""), "cannot be read"),
    "no array": ("x.npy", lambda path: path.write_bytes(b"PK\3\4 no archive"), "cannot be read"),
    "cut off": ("x.npy", lambda path: (array(IMAGE)(path), path.write_bytes(path.read_bytes()[:-2])), "cannot be read"),
    "several arrays": ("x.npy", archive, "cannot be read"),
    "objects": ("x.npy", array(np.array([{}], object)), "cannot be read"),
    "another shape": ("x.npy", array(IMAGE[0]), "holds 1 x 8 x 8 of int16"),
    "another order": ("x.npy", array(IMAGE.reshape(8, 8, 1, 1)), "holds 8 x 8 x 1 x 1 of int16"),
    "another shape of reals": ("x.npy", array(np.zeros((8, 8))), "holds 8 x 8 of float64"),
    "another dtype": ("x.npy", array(IMAGE.astype(np.int64)), "holds 1 x 1 x 8 x 8 of int64"),
    "another byte order": ("x.npy", array(IMAGE.astype(">i2")), "holds 1 x 1 x 8 x 8 of >i2"),
    "NaN": ("x.npy", array(np.full(IMAGE.shape, np.nan)), "contains NaN or infinite values; replace them"),
    "too few bytes": ("x.bin", lambda path: path.write_bytes(bytes(127)), "has 127 bytes"),
    "no bytes": ("x.bin", lambda path: path.write_bytes(b""), "has 0 bytes"),
}


@pytest.mark.parametrize("fault", INPUTS)
def test_run_refuses_an_input_of_another_form(prover: Prover, folder: Path, tmp_path: Path, fault: str) -> None:
    name, write, expected = INPUTS[fault]
    write(tmp_path / name)
    line = prover("run", folder, "--input", tmp_path / name).refusal
    assert f"input {tmp_path / name} " in line
    assert expected in line
    assert "128 bytes: 1 x 1 x 8 x 8 of i16" in line or "replace them" in line


def test_run_takes_one_file_per_input(prover: Prover, folder: Path, image: Path) -> None:
    assert "has 1 inputs, 2 files were given" in prover("run", folder, "--input", image, "--input", image).refusal


def too_large(kind: str) -> None:
    if kind == "numpy":
        np.ones(1 << 60, np.int8)
    if kind == "torch":
        torch.ones(1 << 60, dtype=torch.int8)
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


@pytest.mark.parametrize("kind", ["numpy", "torch", "the system"])
def test_too_little_memory_is_said(
    prover: Prover, folder: Path, image: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(Runtime, "run", lambda *_: too_large(kind))
    line = prover("run", folder, "--input", image).refusal
    assert line.startswith("prover: not enough memory (")
    assert line.endswith("free some, or take a machine with more")


def test_any_other_error_of_a_library_is_no_want_of_memory(
    prover: Prover, folder: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Runtime, "run", lambda *_: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        prover("run", folder, "--input", image)


@pytest.mark.parametrize("command", [(), ("compile",), ("report",), ("inspect",), ("run",)])
def test_help_gives_an_example(prover: Prover, command: tuple[str, ...]) -> None:
    assert re.search(r"Examples?:\s+prover \w+ ", prover(*command, "--help").out)
