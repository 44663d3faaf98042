"""Every line arrives once, whatever part of the pipe was away meanwhile."""

from __future__ import annotations

import time
from typing import Any

from lab.attacker import Attacker
from lab.cluster import PRODUCT_NAMESPACE, events, kubectl, last_event_id, wait_for

OUTAGE = 60  # seconds
REQUESTS = 300


def test_a_listener_away_for_a_minute_costs_nothing(attacker: Attacker, decky: dict[str, Any]) -> None:
    since = last_event_id()
    listeners = kubectl(
        "-n", PRODUCT_NAMESPACE, "get", "deployment/decnet-listener", "-o", "jsonpath={.spec.replicas}"
    )
    _scale_listener("0")
    started = time.monotonic()
    try:
        kubectl(
            "-n", PRODUCT_NAMESPACE, "wait", "pod", "-l", "app.kubernetes.io/component=listener",
            "--for=delete", "--timeout=60s",
        )  # fmt: skip
        urls = "\n".join(f"url = http://{decky['ip']}/line-{n}\noutput = /dev/null" for n in range(REQUESTS))
        attacker.do("curl", "-s", "--config", "-", stdin=urls)
        time.sleep(max(0.0, OUTAGE - (time.monotonic() - started)))
    finally:
        _scale_listener(listeners)
    kubectl("-n", PRODUCT_NAMESPACE, "rollout", "restart", "daemonset/decnet-node-agent")
    kubectl("-n", PRODUCT_NAMESPACE, "rollout", "status", "daemonset/decnet-node-agent", "--timeout=120s")

    def paths() -> list[str]:
        rows = events(decky["name"], "event_id = 'http_request' and fields->>'path' like '/line-%'", since)
        return [row["fields"]["path"] for row in rows]

    wanted = [f"/line-{n}" for n in range(REQUESTS)]
    wait_for("every line", lambda: set(paths()) >= set(wanted), timeout=60, every=1)
    time.sleep(5)  # a second copy would come with the restarted agent's first batches
    assert paths() == wanted


def _scale_listener(replicas: str) -> None:
    kubectl("-n", PRODUCT_NAMESPACE, "scale", "deployment/decnet-listener", f"--replicas={replicas}")
