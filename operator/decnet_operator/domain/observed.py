"""What a decky's pod says of itself: services, and how the machine does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from decnet_operator.api.decky import ServiceStatus
from decnet_operator.domain.conditions import Verdict
from decnet_operator.domain.machine import Machine

PERSONA = "persona"
ADDRESS_CONFLICT = "AddressConflict"

Body = Mapping[str, Any]

_STALLING = {
    "ErrImagePull": "ImagePullFailed",
    "ImagePullBackOff": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "InvalidImageName": "ImagePullFailed",
    "CreateContainerConfigError": "ContainerNotPossible",
    "CreateContainerError": "ContainerNotPossible",
    "RunContainerError": "ContainerNotPossible",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What the persona wrote when it gave up: `reason` AddressConflict or DisguiseFailed."""

    reason: str
    message: str


def is_ready(pod: Body) -> bool:
    """Whether every container of the pod is ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(it.get("type") == "Ready" and it.get("status") == "True" for it in conditions)


def gave_up(pod: Body) -> Ending | None:
    """Why the persona is not running now; None while it is, or when it never said why."""
    for status in pod.get("status", {}).get("initContainerStatuses") or []:
        if status.get("name") != PERSONA or "running" in status.get("state", {}):
            continue
        for state in (status.get("state"), status.get("lastState")):
            ended = (state or {}).get("terminated") or {}
            if (ending := _parse(ended.get("message"))) is not None:
                return ending
    return None


def _parse(text: str | None) -> Ending | None:
    try:
        said = json.loads(text or "")
        return Ending(str(said["reason"]), str(said["message"]))
    except (ValueError, KeyError, TypeError):
        return None


def service_statuses(machine: Machine, pod: Body | None) -> tuple[ServiceStatus, ...]:
    """Each service as its container does."""
    containers = {it.get("name"): it for it in ((pod or {}).get("status", {}).get("containerStatuses") or [])}
    ports = {item.definition.slug: item.definition.ports for item in machine.services}
    custom = {item.name: item.ports for item in machine.custom_services}
    return tuple(
        ServiceStatus(
            name=name,
            ready=bool(containers.get(name.replace("_", "-"), {}).get("ready")),
            ports=tuple(f"{it.port}/{it.protocol}" for it in (ports.get(name) or custom.get(name) or ())),
            message=_why_not(containers.get(name.replace("_", "-"), {})),
        )
        for name in machine.service_names
    )


def _why_not(status: Body) -> str | None:
    waiting = status.get("state", {}).get("waiting") or {}
    if status.get("ready") or waiting.get("reason") in (None, "PodInitializing", "ContainerCreating"):
        return None
    ended = status.get("lastState", {}).get("terminated") or {}
    code = f" (exit status {ended['exitCode']})" if "exitCode" in ended else ""
    return f"{waiting['reason']}{code}"


def verdict(pod: Body | None) -> Verdict:
    """How the machine does, from its pod alone."""
    if pod is None:
        return Verdict("Creating", "the pod is being made")
    if pod.get("metadata", {}).get("deletionTimestamp"):
        return Verdict("Replacing", "the pod is being replaced")
    if (ending := gave_up(pod)) is not None:
        return _given_up(ending)
    if is_ready(pod):
        return Verdict("Ready", "every service answers; disguise and containment are on", ready=True)
    for found in (*_unscheduled(pod), *_troubles(pod)):
        return found
    phase = pod.get("status", {}).get("phase")
    if phase in ("Failed", "Succeeded"):
        why = pod["status"].get("message") or pod["status"].get("reason") or phase
        return Verdict("PodFailed", f"the pod ended ({why}) and is made anew")
    return Verdict("Starting", "the containers are starting")


def _given_up(ending: Ending) -> Verdict:
    if ending.reason == ADDRESS_CONFLICT:
        advice = "free the address, or choose another spec.network.ip; tried again by itself"
        return Verdict(
            ADDRESS_CONFLICT, f"another machine has the address: {ending.message}; {advice}", stalled=True
        )
    return Verdict(
        ending.reason, f"the disguise is not on: {ending.message}; tried again by itself", stalled=True
    )


def _unscheduled(pod: Body) -> Iterator[Verdict]:
    for it in pod.get("status", {}).get("conditions") or []:
        if it.get("type") == "PodScheduled" and it.get("reason") == "Unschedulable":
            yield Verdict(
                "Unschedulable", f"the node cannot take the pod: {it.get('message', '')}", stalled=True
            )


def _troubles(pod: Body) -> Iterator[Verdict]:
    status = pod.get("status", {})
    for it in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = it.get("state", {}).get("waiting") or {}
        reason, name = waiting.get("reason"), it.get("name")
        if reason in _STALLING:
            detail = waiting.get("message") or reason
            yield Verdict(
                _STALLING[reason], f"container {name} (image {it.get('image')}): {detail}", stalled=True
            )
        elif reason == "CrashLoopBackOff":
            ended = it.get("lastState", {}).get("terminated") or {}
            yield Verdict(
                "ServiceFailing",
                f"container {name} ends with exit status {ended.get('exitCode')} again and again:"
                f" kubectl logs {pod['metadata']['name']} -c {name} --previous",
            )
