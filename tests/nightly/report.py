"""build/nightly.json: the figures of the nightly commands, each of which adds its own keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[2] / "build" / "nightly.json"


def held(path: Path = PATH, /) -> dict[str, Any]:
    """What is in the report so far."""
    figures: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return figures


def merge(path: Path = PATH, /, **figures: object) -> None:
    """Set these keys of the report, keep the others."""
    known = held(path)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(known | figures, indent=1, sort_keys=True) + "\n")
