"""When a Decky, its pod or anything that it needs changes."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import ValidationError

from decnet_operator import metrics
from decnet_operator.api import API_VERSION
from decnet_operator.api.decky import DeckyStatus, Network
from decnet_operator.domain import observed
from decnet_operator.domain.allocation import Place, allocate
from decnet_operator.domain.conditions import Verdict, conditions
from decnet_operator.domain.machine import Machine, resolve
from decnet_operator.domain.observed import ADDRESS_CONFLICT, PERSONA
from decnet_operator.domain.problem import Problem, ProblemError
from decnet_operator.kube.client import DECKY
from decnet_operator.kube.errors import GoneError
from decnet_operator.reconcile import world
from decnet_operator.reconcile.networks import Networks
from decnet_operator.reconcile.pods import Pods
from decnet_operator.reconcile.queue import Key
from decnet_operator.reconcile.state import Body, State, now_text
from decnet_operator.specs.pod import decky_pod

log = logging.getLogger(__name__)

_PASSING_SECONDS = 2.0
_STALLED_SECONDS = 30.0


class DeckyReconciler:
    """Brings one Decky where its spec wants it, a step at a time."""

    def __init__(self, state: State, networks: Networks) -> None:
        self._state = state
        self._networks = networks
        self._pods = Pods(state)

    async def __call__(self, key: Key) -> None:
        """Raises KubeError; then it is called again."""
        body = self._state.caches.deckies.get(key.name, key.namespace)
        if body is None or body["metadata"].get("deletionTimestamp"):
            self._state.waiting.discard(key)
            return
        body = self._state.fresh(body)
        pod = self._pods.of(body)
        self._learn_conflict(body, pod)
        try:
            machine, place = self._decide(body)
        except ProblemError as error:
            self._networks.looked_at(body["metadata"]["uid"])
            await self._report_problem(key, body, pod, error.problem)
            return
        self._state.waiting.discard(key)
        try:
            await self._build(key, body, machine, place, pod)
        except ProblemError as error:
            await self._report_problem(key, body, pod, error.problem)

    def _decide(self, body: Body) -> tuple[Machine, Place]:
        """What the machine is and where; from here on it holds its address. Raises ProblemError."""
        state = self._state
        if not state.loaded:
            world.load_ledger(state)
        try:
            spec = world.spec_of(body)
        except ValidationError as error:
            raise ProblemError(
                "InvalidSpec", f"spec: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}"
            ) from error
        machine = resolve(world.identity(body, state.install_secret), spec, state.catalogue)
        self._require_images(machine)
        place = allocate(
            machine, spec.network or Network(), spec.hostname, world.world(state, machine.identity.uid)
        )
        state.ledger.put(place.holding(machine))
        return machine, place

    def _require_images(self, machine: Machine) -> None:
        slugs = [PERSONA, *(item.definition.slug for item in machine.services)]
        if missing := [slug for slug in slugs if not self._state.deployment.images.get(slug)]:
            raise ProblemError(
                "ImageUnknown",
                f"the installation names no image for {', '.join(missing)}: set the chart value images.services",
            )

    async def _build(self, key: Key, body: Body, machine: Machine, place: Place, pod: Body | None) -> None:
        # Written first only when it is news: a status that changes at every look would be looked at for ever.
        fresh = (body.get("status") or {}).get("ip") != str(place.ip)
        verdict = self._verdict(place, observed.verdict(pod))
        # The address is in the status before anything wears it, so that a crash here gives it to nobody else.
        before = await self._write(body, machine, place, verdict, pod) if fresh else dict(body)
        await self._networks.ensure(machine.identity.uid, place.lan, machine.family, place.driver)
        self._networks.looked_at(machine.identity.uid)
        step = await self._pods.ensure(before, decky_pod(machine, place, self._state.deployment), pod)
        if step.again_after is not None:
            self._state.queue.add_after(key, step.again_after)
        if step.verdict is not None:
            verdict = self._verdict(place, step.verdict)
        await self._write(before, machine, place, verdict, pod)
        if verdict.stalled:
            self._state.waiting.add(key)

    def _verdict(self, place: Place, seen: Verdict) -> Verdict:
        host = world.hosts(self._state).get(place.lan.host)
        if host is None or host.ready:
            return seen
        return Verdict(
            "SwarmHostNotReady",
            f"host {host.name} is not Ready: {host.message}; what happens on the decky is not recorded until it is."
            " To move it, set spec.network.swarmHost",
            waits=True,
        )

    def _learn_conflict(self, body: Body, pod: Body | None) -> None:
        """A stranger has the address. If we chose it, it is given up, and the next step chooses another."""
        ending = observed.gave_up(pod) if pod is not None else None
        if pod is None or ending is None or ending.reason != ADDRESS_CONFLICT:
            return
        held = self._state.ledger.get(body["metadata"]["uid"]) or world.holding(body)
        chosen = not (body["spec"].get("network") or {}).get("ip")
        if held is None or held.ip not in set(world.pod_addresses(pod)) or held.ip in self._state.avoided():
            return
        metrics.CONFLICTS.inc()
        self._state.avoid(held.ip)
        remedy = (
            "choosing another address" if chosen else "choose another spec.network.ip or free the address"
        )
        self._state.events.record(body, "Warning", ADDRESS_CONFLICT, f"{ending.message}: {remedy}")

    async def _report_problem(self, key: Key, body: Body, pod: Body | None, problem: Problem) -> None:
        """Say why nothing can be done. A pod that runs is left alone: it is what was asked for before."""
        self._state.waiting.add(key)
        verdict = Verdict(problem.reason, problem.message, stalled=not problem.passing)
        # What it waits for may be nothing that is watched, such as somebody else's pod.
        self._state.queue.add_after(key, _PASSING_SECONDS if problem.passing else _STALLED_SECONDS)
        await self._write(body, None, None, verdict, pod)

    async def _write(
        self, body: Body, machine: Machine | None, place: Place | None, verdict: Verdict, pod: Body | None
    ) -> dict[str, Any]:
        """The Decky with its new status, which is sent only when it differs."""
        before = body.get("status") or {}
        generation = body["metadata"]["generation"]
        status: dict[str, Any] = {
            **_identity(before, machine, place, pod),
            "observedGeneration": generation,
            "conditions": conditions(verdict, generation, before.get("conditions") or [], now_text()),
        }
        if status == before:
            return dict(body)
        metadata = body["metadata"]
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "Decky",
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")},
            "status": status,
        }
        try:
            written = await self._state.kube.apply(DECKY, manifest, "status")
        except GoneError:
            return dict(body)
        self._state.wrote(written)
        self._announce(body, before, verdict)
        return written

    def _announce(self, body: Body, before: Body, verdict: Verdict) -> None:
        """An Event when the decky becomes ready or gets stuck."""
        old = {it["type"]: it for it in before.get("conditions") or []}
        if verdict.ready and old.get("Ready", {}).get("status") != "True":
            self._state.events.record(body, "Normal", "Ready", verdict.message)
        elif verdict.stalled and (
            old.get("Stalled", {}).get("status") != "True" or old["Stalled"].get("reason") != verdict.reason
        ):
            self._state.events.record(body, "Warning", verdict.reason, verdict.message)


def _identity(before: Body, machine: Machine | None, place: Place | None, pod: Body | None) -> dict[str, Any]:
    """The status without conditions; what is not known (any more) stays as it was."""
    if machine is None or place is None:
        return {
            key: value for key, value in before.items() if key not in ("conditions", "observedGeneration")
        }
    return DeckyStatus(
        ip=str(place.ip),
        mac=place.mac,
        hostname=place.hostname,
        node=place.lan.host,
        os=machine.family.slug,
        distro=machine.distro.slug if machine.distro else None,
        archetype=machine.archetype.slug if machine.archetype else None,
        service_names=",".join(machine.service_names),
        services=observed.service_statuses(machine, pod),
    ).model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"conditions"})
