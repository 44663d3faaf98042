"""What the forwarder tells Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from decnet_node.forwarder.container import ContainerLog
from decnet_node.forwarder.window import Window

_PREFIX = "decnet_forwarder_"
_WORST = 20


class Metrics:
    """Counters and gauges of one forwarder."""

    def __init__(self, connected: Callable[[], bool]) -> None:
        self.registry = CollectorRegistry()
        self.read = self._counter("lines_read", "Lines read from the node's disk.")
        self.acknowledged = self._counter("lines_acknowledged", "Lines that the listener has committed.")
        self.resent = self._counter("lines_resent", "Lines sent again after a reconnection.")
        self.sent_bytes = self._counter("bytes_sent", "Bytes of frames given to the connection.")
        self.reconnects = self._counter("reconnects", "Connections that ended or were not made.")
        self.unreadable = self._counter("files_unreadable", "Log files that could not be read.")
        self.state_errors = self._counter(
            "state_errors", "Failed writes of the offsets, and broken offset files."
        )
        self._connected = connected
        gauge = Gauge(_PREFIX + "connected", "1 while the listener is connected.", registry=self.registry)
        gauge.set_function(lambda: float(connected()))

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(_PREFIX + name, text, registry=self.registry)


class LagCollector(Collector):
    """How far behind the disk the listener is, measured when asked.

    Seconds are those since the oldest line that is read and not acknowledged. Lines that are not read yet
    are estimated from the mean size of those that are. Per container only the worst are given.
    """

    def __init__(self, containers: Iterable[ContainerLog], window: Window, metrics: Metrics) -> None:
        self._containers = containers
        self._window = window
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        lags = {log.container: lag for log in self._containers if (lag := log.lag_bytes())}
        total = sum(lags.values())
        mean = self._window.bytes / self._window.lines if self._window.lines else 0
        oldest = self._window.oldest
        unread = max(total - self._window.bytes, 0)
        yield _gauge("lag_bytes", "Bytes on the disk that are not acknowledged.", total)
        yield _gauge(
            "lag_lines",
            "Lines not acknowledged; those not read yet are estimated.",
            self._window.lines + (unread / mean if mean else 0),
        )
        yield _gauge(
            "lag_seconds",
            "Age of the oldest line that is not acknowledged.",
            max(time.time() - oldest, 0.0) if oldest else 0.0,
        )
        yield _gauge("window_bytes", "Bytes held in memory for lines not acknowledged.", self._window.bytes)
        worst = GaugeMetricFamily(
            _PREFIX + "container_lag_bytes",
            f"The same for the {_WORST} containers that are furthest behind.",
            labels=("namespace", "pod", "container"),
        )
        for it in sorted(lags, key=lambda container: -lags[container])[:_WORST]:
            worst.add_metric((it.namespace, it.pod, it.name), lags[it])
        yield worst


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)
