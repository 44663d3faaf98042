"""A decky's pod: the persona as a native sidecar, and one container per service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from decnet_operator.api import API_VERSION
from decnet_operator.domain.allocation import Place
from decnet_operator.domain.machine import Machine
from decnet_operator.domain.observed import PERSONA
from decnet_operator.specs import names
from decnet_operator.specs.containers import (
    catalogue_container,
    custom_container,
    lowest_unprivileged_port,
    persona_container,
    service_volumes,
)

GRACE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Deployment:
    """What pods have of the installation: image references by container, and how they are pulled.

    `egress` is "deny", or "off" to test the node's layer alone.
    """

    namespace: str
    images: Mapping[str, str]
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    egress: str = "deny"


def decky_pod(machine: Machine, place: Place, deployment: Deployment) -> dict[str, Any]:
    """The whole manifest, for server-side apply. Its checksum annotation changes with anything in it."""
    who = machine.identity
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": who.name,
            "namespace": who.namespace,
            "labels": {names.COMPONENT_LABEL: names.COMPONENT, names.INSTANCE_LABEL: who.name},
            "annotations": {
                names.DEFAULT_NETWORK: _attachment(machine, place, deployment),
                names.HOSTS: hosts_file(place),
            },
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "Decky",
                    "name": who.name,
                    "uid": who.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": _spec(machine, place, deployment),
    }
    pod["metadata"]["annotations"][names.CHECKSUM] = names.checksum(pod)
    return pod


def hosts_file(place: Place) -> str:
    """/etc/hosts as an installer leaves it; kubelet's own says who wrote it."""
    return (
        "127.0.0.1\tlocalhost\n"
        f"127.0.1.1\t{place.hostname}\n\n"
        "# The following lines are desirable for IPv6 capable hosts\n"
        "::1     localhost ip6-localhost ip6-loopback\n"
        "ff02::1 ip6-allnodes\n"
        "ff02::2 ip6-allrouters\n"
    )


def _attachment(machine: Machine, place: Place, deployment: Deployment) -> str:
    network = {
        "name": names.network_name(place.lan.host, machine.family.slug, place.driver),
        "namespace": deployment.namespace,
        "ips": [f"{place.ip}/{place.lan.subnet.prefixlen}"],
    }
    if place.driver == "macvlan":
        network["mac"] = place.mac
    return json.dumps([network], separators=(",", ":"))


def _spec(machine: Machine, place: Place, deployment: Deployment) -> dict[str, Any]:
    services = [
        catalogue_container(
            item, machine, place, deployment.images[item.definition.slug], deployment.pull_policy
        )
        for item in machine.services
    ]
    own = [custom_container(item, machine, deployment.pull_policy) for item in machine.custom_services]
    # A resolver is required with dnsPolicy None. A LAN's router often is one; egress is denied in any case.
    resolver = place.lan.gateway or place.lan.subnet.network_address + 1
    spec: dict[str, Any] = {
        "affinity": _affinity(place.lan.host),
        "automountServiceAccountToken": False,
        "containers": services + own,
        "dnsConfig": {"nameservers": [str(resolver)]},
        "dnsPolicy": "None",
        "enableServiceLinks": False,
        "hostname": place.hostname,
        "initContainers": [
            persona_container(
                machine, place, deployment.images[PERSONA], deployment.pull_policy, deployment.egress
            )
        ],
        "restartPolicy": "Always",
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "shareProcessNamespace": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        # The decky belongs to its node: evicting it from one that is away would move it nowhere, and a
        # machine that vanishes from the LAN because its node's kubelet was slow gives the game away.
        "tolerations": [
            {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"}
            for state in ("not-ready", "unreachable")
        ],
        "volumes": [
            # Downward API and memory: unlike a ConfigMap's, such a mount shows no path of the node.
            {
                "name": "hosts",
                "downwardAPI": {
                    "defaultMode": 0o644,
                    "items": [
                        {"path": "hosts", "fieldRef": {"fieldPath": f"metadata.annotations['{names.HOSTS}']"}}
                    ],
                },
            },
            {"name": PERSONA, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            *service_volumes(machine),
        ],
    }
    if lowest := lowest_unprivileged_port(machine):
        # So that no service needs a capability, or root, for its port. One of the sysctls that every kubelet allows.
        sysctl = {"name": "net.ipv4.ip_unprivileged_port_start", "value": str(lowest)}
        spec["securityContext"]["sysctls"] = [sysctl]
    if deployment.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in deployment.pull_secrets]
    if machine.runtime_class_name:
        spec["runtimeClassName"] = machine.runtime_class_name
    return spec


def _affinity(node: str) -> dict[str, Any]:
    """To one node by name, as a DaemonSet's pods are bound: the scheduler still looks at resources and taints."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
