"""The devnet: an eth-tester chain served on loopback, with the contracts, funded keys and the digits model on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from eth_account import Account

from contracts import calls
from contracts.chain import Chain
from contracts.client import Client
from contracts.deployment import Deployment, deploy
from contracts.devnet_files import HOST, PORT, DevnetFiles
from contracts.keys import OWNER_ONLY
from contracts.messages.embedded import EmbeddedBroker
from contracts.provider import DEVNET_KEYS, DevnetChain, LocalProvider
from deploy.rpc_server import RpcServer
from prover import model_folder
from prover.model_folder import Model
from prover.trace import Array

ROLES = ("deployer", "executor", "watcher", "requester", "dishonest", "mistaken")
SAMPLES = 20
"""Held-out images written out for requests."""


class Devnet:
    """A chain in this process behind a port, with the contracts deployed."""

    def __init__(self, files: DevnetFiles, port: int = PORT, host: str = HOST) -> None:
        self.files = files
        self._chain = DevnetChain()
        self.server = RpcServer(self._chain.handle, port, host)
        local = Chain(LocalProvider(self._chain), self.server.url)
        deployer = Account.from_key(DEVNET_KEYS[0])
        self.deployment: Deployment = deploy(local, deployer)
        self._deployer = Client(local, self.deployment, deployer)
        files.directory.mkdir(parents=True, exist_ok=True)
        keys = dict(zip(ROLES, DEVNET_KEYS, strict=False))
        files.keys.write_text(json.dumps(keys, indent=2) + "\n")
        files.keys.chmod(OWNER_ONLY)
        self.deployment.save(files.deployment)

    def serve(self, broker: EmbeddedBroker | None = None) -> None:
        """Answer until interrupted; the files `url`, and `broker` if one serves, too, say so meanwhile."""
        if broker is not None:
            _write(self.files.broker, broker.url)
        _write(self.files.url, self.server.url)
        try:
            self.server.serve()
        finally:
            self.files.url.unlink(missing_ok=True)
            self.files.broker.unlink(missing_ok=True)

    def register(self, model: Model) -> Path:
        """Publish a model in the devnet's folder and register it; its folder."""
        folder = model_folder.publish(model, self.files.models)
        self._deployer.transact(calls.register_model(model.program, folder.resolve().as_uri()))
        return folder


def _write(path: Path, text: str) -> None:
    """Whole, or not at all."""
    staging = path.with_suffix(".new")
    staging.write_text(text)
    staging.replace(path)


def write_samples(directory: Path, images: Sequence[Array], labels: Sequence[int]) -> None:
    """Quantised images as the model takes them, one file each, with their labels."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        np.save(directory / f"{number}.npy", image)
    (directory / "labels.json").write_text(json.dumps([int(label) for label in labels]) + "\n")
