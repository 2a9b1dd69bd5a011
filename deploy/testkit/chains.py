"""Chains to test on, whose time and history the test commands: eth-tester in this process, or an anvil process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

from web3 import HTTPProvider, Web3
from web3.providers.base import BaseProvider, JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from contracts.chain import Chain
from contracts.provider import DevnetChain, LocalProvider
from deploy.anvil import AnvilProcess
from prover.errors import RefuteError

Listener = Callable[[bytes], None]
"""Is given a signed transaction before the node has it."""


class CommandedChain(ABC):
    """A chain that mines each transaction at once, in a block of its own; to be closed after use.

    Its accounts are those of `contracts.provider.DEVNET_KEYS`, with a million ether each.
    """

    def __init__(self) -> None:
        provider = self._provider()
        self.chain = Chain(provider, self.url)
        self.web3 = Web3(provider)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it answers, for messages."""

    @abstractmethod
    def _provider(self) -> JSONBaseProvider:
        """A connection of its own."""

    def overheard(self, listener: Listener) -> Chain:
        """Another connection to it; what is sent through it is told to `listener` first."""
        return Chain(_Overheard(self._provider(), listener), self.url)

    def ask(self, method: str, *parameters: Any) -> Any:
        """The result of a JSON-RPC call; RefuteError if there is none."""
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        if "error" in answer:
            raise RefuteError(f"the chain refused {method}: {answer['error']}")
        return answer["result"]

    # Time, as block timestamps in seconds

    @property
    def now(self) -> int:
        """The timestamp of the latest block."""
        return self.chain.block().timestamp

    def set_next_time(self, timestamp: int) -> None:
        """The next transaction is mined in a block of exactly this timestamp."""
        self.ask("evm_setNextBlockTimestamp", timestamp)

    def set_time(self, timestamp: int) -> None:
        """Mine an empty block of this timestamp."""
        self.set_next_time(timestamp)
        self.ask("evm_mine")

    # History

    @abstractmethod
    def snapshot(self) -> object:
        """A point of its history to `revert` to, once."""

    @abstractmethod
    def revert(self, point: object) -> None:
        """Undo everything after a point, blocks and time included: a reorganisation goes back to it."""

    def close(self) -> None:
        """Let go of what it needs outside this process: by default there is nothing."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class EthTester(CommandedChain):
    """py-evm in this process: nothing to install, nothing to start."""

    def __init__(self) -> None:
        self.devnet = DevnetChain()
        super().__init__()

    @property
    def url(self) -> str:
        return "this process"

    def _provider(self) -> JSONBaseProvider:
        return LocalProvider(self.devnet)

    def snapshot(self) -> object:
        return self.devnet.tester.take_snapshot()

    def revert(self, point: object) -> None:
        self.devnet.tester.revert_to_snapshot(point)


class Anvil(CommandedChain):
    """A process of Foundry's anvil; NoAnvil says how to get it."""

    def __init__(self) -> None:
        self.process = AnvilProcess({"--chain-id": 31337})
        self.process.start()
        try:
            super().__init__()
        except BaseException:
            self.process.stop()
            raise

    @property
    def url(self) -> str:
        return self.process.url

    def _provider(self) -> JSONBaseProvider:
        return HTTPProvider(self.url)

    def snapshot(self) -> object:
        return self.ask("evm_snapshot")

    def revert(self, point: object) -> None:
        self.ask("evm_revert", point)

    def reorganise(self, blocks: int) -> None:
        """Replace the last blocks by as many empty ones; their transactions are gone."""
        self.ask("anvil_reorg", blocks, [])

    def close(self) -> None:
        self.process.stop()


CHAINS: dict[str, Callable[[], CommandedChain]] = {"eth-tester": EthTester, "anvil": Anvil}
"""By the names under which a test chooses one."""


class _Overheard(JSONBaseProvider):
    """A provider that lets somebody see each transaction before the node does."""

    def __init__(self, provider: BaseProvider, listener: Listener) -> None:
        super().__init__()
        self._provider = provider
        self._listener = listener

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        if method == "eth_sendRawTransaction":
            self._listener(bytes.fromhex(str(params[0]).removeprefix("0x")))
        return self._provider.make_request(method, params)

    def is_connected(self, show_traceback: bool = False) -> bool:
        return self._provider.is_connected(show_traceback)
