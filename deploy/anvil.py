"""An anvil process under Prague's rules, with the devnet's accounts, and its JSON-RPC."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import requests
from eth_account import Account

from contracts.forge import NoForge, binary
from contracts.provider import DEVNET_KEYS, GAS_LIMIT
from prover.errors import RefuteError

PATIENCE = 20.0
"""Seconds that anvil is given to do what takes it milliseconds."""


class NoAnvil(RefuteError):
    """Anvil is not installed."""


class AnvilProcess:
    """One anvil process; RefuteError if it does not start.

    Args:
        options: of the command line, with their values.
        flags: those without a value.
    """

    def __init__(self, options: Mapping[str, object], flags: Sequence[str] = ()) -> None:
        self._options = {"--hardfork": "prague", "--gas-limit": GAS_LIMIT, **options}
        self._flags = flags
        self._session = requests.Session()
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        found = anvil()
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        words = [str(word) for option in {"--port": port, **self._options}.items() for word in option]
        self._process = subprocess.Popen([found, "--silent", *self._flags, *words])
        try:
            self._wait(found)
            for key in DEVNET_KEYS:
                self.ask("anvil_setBalance", Account.from_key(key).address, hex(10**24))
        except BaseException:
            self._process.kill()
            raise

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._session.close()

    def _wait(self, found: str) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("eth_chainId")
                return
            except requests.ConnectionError as error:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RefuteError(f"anvil did not start on {self.url}; try it by hand: {found}") from error
                time.sleep(0.05)

    def ask(self, method: str, *params: Any) -> Any:
        """The result of a JSON-RPC call; RefuteError if there is none."""
        body: Any = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._session.post(self.url, json=body, timeout=120).json()
        if "result" not in answer:
            raise RefuteError(f"anvil refused {method}: {answer.get('error')}")
        return answer["result"]


def anvil() -> str:
    """Anvil, the repository's or the one on the PATH; NoAnvil says how to get it."""
    try:
        return str(binary("anvil"))
    except NoForge as missing:
        if (found := shutil.which("anvil")) is not None:
            return found
        raise NoAnvil(f"{missing}, or put Foundry's anvil on the PATH") from missing


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
