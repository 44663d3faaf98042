"""Deckies made for a test or the demo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.cluster import get, kubectl

SERVER_HEADER = "nginx/1.18.0"
USERS = "root:toor,admin:admin123"
SSH = {"name": "ssh", "persona": {"users": USERS}}
HTTP = {"name": "http", "persona": {"fake_app": "wordpress"}}


def manifest(name: str, **spec: Any) -> dict[str, Any]:
    """A Decky object; ssh and http unless `spec` says otherwise."""
    if not {"services", "archetype", "customServices"} & spec.keys():
        spec["services"] = [SSH, HTTP]
    return {"apiVersion": "decnet.io/v1alpha1", "kind": "Decky", "metadata": {"name": name}, "spec": spec}


def apply(*objects: dict[str, Any]) -> None:
    """Create or update `objects`."""
    body = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    kubectl("apply", "-f", "-", stdin=json.dumps(body))


def wait_ready(*names: str, timeout: int = 90) -> list[dict[str, Any]]:
    """The status of each named decky once all are Ready."""
    deckies = [f"decky/{name}" for name in names]
    kubectl("wait", "--for=condition=Ready", *deckies, f"--timeout={timeout}s", timeout=timeout + 30)
    return [get(decky)["status"] for decky in deckies]


def condition(name: str, kind: str) -> dict[str, Any]:
    """One condition of a decky, empty when it has none of that type."""
    conditions = get(f"decky/{name}").get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


@contextmanager
def deckies(*objects: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Statuses of Ready deckies that go when the block ends."""
    names = [item["metadata"]["name"] for item in objects]
    try:
        apply(*objects)
        yield wait_ready(*names)
    finally:
        kubectl("delete", "decky", *names, "--ignore-not-found", "--wait", "--timeout=60s")
