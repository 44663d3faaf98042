"""When a SwarmHost, its Lease, its node or its certificate changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from decnet_operator.api import API_VERSION
from decnet_operator.api.swarmhost import LanStatus, SwarmHostSpec, SwarmHostStatus
from decnet_operator.domain.conditions import conditions
from decnet_operator.domain.hosthealth import HostHealth, judge
from decnet_operator.kube.client import SWARM_HOST
from decnet_operator.kube.errors import GoneError
from decnet_operator.reconcile import world
from decnet_operator.reconcile.queue import Key
from decnet_operator.reconcile.state import Body, State, decky_key, now_text


class SwarmHostReconciler:
    """Keeps the status of one SwarmHost true."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def __call__(self, key: Key) -> None:
        """Raises KubeError; then it is called again."""
        body = self._state.caches.hosts.get(key.name)
        if body is None or body["metadata"].get("deletionTimestamp") or not self._state.swept_at:
            return
        body = self._state.fresh(body)
        health = self._judge(body)
        before = body.get("status") or {}
        status = self._status(body, before, health)
        if status == before:
            return
        metadata = body["metadata"]
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "SwarmHost",
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "status": status,
        }
        try:
            self._state.wrote(await self._state.kube.apply(SWARM_HOST, manifest, "status"))
        except GoneError:
            return
        self._tell(body, before, health)

    def _judge(self, body: Body) -> HostHealth:
        name = body["metadata"]["name"]
        return judge(
            name,
            node_exists=self._state.caches.nodes.get(name) is not None,
            lease=self._state.leases.get(name),
            override=SwarmHostSpec.model_validate(body.get("spec") or {}).lan,
            wanted_range=self._state.settings.lan_range,
            now=datetime.now(UTC),
        )

    def _status(self, body: Body, before: Body, health: HostHealth) -> dict[str, Any]:
        if not self._state.loaded:
            world.load_ledger(self._state)
        known = SwarmHostStatus.model_validate(before)
        generation = body["metadata"]["generation"]
        # A host that is silent keeps the LAN that its deckies were made for.
        lan = health.lan.status() if health.lan else (known.lan or LanStatus())
        status = SwarmHostStatus(
            observed_generation=generation,
            lan=lan,
            certificate=self._state.pins.get(body["metadata"]["uid"]) or known.certificate,
            agent=health.agent or known.agent,
            deckies=self._state.ledger.counts()[body["metadata"]["name"]],
        ).dump()
        status["conditions"] = conditions(
            health.verdict, generation, before.get("conditions") or [], now_text()
        )
        return status

    def _tell(self, body: Body, before: Body, health: HostHealth) -> None:
        """The deckies that it carries or that wait for a host, and an Event for people."""
        for decky in self._state.caches.deckies.all():
            if (decky.get("status") or {}).get("node") == body["metadata"]["name"]:
                self._state.queue.add(decky_key(decky))
        self._state.wake_waiting()
        old: Body = next((it for it in before.get("conditions") or [] if it["type"] == "Ready"), {})
        if old.get("reason") != health.verdict.reason:
            fine = health.verdict.ready or health.verdict.reason == "AgentMissing"
            self._state.events.record(
                body, "Normal" if fine else "Warning", health.verdict.reason, health.verdict.message
            )
