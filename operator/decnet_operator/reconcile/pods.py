"""The pod of a Decky: made, repaired, replaced."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from decnet_operator.domain.conditions import Verdict
from decnet_operator.domain.problem import ProblemError
from decnet_operator.kube.client import POD
from decnet_operator.kube.errors import KubeError
from decnet_operator.reconcile.state import Body, State
from decnet_operator.reconcile.world import owner_uid
from decnet_operator.specs.names import CHECKSUM

log = logging.getLogger(__name__)

_FAILED_POD_SECONDS = 10.0
"""A pod that a node refused or evicted is not made anew before this age: it would be refused at once again."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was done: `verdict` when it says more than the pod does, `again_after` seconds to look again."""

    verdict: Verdict | None = None
    again_after: float | None = None


class Pods:
    """Keeps pods as their manifests say."""

    def __init__(self, state: State) -> None:
        self._state = state

    def of(self, decky: Body) -> Body | None:
        """The pod of this very Decky, not of one of the same name before it."""
        it = decky["metadata"]
        pod = self._state.caches.pods.get(it["name"], it["namespace"])
        return pod if pod is not None and owner_uid(pod) == it["uid"] else None

    async def ensure(self, decky: Body, manifest: dict[str, Any], pod: Body | None) -> Step:
        """Take the next step towards `manifest`. Raises ProblemError, KubeError."""
        if pod is None:
            return await self._make(decky, manifest)
        if pod["metadata"].get("deletionTimestamp"):
            return Step()  # its end is an event
        if _checksum(pod) != _checksum(manifest):
            return await self._replace(
                decky, pod, "Updated", "the pod is replaced: the Decky or the installation changed"
            )
        if pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
            wait = _FAILED_POD_SECONDS - _age(pod)
            if wait > 0:
                return Step(again_after=wait)
            why = pod["status"].get("message") or pod["status"].get("reason") or "it ended"
            return await self._replace(decky, pod, "Failed", f"the pod is made anew: {why}")
        if drifted(manifest, pod):
            return await self._repair(decky, manifest, pod)
        return Step()

    async def _make(self, decky: Body, manifest: dict[str, Any]) -> Step:
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        other = self._state.caches.pods.get(name, namespace)
        if other is not None and owner_uid(other):
            raise ProblemError(
                "PodEnding", f"waiting for the pod of an earlier decky {name} to end", passing=True
            )
        try:
            await self._state.kube.apply(POD, manifest)
        except KubeError as error:
            return await self._not_made(decky, name, namespace, error)
        return Step(Verdict("Creating", "the pod is being made"))

    async def _not_made(self, decky: Body, name: str, namespace: str, error: KubeError) -> Step:
        """The server refused the pod: because there is one already, or for good, or for now."""
        if not error.invalid and error.status != 403:
            raise error
        there = await self._state.kube.get(POD, namespace, name)
        if there is not None and owner_uid(there) == decky["metadata"]["uid"]:
            return Step(again_after=1.0)  # the watch is behind
        if there is not None:
            raise ProblemError(
                "PodNameTaken",
                f"a pod {name} that is not ours exists in {namespace}: delete it, or rename the Decky",
            ) from error
        advice = "; see quotas and Pod Security of the namespace" if error.status == 403 else ""
        raise ProblemError("PodRefused", f"the API server refuses the pod: {error}{advice}") from error

    async def _replace(self, decky: Body, pod: Body, reason: str, message: str) -> Step:
        it = pod["metadata"]
        await self._state.kube.delete(POD, it["namespace"], it["name"], it["uid"])
        self._state.events.record(decky, "Normal", f"Pod{reason}", message)
        return Step(Verdict("Replacing", "the pod is being replaced"))

    async def _repair(self, decky: Body, manifest: dict[str, Any], pod: Body) -> Step:
        try:
            await self._state.kube.apply(POD, manifest)
        except KubeError as error:
            if not error.invalid:
                raise
            return await self._replace(
                decky, pod, "Repaired", "the pod is replaced: it was changed by somebody else"
            )
        self._state.events.record(
            decky, "Normal", "PodRepaired", "the pod was changed by somebody else and put right"
        )
        return Step()


def drifted(wanted: Mapping[str, Any], pod: Body) -> bool:
    """Whether somebody changed what can be changed of a pod: labels, annotations, owner, images."""
    want, have = wanted["metadata"], pod["metadata"]
    for field in ("labels", "annotations"):
        if not want[field].items() <= (have.get(field) or {}).items():
            return True
    return not _only_owner(pod) or _images(wanted) != _images(pod)


def _only_owner(pod: Body) -> bool:
    return len(pod["metadata"].get("ownerReferences") or []) == 1


def _images(pod: Body) -> dict[str, str]:
    spec = pod["spec"]
    return {it["name"]: it["image"] for it in (*spec.get("initContainers", ()), *spec["containers"])}


def _checksum(pod: Body) -> str | None:
    found: str | None = (pod["metadata"].get("annotations") or {}).get(CHECKSUM)
    return found


def _age(pod: Body) -> float:
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return time.time() - created.timestamp()
