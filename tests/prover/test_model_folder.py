"""A model folder loads only if every byte of it hashes to its name; each fault is one clear line."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from prover.errors import CorruptModel, InvalidProgram
from prover.model_folder import PROGRAM_FILE, REPORT_FILE, WEIGHTS_FILE, Model, load, publish
from tests.strategies import random_program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    program, weights, _ = random_program(5)
    return publish(Model(program, weights, {"note": "kept"}), tmp_path / "models")


def test_a_published_model_loads(folder: Path) -> None:
    model = load(folder)
    assert model.program == random_program(5)[0]
    assert model.id.hex() == folder.name
    assert model.report["note"] == "kept"
    assert publish(model, folder.parent) == folder
    assert [p.name for p in folder.parent.iterdir()] == [folder.name], "no staging folder is left"


def flip(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[-1] ^= 1
        (folder / name).write_bytes(data)

    return change


def truncate(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return change


FAULTS = [
    *[flip(name) for name in (PROGRAM_FILE, WEIGHTS_FILE)],
    *[truncate(name) for name in (PROGRAM_FILE, WEIGHTS_FILE, REPORT_FILE)],
    *[lambda folder, name=name: (folder / name).unlink() for name in (PROGRAM_FILE, WEIGHTS_FILE, REPORT_FILE)],
    shutil.rmtree,
]


@pytest.mark.parametrize("change", FAULTS)
def test_an_altered_folder_is_refused_in_one_line(folder: Path, change: Callable[[Path], None]) -> None:
    change(folder)
    with pytest.raises(CorruptModel) as refused:
        load(folder)
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_under_another_name_is_refused(folder: Path) -> None:
    other = folder.rename(folder.with_name("00" * 32))
    with pytest.raises(CorruptModel, match="not to its name"):
        load(other)


def test_an_invalid_program_is_not_published(tmp_path: Path) -> None:
    program, _, _ = random_program(5)
    with pytest.raises(InvalidProgram, match="WeightMissing"):
        publish(Model(program, {}), tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_every_file_of_a_folder_may_be_read_by_other_accounts(folder: Path) -> None:
    assert {path.name for path in folder.iterdir() if path.stat().st_mode & 0o044 != 0o044} == set()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    program, weights, _ = random_program(5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            publish(Model(program, weights), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
