"""Where a devnet's files are: the defaults of every command, so that none needs a flag beside a devnet.

<directory>/deployment.json   where the contracts are
<directory>/keys.json         one private key per role; worth nothing elsewhere
<directory>/models/           published models
<directory>/digits/<n>.npy    held-out images as the model takes them, and labels.json
<directory>/url               the chain's URL, from when it answers on
<directory>/broker            the URL of its message broker, likewise
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path("build/devnet")
HOST = "127.0.0.1"
PORT = 8545
URL = f"http://{HOST}:{PORT}"


@dataclass(frozen=True)
class DevnetFiles:
    """The files of one devnet."""

    directory: Path = DIRECTORY

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
    def digits(self) -> Path:
        return self.directory / "digits"

    @property
    def url(self) -> Path:
        return self.directory / "url"

    @property
    def broker(self) -> Path:
        return self.directory / "broker"

    def read_url(self) -> str | None:
        """The chain's URL; None until there is one."""
        return _read(self.url)

    def read_broker(self) -> str | None:
        """The broker's URL; None if there is none."""
        return _read(self.broker)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
