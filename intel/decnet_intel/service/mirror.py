"""From a Kubernetes object to the row that mirrors it. Pure; anything may be missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Values = dict[str, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(value: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return when.replace(tzinfo=when.tzinfo or UTC) if when else None


def _ready(status: Mapping[str, Any]) -> Values:
    """ready, reason and message of the Ready condition."""
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Ready":
            return {
                "ready": condition.get("status") == "True",
                "reason": _text(condition.get("reason")),
                "message": _text(condition.get("message")),
            }
    return {"ready": False, "reason": None, "message": None}


def _port(port: object) -> str:
    """A port however it is written, as `22/TCP`."""
    if isinstance(port, Mapping):
        return f"{port.get('port', port.get('containerPort', ''))}/{port.get('protocol', 'TCP')}"
    return str(port) if "/" in str(port) else f"{port}/TCP"


def _service(service: object) -> Values:
    if not isinstance(service, Mapping):
        return {"name": str(service), "ready": None, "ports": []}
    ready = service.get("ready")
    return {
        "name": str(service.get("name", "")),
        "ready": ready if isinstance(ready, bool) else None,
        "ports": [_port(port) for port in service.get("ports") or []],
    }


def decky_values(decky: Mapping[str, Any]) -> Values:
    """The row of a Decky. What its status says goes before what its spec asks for."""
    metadata, spec, status = (_mapping(decky.get(part)) for part in ("metadata", "spec", "status"))
    network = _mapping(spec.get("network"))
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "node": _text(status.get("node")),
        "ip": _text(status.get("ip")) or _text(network.get("ip")),
        "mac": _text(status.get("mac")) or _text(network.get("mac")),
        "hostname": _text(status.get("hostname")) or _text(spec.get("hostname")),
        "archetype": _text(spec.get("archetype")),
        "os": _text(status.get("os")) or _text(spec.get("os")),
        "distro": _text(status.get("distro")) or _text(spec.get("distro")),
        "services": [_service(service) for service in status.get("services") or spec.get("services") or []],
        "created_at": _time(metadata.get("creationTimestamp")),
        **_ready(status),
    }


def swarm_host_values(host: Mapping[str, Any]) -> Values:
    """The row of a SwarmHost. A fingerprint that is none is no pin."""
    metadata, status = (_mapping(host.get(part)) for part in ("metadata", "status"))
    certificate = _mapping(status.get("certificate"))
    sha256 = certificate.get("sha256")
    return {
        "name": metadata["name"],
        "sha256": sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
        "not_after": _time(certificate.get("notAfter")),
        "lan": dict(_mapping(status.get("lan"))),
        **_ready(status),
    }
