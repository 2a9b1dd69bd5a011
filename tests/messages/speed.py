"""How much quicker disputes are with messages: python -m tests.messages.speed

Each figure is the median time from a wrong claim to its fall, six transactions later, on a devnet that mines each at
once; what takes time is waiting for the next look at the chain.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from contracts.messages.embedded import EmbeddedBroker
from tests.messages.mosquitto import Mosquitto
from tests.messages.party import eventually
from tests.messages.table import Table

RUNS = 3
INTERVALS = (0.5, 2.0, 12.0)
"""Seconds between looks: the agents' default, a quick chain's block, and a slow one's."""


def dispute(url: str | None, interval: float) -> float:
    """Seconds of one dispute."""
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder), url)
        try:
            request = table.stage.ask()
            table.run(table.executor(interval=interval), table.watcher(interval=interval))
            eventually(lambda: bool(table.stage.claims_of(request)), seconds=300)
            begun = time.monotonic()
            eventually(lambda: table.won(request), seconds=300)
            return time.monotonic() - begun
        finally:
            table.leave()


def main(intervals: tuple[float, ...]) -> None:
    with EmbeddedBroker() as embedded, tempfile.TemporaryDirectory() as folder:
        mosquitto = Mosquitto(Path(folder))
        mosquitto.start()
        print("| seconds between looks | no broker | embedded broker | mosquitto |\n|---|---|---|---|")
        for interval in intervals:
            runs = [[dispute(url, interval) for _ in range(RUNS)] for url in (None, embedded.url, mosquitto.url)]
            print(f"| {interval:g} | " + " | ".join(f"{median(times):.2f} s" for times in runs) + " |", flush=True)
        mosquitto.stop()


if __name__ == "__main__":
    main(tuple(map(float, sys.argv[1:])) or INTERVALS)
