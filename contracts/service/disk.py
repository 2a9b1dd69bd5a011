"""Room on the disk that an agent's own files are on."""

from __future__ import annotations

import shutil
from pathlib import Path

LEAST = 100_000_000
"""Bytes below which an agent takes on nothing new: its database must be able to write to the end of a game."""


def free_bytes(directory: Path) -> int:
    """Free bytes where a directory is, or would be."""
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
