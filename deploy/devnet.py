"""The devnet: an eth-tester chain served on loopback, with the contracts, funded keys and the digits model on it.

<directory>/deployment.json   where the contracts are
<directory>/keys.json         one private key per role; worth nothing elsewhere
<directory>/models/           published models
<directory>/digits/<n>.npy    held-out images as the model takes them, and labels.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_account import Account

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import Deployment, deploy
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider
from deploy.rpc_server import RpcServer
from prover import model_folder
from prover.model_folder import Model
from prover.trace import Array

DIRECTORY = Path("build/devnet")
PORT = 8545
ROLES = ("deployer", "executor", "watcher", "requester", "dishonest", "mistaken")
SAMPLES = 20
"""Held-out images written out for requests."""


@dataclass(frozen=True)
class Files:
    """Where a devnet's files are."""

    directory: Path

    @property
    def deployment(self) -> Path:
        return self.directory / "deployment.json"

    @property
    def keys(self) -> Path:
        return self.directory / "keys.json"

    @property
    def models(self) -> Path:
        return self.directory / "models"

    @property
    def url(self) -> Path:
        """Holds the chain's URL, from when it answers on."""
        return self.directory / "url"

    def read_url(self) -> str | None:
        """The chain's URL; None until there is one."""
        try:
            return self.url.read_text()
        except FileNotFoundError:
            return None

    @property
    def digits(self) -> Path:
        return self.directory / "digits"


class Devnet:
    """A chain in this process behind a port, with the contracts deployed."""

    def __init__(self, files: Files, port: int = PORT) -> None:
        self.files = files
        self._chain = DevnetChain()
        self.server = RpcServer(self._chain.handle, port)
        local = Chain(LocalProvider(self._chain), self.server.url)
        deployer = Account.from_key(DEVNET_KEYS[0])
        self.deployment: Deployment = deploy(local, deployer)
        self._deployer = Client(local, self.deployment, deployer)
        files.directory.mkdir(parents=True, exist_ok=True)
        keys = dict(zip(ROLES, DEVNET_KEYS, strict=False))
        files.keys.write_text(json.dumps(keys, indent=2) + "\n")
        self.deployment.save(files.deployment)

    def serve(self) -> None:
        """Answer until interrupted; the file `url` says that it does."""
        staging = self.files.url.with_suffix(".new")
        staging.write_text(self.server.url)
        staging.replace(self.files.url)
        try:
            self.server.serve()
        finally:
            self.files.url.unlink(missing_ok=True)

    def register(self, model: Model) -> Path:
        """Publish a model in the devnet's folder and register it; its folder."""
        folder = model_folder.publish(model, self.files.models)
        self._deployer.transact(calls.register_model(model.program, folder.resolve().as_uri()))
        return folder


def write_samples(directory: Path, images: Sequence[Array], labels: Sequence[int]) -> None:
    """Quantised images as the model takes them, one file each, with their labels."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        np.save(directory / f"{number}.npy", image)
    (directory / "labels.json").write_text(json.dumps([int(label) for label in labels]) + "\n")
