"""A bus's metrics in Prometheus form, beside the agent's own while it runs (docs/observing.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from contracts.messages.envelope import Reason
from contracts.messages.mqtt import MqttBus
from contracts.service.metrics import REGISTRY


class BusCollector(Collector):
    """What one bus has said and heard; every reason to refuse a message has its counter from the start."""

    def __init__(self, bus: MqttBus) -> None:
        self._bus = bus

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        bus = self._bus
        yield GaugeMetricFamily("refute_bus_connected", "1 while the message broker answers", float(bus.connected))
        yield CounterMetricFamily("refute_bus_published", "Messages that the broker has confirmed", bus.published)
        yield CounterMetricFamily("refute_bus_dropped", "Messages that waited too long for a broker", bus.dropped)
        yield CounterMetricFamily("refute_bus_received", "Messages that passed every check", bus.gate.admitted)
        refused = CounterMetricFamily("refute_bus_refused", "Messages that did not, by reason", labels=["reason"])
        for reason in Reason:
            refused.add_metric([reason.value], bus.gate.refused[reason])
        yield refused


@contextmanager
def measured(bus: MqttBus) -> Iterator[None]:
    """Show a bus's metrics meanwhile; one bus at a time."""
    collector = BusCollector(bus)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)
