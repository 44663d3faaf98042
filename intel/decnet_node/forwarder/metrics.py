"""What the forwarder tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from decnet_node.forwarder.container import ContainerLog
from decnet_node.forwarder.files import Container
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
        self.cut = self._counter("lines_cut", "Lines sent that were over the limit and are cut.")
        self.suppressed = Counter(
            _PREFIX + "lines_suppressed",
            "Lines withheld and counted, again after a restart. Each is in an event `suppressed`.",
            ["reason"],
            registry=self.registry,
        )
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
    """How far behind the disk the listener is, measured when asked. Per container only the worst are given."""

    def __init__(self, containers: Iterable[ContainerLog], window: Window) -> None:
        self._containers = containers
        self._window = window

    def collect(self) -> Iterator[Metric]:
        lags = {it.container: lag for it in self._containers if any(lag := it.lag())}
        yield _gauge("containers", "Containers whose logs are read.", sum(1 for _ in self._containers))
        yield _gauge("window_bytes", "Bytes held in memory for lines not acknowledged.", self._window.bytes)
        yield from _lag_of(
            "lines",
            "Lines not acknowledged; those not read yet are estimated.",
            {it: lag.lines for it, lag in lags.items()},
            sum,
        )
        yield from _lag_of(
            "bytes",
            "Bytes on the disk that are not acknowledged.",
            {it: lag.bytes for it, lag in lags.items()},
            sum,
        )
        yield from _lag_of(
            "seconds",
            "Age of the oldest line that is not acknowledged.",
            {it: lag.seconds for it, lag in lags.items()},
            lambda values: max(values, default=0.0),
        )


def _lag_of(
    unit: str,
    text: str,
    lags: Mapping[Container, float],
    overall: Callable[[Iterable[float]], float],
) -> Iterator[Metric]:
    """The lag of everything, and of the containers that are furthest behind."""
    yield _gauge(f"lag_{unit}", text, overall(lags.values()))
    worst = GaugeMetricFamily(
        f"{_PREFIX}container_lag_{unit}",
        f"{text} The {_WORST} containers that are furthest behind.",
        labels=("namespace", "pod", "container"),
    )
    for it in sorted(lags, key=lambda container: -lags[container])[:_WORST]:
        worst.add_metric((it.namespace, it.pod, it.name), lags[it])
    yield worst


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)
