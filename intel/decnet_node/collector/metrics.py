"""What the collector tells Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from decnet_node.collector.store import Store

_PREFIX = "decnet_collector_"


class Metrics:
    """Counters and gauges of one collector."""

    def __init__(self, connected: Callable[[], bool]) -> None:
        self.registry = CollectorRegistry()
        self.taken = self._counter("files_taken", "Files copied from the spools.")
        self.taken_bytes = self._counter("bytes_taken", "Their bytes.")
        self.stored = self._counter("files_stored", "Files that the listener has stored.")
        self.sent_bytes = self._counter("bytes_sent", "Bytes of files given to the connection.")
        self.told = self._counter("losses_told", "Reports of losses that the listener has recorded.")
        self.refused = self._counter("losses_refused", "Reports that the listener refused; they are dropped.")
        self.reconnects = self._counter("reconnects", "Connections that ended or were not made.")
        self.state_errors = self._counter(
            "state_errors", "Failed writes of copies or index, and broken index files."
        )
        gauge = Gauge(_PREFIX + "connected", "1 while the listener is connected.", registry=self.registry)
        gauge.set_function(lambda: float(connected()))

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(_PREFIX + name, text, registry=self.registry)


class StoreCollector(Collector):
    """What waits for the listener, measured when asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        copies, size, oldest, losses = self._store.state()
        yield _gauge("waiting_files", "Copies that wait for the listener.", copies)
        yield _gauge("waiting_bytes", "Their bytes.", size)
        age = max(time.time() - oldest, 0.0) if oldest is not None else 0.0
        yield _gauge("waiting_seconds", "Age of the oldest of them.", age)
        yield _gauge("losses_waiting", "Reports of losses that the listener has not recorded yet.", losses)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)
