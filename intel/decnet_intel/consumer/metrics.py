"""What each consumer counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

ACTIVE = Gauge(
    "decnet_consumer_active", "1 in the process that is this consumer, 0 where it waits", ["consumer"]
)
EVENTS = Counter("decnet_consumer_events_total", "events whose effects are committed", ["consumer"])
FAILURES = Counter("decnet_consumer_failures_total", "calls of the handler that failed", ["consumer"])
DEAD_LETTERS = Counter("decnet_consumer_dead_letters_total", "events given up after all tries", ["consumer"])
LAG_EVENTS = Gauge(
    "decnet_consumer_lag_events", "events after the cursor, counted up to 100000", ["consumer"]
)
LAG_SECONDS = Gauge("decnet_consumer_lag_seconds", "age of the oldest event after the cursor", ["consumer"])
