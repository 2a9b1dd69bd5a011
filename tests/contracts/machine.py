"""Pure contract functions called on pyrevm: fractions of a millisecond each, refusals by name, gas of the execution."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pyrevm import EVM

from contracts.abi import Abi, artifact

_REVERTED = re.compile(r"Revert \{.*output: 0x([0-9a-f]*)")
CALLER = "0x" + "11" * 20


class Refused(Exception):
    """The contract reverted; `name` is its error's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def refused(error: RuntimeError, abi: Abi) -> Refused:
    """What pyrevm's error means: it tells a revert's data only in its message; out of gas and the like have none."""
    output = _REVERTED.search(str(error))
    return Refused(abi.decode_error(bytes.fromhex(output[1]))[0] if output else str(error))


class Machine:
    """One deployed contract."""

    def __init__(self, name: str) -> None:
        made = artifact(name)
        self.abi = Abi(made.abi, artifact("Refute").abi)
        self._evm = EVM()
        self._evm.set_balance(CALLER, 10**20)
        arguments = (self._evm.deploy(CALLER, artifact("Commitments").bytecode),) if name == "Walk" else ()
        self._address = self._evm.deploy(CALLER, made.bytecode + Abi(made.abi).encode_constructor(arguments))
        self.gas = 0
        self._functions = {entry["name"] for entry in made.abi if entry["type"] == "function"}

    def call(self, function: str, *arguments: Any) -> Any:
        """What the function returns; Refused if it reverts. `gas` is then what its execution used."""
        return self.abi.decode_result(function, self.send(self.abi.encode_call(function, arguments)))

    def send(self, data: bytes) -> bytes:
        """What a call with this calldata returns, as it comes; Refused if it reverts."""
        try:
            answer = self._evm.message_call(CALLER, self._address, calldata=data, gas=10**9)
        except RuntimeError as error:
            raise refused(error, self.abi) from None
        nonzero = sum(1 for byte in data if byte)
        self.gas = self._evm.result.gas_used - 21_000 - 4 * (len(data) - nonzero) - 16 * nonzero
        return bytes(answer)

    def has(self, function: str) -> bool:
        """Whether the contract has a function of this name."""
        return function in self._functions

    def artifact_errors(self) -> list[dict[str, Any]]:
        """The declared errors of the product's contracts."""
        return [dict(entry) for entry in artifact("Refute").abi if entry["type"] == "error"]


@cache
def machine(name: str) -> Machine:
    return Machine(name)
