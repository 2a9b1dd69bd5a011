"""A real mosquitto on a free loopback port, which tests stop and start again; with a password or TLS if they want."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.tools import tool

SECONDS = 10


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Mosquitto:
    """One broker; `start` after `stop` is on the same port. What it keeps is lost with it."""

    def __init__(self, folder: Path, *settings: str, scheme: str = "mqtt", user: str = "") -> None:
        self._program = tool("mosquitto")
        self._folder = folder
        self._settings = settings or ("allow_anonymous true",)
        self.port = free_port()
        self.url = f"{scheme}://{user}{'@' if user else ''}127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve; returns when it answers."""
        # Started by root it would become a user that cannot read the tests' files.
        lines = [f"user {getpass.getuser()}", "set_tcp_nodelay true", f"listener {self.port} 127.0.0.1"]
        lines += self._settings
        file = self._folder / "mosquitto.conf"
        file.write_text("\n".join(lines) + "\n")
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(file)], stdout=log, stderr=log)
        end = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "mosquitto.log").read_text()
            assert time.monotonic() < end, "mosquitto does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def password_file(folder: Path, users: Sequence[tuple[str, str]]) -> str:
    """The setting that lets in these users and nobody else."""
    file = folder / "passwords"
    for number, (user, password) in enumerate(users):
        create = ["-c"] if number == 0 else []
        subprocess.run([tool("mosquitto_passwd"), "-b", *create, str(file), user, password], check=True)
    return f"allow_anonymous false\npassword_file {file}"
