"""The deployed protocol on pyrevm: transactions of any account at any time, in tenths of a millisecond each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

from pyrevm import EVM, AccountInfo, BlockEnv

from contracts.abi import Abi, artifact, refute_abi
from contracts.calls import Call
from contracts.deployment import Parameters, constructor_arguments
from tests.contracts.machine import refused

START = 1_700_000_000
DEPLOYER = "0x" + "99" * 20
_GAS = 30_000_000
_BASEFEE, _GASPRICE, _PUSH1, _PUSH32 = 0x48, 0x3A, 0x60, 0x7F


class Protocol:
    """The deployed contracts, one block a transaction, at a base fee in wei per gas; nobody is charged for gas.

    For pyrevm a block's base fee is 0 whatever one says, so Refute reads the transaction's gas price in its place.
    """

    def __init__(self, parameters: Parameters, accounts: Sequence[str], base_fee: int) -> None:
        self._evm = EVM()
        self._abi = refute_abi()
        self._base_fee = base_fee
        self._number = 1
        self.gas = 0
        """Of the last transaction."""
        self.now = START
        self._next_block()
        for account in (*accounts, DEPLOYER):
            self._evm.set_balance(account, 10**30)
        made: dict[str, str] = {}
        for name in ("Commitments", "Walk", "Referee", "Refute"):
            compiled = artifact(name)
            arguments = Abi(compiled.abi).encode_constructor(constructor_arguments(name, parameters, made))
            made[name] = self._evm.deploy(DEPLOYER, compiled.bytecode + arguments)
        self.address = made["Refute"]
        held, code = self._evm.basic(self.address), self._evm.get_code(self.address)
        self._evm.insert_account_info(self.address, AccountInfo(nonce=held.nonce, code=_reading_gas_price(code)))

    def _next_block(self) -> None:
        self._number += 1
        self._evm.set_block_env(
            BlockEnv(number=self._number, timestamp=self.now, basefee=self._base_fee, gas_limit=_GAS)
        )

    def set_time(self, now: int) -> None:
        assert now >= self.now
        self.now = now

    @property
    def balance(self) -> int:
        return int(self._evm.get_balance(self.address))

    def balance_of(self, account: str) -> int:
        """Wei."""
        return int(self._evm.get_balance(account))

    def send(self, sender: str, call: Call) -> dict[str, dict[str, Any]]:
        """The events of a transaction: name to arguments, the last of each name. Refused if it reverts."""
        self._next_block()
        data = self._abi.encode_call(call.function, call.arguments)
        try:
            self._evm.message_call(
                sender, self.address, calldata=data, value=call.value, gas=_GAS, gas_price=self._base_fee
            )
        except RuntimeError as error:
            raise refused(error, self._abi) from None
        result = self._evm.result
        assert result is not None
        self.gas = result.gas_used
        events: dict[str, dict[str, Any]] = {}
        for log in result.logs:
            raw = log.data[1] if isinstance(log.data, tuple) else log.data
            event = self._abi.decode_log([bytes.fromhex(t.removeprefix("0x")) for t in log.topics], bytes(raw))
            if event is not None:
                events[event.name] = dict(event.arguments)
        return events

    def view(self, function: str, *arguments: Any) -> Any:
        data = _encoded(function, arguments)
        answer = self._evm.message_call(DEPLOYER, self.address, calldata=data, gas=_GAS, is_static=True)
        return _decoded(function, bytes(answer))


@lru_cache(4096)
def _encoded(function: str, arguments: tuple[Any, ...]) -> bytes:
    return refute_abi().encode_call(function, arguments)


@lru_cache(4096)
def _decoded(function: str, answer: bytes) -> Any:
    return refute_abi().decode_result(function, answer)


@cache
def _reading_gas_price(code: bytes) -> bytes:
    """The same code with another opcode where it reads the base fee."""
    places = [at for at, opcode in _instructions(code) if opcode == _BASEFEE]
    assert places, "tariffs have a price"
    patched = bytearray(code)
    for at in places:
        patched[at] = _GASPRICE
    return bytes(patched)


def _instructions(code: bytes) -> Iterator[tuple[int, int]]:
    """(offset, opcode) of each; what is pushed is none."""
    at = 0
    while at < len(code):
        yield at, code[at]
        at += 1 + max(0, code[at] - _PUSH1 + 1) if code[at] <= _PUSH32 else 1
