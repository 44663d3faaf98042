"""The SwarmHost of a node that is enrolled by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decnet_operator.api import API_VERSION
from decnet_operator.specs.names import ENROLLED_BY, MANAGER


def enrolled_host(node: Mapping[str, Any]) -> dict[str, Any]:
    """Owned by the node: when that leaves the cluster, so does the SwarmHost, and with it the pinned certificate."""
    metadata = node["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": "SwarmHost",
        "metadata": {
            "name": metadata["name"],
            "annotations": {ENROLLED_BY: MANAGER},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]}
            ],
        },
        "spec": {},
    }
