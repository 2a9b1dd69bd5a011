"""Starts the demo's agents as separate processes, with their output in files, and ends the ones it started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from prover.errors import RefuteError

_STOP_SECONDS = 10


class Agent:
    """One process that was started here; its output goes to `<name>.log`."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Two cores are shared by several agents: one thread each is faster than two that wait.
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def require_running(self) -> None:
        """Raise, with the last lines of its log, if the process has ended."""
        status = self._process.poll()
        if status is not None:
            tail = self.log.read_text(errors="replace").splitlines()[-5:]
            raise RefuteError(f"{self.name} ended with status {status}; see {self.log}: " + " | ".join(tail))

    def resident_mib(self) -> float:
        """What it holds in memory (Linux)."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self) -> None:
        """Ask it to end, and make it end if it does not."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()


class Agents:
    """Every agent of one demo; leaving the context stops them all, newest first."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._stack = ExitStack()
        self._running: list[Agent] = []

    def start(self, name: str, module: str, *arguments: str) -> Agent:
        agent = Agent(name, module, arguments, self._logs)
        self._running.append(agent)
        self._stack.callback(agent.stop)
        return agent

    def stop(self, agent: Agent) -> None:
        agent.stop()
        self._running.remove(agent)

    def kill(self, agent: Agent) -> None:
        agent.kill()
        self._running.remove(agent)

    def require_running(self) -> None:
        """Raise if any agent that should run has ended."""
        for agent in self._running:
            agent.require_running()

    def __enter__(self) -> Agents:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stack.close()
