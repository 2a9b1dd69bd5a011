"""The test kit's stage with the model of three layers, in this process: what the tests of agents are played on."""

from __future__ import annotations

from pathlib import Path

from web3.types import RPCEndpoint, RPCResponse

from contracts.provider import LocalProvider
from deploy.testkit.chains import EthTester
from deploy.testkit.models import interpret, liar, small_model
from deploy.testkit.stage import ETHER, FEE, PARAMETERS
from deploy.testkit.stage import Stage as KitStage

__all__ = ["ETHER", "FEE", "PARAMETERS", "Faltering", "Stage", "interpret", "liar", "small_model"]


class Faltering(LocalProvider):
    """A node that drops the connection at the call that comes after `good` more."""

    good = 1_000

    def make_request(self, method: RPCEndpoint, params: object) -> RPCResponse:
        self.good -= 1
        if self.good == -1:
            raise ConnectionError("the node hung up")
        return super().make_request(method, params)


class Stage(KitStage):
    """A fresh chain for each test. `devnet` is its server."""

    def __init__(self, folder: Path) -> None:
        chain = EthTester()
        self.devnet = chain.devnet
        super().__init__(chain, folder, small_model())
