"""build/nightly.json: the figures of the nightly commands, each of which adds its own keys."""

from __future__ import annotations

import json
from pathlib import Path

PATH = Path(__file__).resolve().parents[2] / "build" / "nightly.json"


def merge(path: Path = PATH, /, **figures: object) -> None:
    """Set these keys of the report, keep the others."""
    held = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(held | figures, indent=1, sort_keys=True) + "\n")
