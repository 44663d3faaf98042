"""The containers of a decky's pod, each with the least privilege that does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from decnet_operator.api.decky import CustomService
from decnet_operator.domain.allocation import Place
from decnet_operator.domain.machine import CatalogueService, Machine
from decnet_operator.domain.observed import PERSONA

INTERFACE = "eth0"
SCRATCH_SIZE = "64Mi"
SPOOL_SIZE = "160Mi"
DISK_LIMIT = "1Gi"
_PRIVILEGED_PORTS = 1024

# Every Debian machine has this empty file. kubelet binds what a container leaves as its last words there; the
# usual /dev/termination-log tells an intruder where they are.
_LAST_WORDS = "/etc/.pwd.lock"


def persona_container(
    machine: Machine, place: Place, image: str, pull_policy: str, egress: str
) -> dict[str, Any]:
    """The sidecar that starts first, disguises and contains; the one holder of NET_ADMIN and NET_RAW."""
    settings = {
        "hostname": place.hostname,
        "address": str(place.ip),
        "prefix": place.lan.subnet.prefixlen,
        "gateway": str(place.lan.gateway) if place.lan.gateway else None,
        "mac": place.mac,
        "interface": INTERFACE,
        "sysctls": machine.family.all_sysctls(),
        "seed": machine.identity.seed,
        "egress": egress,
    }
    ready = {"exec": {"command": ["/usr/bin/test", "-e", "/run/ready"]}}
    return {
        "name": PERSONA,
        "image": image,
        "imagePullPolicy": pull_policy,
        "restartPolicy": "Always",
        "env": _settings(settings),
        "startupProbe": {**ready, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {**ready, "periodSeconds": 5},
        "resources": {
            "requests": {"cpu": "5m", "memory": "24Mi"},
            "limits": {"memory": "96Mi", "ephemeral-storage": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsUser": 0,
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": PERSONA, "mountPath": "/run"}, _hosts_mount()],
    }


def catalogue_container(
    service: CatalogueService, machine: Machine, place: Place, image: str, pull_policy: str
) -> dict[str, Any]:
    """A service of the catalogue, as its service.yaml says."""
    definition = service.definition
    settings = {
        "hostname": place.hostname,
        "seed": machine.identity.seed,
        "os": machine.family.slug,
        "distro": machine.distro.slug if machine.distro else "",
        "address": str(place.ip),
        "persona": dict(service.persona),
    }
    probe = {"exec": {"command": list(definition.readiness.exec)}}
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": definition.security.allowPrivilegeEscalation,
        "capabilities": _capabilities(definition.capabilities),
        "privileged": False,
        "readOnlyRootFilesystem": definition.security.readOnlyRootFilesystem,
    }
    if definition.security.runAsUser is not None:
        context["runAsUser"] = definition.security.runAsUser
    if definition.security.runAsUser != 0:
        context["runAsNonRoot"] = True
    return {
        "name": definition.container,
        "image": image,
        "imagePullPolicy": pull_policy,
        "env": _settings(settings),
        "ports": [{"containerPort": it.port, "protocol": it.protocol} for it in definition.ports],
        # Every second until it answers; then rarely, for each probe is a process that an intruder may see.
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {**probe, "periodSeconds": 10, "timeoutSeconds": 5},
        "resources": _resources(machine, definition.resources.requests, definition.resources.limits),
        "securityContext": context,
        "terminationMessagePath": _LAST_WORDS,
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            _hosts_mount(),
            *(
                {"name": _volume(definition.container, index), "mountPath": path}
                for index, path in enumerate(definition.scratch)
            ),
            *(
                [{"name": _spool(definition.container), "mountPath": definition.spool}]
                if definition.spool
                else ()
            ),
        ],
    }


def custom_container(service: CustomService, machine: Machine, pull_policy: str) -> dict[str, Any]:
    """A service of the user's: no settings of ours, no capability."""
    container: dict[str, Any] = {
        "name": service.name,
        "image": service.image,
        "imagePullPolicy": pull_policy,
        "env": [{"name": name, "value": value} for name, value in sorted(service.env.items())],
        "ports": [{"containerPort": it.port, "protocol": it.protocol} for it in service.ports],
        "resources": _resources(machine, {"cpu": "10m", "memory": "32Mi"}, {"memory": "256Mi"}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": _capabilities(()),
            "privileged": False,
        },
        "terminationMessagePath": _LAST_WORDS,
        "terminationMessagePolicy": "File",
        "volumeMounts": [_hosts_mount()],
    }
    if service.command:
        container["command"] = list(service.command)
    if service.args:
        container["args"] = list(service.args)
    return container


def lowest_unprivileged_port(machine: Machine) -> int | None:
    """The lowest port below 1024 that a service without privileges binds; None when there is none."""
    ports = [
        it.port
        for item in machine.services
        if item.definition.security.runAsUser != 0 and "NET_BIND_SERVICE" not in item.definition.capabilities
        for it in item.definition.ports
    ]
    ports += [it.port for item in machine.custom_services for it in item.ports]
    return min((port for port in ports if port < _PRIVILEGED_PORTS), default=None)


def service_volumes(machine: Machine) -> Iterator[dict[str, Any]]:
    """Writable memory for what service.yaml calls scratch and spool.

    Memory also for the spool, which is emptied at once: the kernel enforces its size, and unlike a
    directory's mount it shows no path of the node.
    """
    for item in machine.services:
        for index, _ in enumerate(item.definition.scratch):
            yield _memory(_volume(item.definition.container, index), SCRATCH_SIZE)
        if item.definition.spool:
            yield _memory(_spool(item.definition.container), SPOOL_SIZE)


def _memory(name: str, size: str) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": size}}


def _spool(container: str) -> str:
    """The volume's name, by which the collector finds it on the node."""
    return f"spool-{container}"


def _volume(container: str, index: int) -> str:
    return f"{container}-{index}"


def _hosts_mount() -> dict[str, Any]:
    return {"name": "hosts", "mountPath": "/etc/hosts", "subPath": "hosts", "readOnly": True}


def _settings(value: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": "SETTINGS", "value": json.dumps(value, separators=(",", ":"), ensure_ascii=False)}]


def _capabilities(add: tuple[str, ...]) -> dict[str, Any]:
    return {"drop": ["ALL"], "add": sorted(add)} if add else {"drop": ["ALL"]}


def _resources(
    machine: Machine, requests: Mapping[str, str | int], limits: Mapping[str, str | int]
) -> dict[str, Any]:
    """The Decky's own when it names some. Without a limit on disk an intruder could fill the node's."""
    if machine.resources is not None:
        requests, limits = machine.resources.requests, machine.resources.limits
    found: dict[str, Any] = {"limits": {"ephemeral-storage": DISK_LIMIT, **limits}}
    if requests:
        found["requests"] = dict(requests)
    return found
