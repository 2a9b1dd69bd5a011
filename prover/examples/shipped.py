"""Files that the examples rely on: read once, compared with the hash they were published under, refused otherwise."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from prover.errors import CorruptModel

WEIGHTS = Path(__file__).parent / "weights"
TEXTS = Path(__file__).parent / "texts"
MANIFEST = "MANIFEST.json"


def verified(path: Path, sha256: str) -> bytes:
    """The bytes of a file; CorruptModel if it is missing or is not the file that was published."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorruptModel(f"{path.name}: {error.strerror} ({path}); restore the file or install again") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise CorruptModel(
            f"{path.name}: its sha256 is {found}, published was {sha256} ({path}); restore the file or install again"
        )
    return data


def tensors(name: str, data: bytes) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file as float32."""
    try:
        return {key: tensor.float() for key, tensor in load(data).items()}
    except SafetensorError as error:
        raise CorruptModel(f"{name}: not a safetensors file ({error})") from error


def shipped(name: str, folder: Path = WEIGHTS) -> bytes:
    """A file of the weights folder, as its manifest has it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sha256 = {row["name"]: row["sha256"] for row in manifest["files"]}[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptModel(f"{name}: {MANIFEST} in {folder} does not list it; install again") from error
    return verified(folder / name, sha256)


def shipped_weights(name: str, folder: Path = WEIGHTS) -> dict[str, torch.Tensor]:
    """The tensors of a shipped weight file as float32."""
    return tensors(name, shipped(name, folder))


def publish(name: str, data: bytes, *, command: str, metric: dict[str, float], folder: Path = WEIGHTS) -> None:
    """Write a file into the weights folder and its row into the manifest; for the training scripts.

    Args:
        command: what was run to make the file.
        metric: what was measured with it, by name.
    """
    folder.mkdir(exist_ok=True)
    path = folder / MANIFEST
    rows = json.loads(path.read_text())["files"] if path.exists() else []
    row = {
        "name": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "command": command,
        "metric": metric,
    }
    rows = sorted([*(old for old in rows if old["name"] != name), row], key=lambda each: str(each["name"]))
    (folder / name).write_bytes(data)
    path.write_text(json.dumps({"files": rows}, indent=2) + "\n")


def publish_weights(
    name: str, module: torch.nn.Module, *, command: str, metric: dict[str, float], folder: Path = WEIGHTS
) -> None:
    """As publish, for a module's floating-point tensors as float16; a tied tensor is stored once."""
    half: dict[str, torch.Tensor] = {}
    stored: set[int] = set()
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point() and tensor.data_ptr() not in stored:
            stored.add(tensor.data_ptr())
            half[key] = tensor.detach().half().contiguous()
    publish(name, save(half), command=command, metric=metric, folder=folder)
