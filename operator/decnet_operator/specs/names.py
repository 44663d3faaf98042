"""Names, labels and annotations of the objects that we make. Nothing on a pod names the trade."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

COMPONENT_LABEL = "app.kubernetes.io/component"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT = "host"
POD_SELECTOR = f"{COMPONENT_LABEL}={COMPONENT}"

CHECKSUM = "checksum/spec"
HOSTS = "hosts"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "decnet-operator"

ENROLLED_BY = "decnet.io/enrolled-by"
OPT_OUT_LABEL = "decnet.io/enrol"

_MAX_NAME = 63


def network_name(host: str, family: str, driver: str) -> str:
    """Name of the network attachment of one host's LAN and one OS family."""
    suffix = family if driver == "macvlan" else f"{family}-{driver}"
    plain = re.sub(r"[^a-z0-9-]", "-", host)
    if plain != host or len(plain) + len(suffix) + 1 > _MAX_NAME:
        # Two hosts whose names differ in dots only must not share one.
        digest = hashlib.sha256(host.encode()).hexdigest()[:8]
        plain = f"{plain[: _MAX_NAME - len(suffix) - 11]}-{digest}"
    return f"{plain}-{suffix}"


def checksum(value: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that change with `value`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
