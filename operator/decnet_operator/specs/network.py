"""The network attachment of one LAN and one OS family."""

from __future__ import annotations

import json
from typing import Any

from decnet_operator.domain.data import Family
from decnet_operator.domain.lan import Lan
from decnet_operator.specs.names import MANAGED_BY_LABEL, MANAGER, network_name

API_VERSION = "k8s.cni.cncf.io/v1"
KIND = "NetworkAttachmentDefinition"


def network_attachment(namespace: str, lan: Lan, family: Family, driver: str) -> dict[str, Any]:
    """A child of the host's interface with static addresses and the family's sysctls.

    Mode `private`, not `bridge`: in bridge mode the kernel hands frames from one child to another of the same node
    directly, past the parent's hooks, so that the node's filter would not see one decky reach for another. Private
    children talk to the wire only, and the node's filter is on the way. Who is outside the node sees no difference.
    (Only ipvlan's L2 mode has bridge, private and vepa too, but the CNI plugin cannot set them.)
    """
    name = network_name(lan.host, family.slug, driver)
    gateway = [{"dst": "0.0.0.0/0", "gw": str(lan.gateway)}] if lan.gateway else []
    tuning: dict[str, Any] = {"type": "tuning", "sysctl": family.all_sysctls()}
    link: dict[str, Any] = {"type": driver, "master": lan.interface, "capabilities": {"ips": True}}
    if driver == "macvlan":
        link["mode"] = "private"
        tuning["capabilities"] = {"mac": True}
    else:
        link["mode"] = "l2"  # children share the parent's MAC address: none can be set
    link["ipam"] = {"type": "static", "routes": gateway}
    config = {"cniVersion": "0.4.0", "name": name, "plugins": [link, tuning]}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGER}},
        "spec": {"config": json.dumps(config, separators=(",", ":"))},
    }
