"""One process per data directory: a lock that the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from contracts.errors import WrongSetup


class DirectoryLock:
    """Holds a directory until `release` or the end of the process; WrongSetup if another process has it.

    Two agents of one account would overtake each other's transactions.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise WrongSetup(
                f"data directory {directory} cannot be used: {error.strerror}; give another --data"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise WrongSetup(
                f"process {holder or 'unknown'} works in {directory} for this account; stop it first, or give another "
                "account and --data"
            ) from error
        # The number is for whoever is refused; where the disk has no room for it, the directory is held all the same.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._file)
