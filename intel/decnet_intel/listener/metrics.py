"""What the listener counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

LINES = Counter("decnet_listener_lines_total", "lines stored, by what they were", ["kind"])
"""parsed, raw (could not be read), duplicate (was there already), misdated (filed under today)."""

FORGED = Counter(
    "decnet_listener_forged_node_total", "lines that claimed another node than their certificate"
)
REFUSED = Counter("decnet_listener_refused_total", "connections refused or ended for cause", ["reason"])
CONNECTIONS = Gauge("decnet_listener_connections", "connections of nodes")
BUFFERED = Gauge("decnet_listener_buffered_bytes", "memory of lines that wait to be stored")
RETRIES = Counter("decnet_listener_transaction_retries_total", "transactions tried again")
TRANSACTIONS = Histogram(
    "decnet_listener_transaction_seconds",
    "time to commit a batch",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
RELOADS = Counter("decnet_listener_certificate_loads_total", "server certificate read", ["outcome"])

ARTIFACTS = Counter("decnet_listener_artifacts_total", "offers of artifacts, by their answer", ["outcome"])
"""stored, quota, invalid, mismatch."""

ARTIFACT_BYTES = Counter("decnet_listener_artifact_bytes_total", "bytes of artifacts written to disk")
ARTIFACT_LOSSES = Counter("decnet_listener_artifact_losses_total", "reports of artifacts that will not come")
ARTIFACT_RETRIES = Counter(
    "decnet_listener_artifact_retries_total", "waits for Postgres or the store to record an artifact"
)
