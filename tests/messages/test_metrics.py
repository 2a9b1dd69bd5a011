"""What an agent shows of its messages: whether there is a broker, and what was said, heard and refused."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import generate_latest

from contracts.messages import broker, kinds
from contracts.messages.command_line import joined
from contracts.messages.envelope import Domain, Reason
from contracts.service.metrics import REGISTRY
from tests.agents.stage import Stage
from tests.messages.mosquitto import Mosquitto
from tests.messages.party import eventually, throw

MOVED = kinds.Moved(bytes(32), bytes(32), "trace", "challenger", 5, 6)
SAMPLE = re.compile(r'^refute_bus_([a-z_]+?)(?:_total)?(?:\{reason="([a-z_]+)"\})? ([0-9.]+)$', re.MULTILINE)


def shown() -> dict[str, float]:
    """Values by the metric's name, or by the reason."""
    return {reason or name: float(value) for name, reason, value in SAMPLE.findall(generate_latest(REGISTRY).decode())}


def test_what_is_said_heard_and_refused_is_counted(mosquitto: Mosquitto, tmp_path: Path) -> None:
    client = Stage(tmp_path / "models").watcher_client
    topic = Domain(client.chain.id, client.deployment.refute).topics.to(kinds.Moved, client.address)
    with joined(broker.read(mosquitto.url), client, "watcher") as bus:
        eventually(lambda: shown()["connected"] == 1)
        none = dict.fromkeys(Reason, 0.0)
        assert shown() == {"connected": 1, "published": 0, "dropped": 0, "received": 0, **none}
        bus.publish(MOVED, client.address)
        throw(mosquitto.url, [(topic, b"?"), (topic, b"?" * 100_000), (topic, b"")])
        eventually(lambda: shown()["received"] + sum(shown()[reason] for reason in Reason) == 4)
        assert shown() == {
            "connected": 1, "published": 1, "dropped": 0, "received": 1,
            **none, Reason.GARBAGE: 1, Reason.OVERSIZED: 1, Reason.TRUNCATED: 1,
        }  # fmt: skip
        mosquitto.stop()
        eventually(lambda: shown()["connected"] == 0)
        for _ in range(300):
            bus.publish(MOVED, client.address)
        assert shown()["dropped"] == 300 - 256
    assert shown() == {}
