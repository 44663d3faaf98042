"""What the operator tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

RECONCILE_SECONDS = Histogram(
    "decnet_operator_reconcile_seconds", "Time that one look at an object took.", ["kind"], registry=REGISTRY
)
RECONCILE_ERRORS = Counter(
    "decnet_operator_reconcile_errors",
    "Looks at an object that failed and are repeated.",
    ["kind"],
    registry=REGISTRY,
)
DECKIES = Gauge("decnet_operator_deckies", "Deckies by state.", ["state"], registry=REGISTRY)
SWARM_HOSTS = Gauge("decnet_operator_swarmhosts", "SwarmHosts by state.", ["state"], registry=REGISTRY)
CERTIFICATES = Counter(
    "decnet_operator_certificates",
    "Certificate requests of nodes by outcome.",
    ["outcome"],
    registry=REGISTRY,
)
CONFLICTS = Counter(
    "decnet_operator_address_conflicts", "Deckies whose address a stranger had.", registry=REGISTRY
)
WRITES = Gauge("decnet_operator_api_writes_total", "Writing calls to the API server.", registry=REGISTRY)
