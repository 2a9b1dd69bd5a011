"""A chain held in this process (eth-tester, Prague rules) behind plain JSON-RPC, with time travel as anvil has it.

`DevnetChain.handle` answers one JSON-RPC call; a server can expose it over HTTP. `LocalProvider` lets web3 use it
without a server, through the same encoding, so that tests and the devnet run the same code.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from typing import Any

from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from web3 import EthereumTesterProvider, Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

GAS_LIMIT = 36_000_000
DEVNET_KEYS = tuple(f"0x{number:064x}" for number in range(1, 11))
"""Private keys of the accounts that every devnet chain funds with a million ether each. Worth nothing elsewhere."""

_LATEST = (1 << 62) - 1
"""A time of a block after which the chain can go on."""

REVERTED = 3
INVALID = -32602
UNKNOWN_METHOD = -32601

Params = list[Any]


class DevnetChain:
    """One chain. Every transaction is mined at once in its own block; block time is the wall clock plus travels."""

    def __init__(self) -> None:
        parameters = PyEVMBackend.generate_genesis_params({"gas_limit": GAS_LIMIT})
        self.tester = EthereumTester(PyEVMBackend(genesis_parameters=parameters))
        inner = EthereumTesterProvider(self.tester)
        web3 = Web3(inner)
        web3.middleware_onion.clear()
        self._ask = inner.request_func(web3, web3.middleware_onion)
        self._turn = threading.Lock()
        self._own: dict[str, Callable[[Params], Any]] = {
            "evm_increaseTime": self._increase_time,
            "evm_setNextBlockTimestamp": lambda params: self._set_time(_integer(params[0])),
            "evm_mine": self._mine,
        }

    def handle(self, method: str, params: Params) -> dict[str, Any]:
        """The `result` or `error` member of the JSON-RPC response. Threads take turns."""
        with self._turn:
            return self._handle(method, params)

    def _handle(self, method: str, params: Params) -> dict[str, Any]:
        try:
            if method in self._own:
                return {"result": _jsonable(self._own[method](params))}
            response = self._ask(RPCEndpoint(method), params)
        except TransactionFailed as error:
            return {"error": _revert(error)}
        except Exception as error:  # whatever a caller sends, the chain goes on for the others
            return {"error": {"code": INVALID, "message": f"{method}: {error}"}}
        if "error" in response:
            return {"error": {"code": UNKNOWN_METHOD, "message": f"{method} is not available on this chain"}}
        return {"result": _jsonable(response["result"])}

    def _set_time(self, timestamp: int) -> None:
        """The next block has this timestamp. A chain that could not go on from it refuses it."""
        chain = self.tester.backend.chain
        if not chain.get_canonical_head().timestamp < timestamp <= _LATEST:
            raise ValueError(f"{timestamp} is not after the latest block")
        chain.header = chain.header.copy(timestamp=timestamp)

    def _increase_time(self, params: Params) -> int:
        seconds = _integer(params[0])
        self._set_time(self.tester.backend.chain.header.timestamp + seconds)
        return seconds

    def _mine(self, params: Params) -> str:
        if params and params[0] is not None:
            self._set_time(_integer(params[0]))
        self.tester.mine_block()
        return "0x0"


class LocalProvider(JSONBaseProvider):
    """Lets web3 talk to a `DevnetChain` in this process."""

    def __init__(self, chain: DevnetChain) -> None:
        super().__init__()
        self.chain = chain

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        answer = self.chain.handle(method, list(params))
        return {"jsonrpc": "2.0", "id": 1, **answer}  # type: ignore[typeddict-item]

    def is_connected(self, show_traceback: bool = False) -> bool:
        return True


def _integer(value: Any) -> int:
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else int(value)


def _revert(error: TransactionFailed) -> dict[str, Any]:
    """eth-tester gives a revert's data as the text of a bytes literal; web3 wants it as `data`."""
    text = str(error.args[0]).removeprefix("execution reverted: ")
    try:
        data = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        data = None
    if isinstance(data, bytes):
        return {"code": REVERTED, "message": "execution reverted", "data": "0x" + data.hex()}
    return {"code": REVERTED, "message": f"execution reverted: {text}", "data": "0x"}


def _jsonable(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    return [_jsonable(item) for item in value]
