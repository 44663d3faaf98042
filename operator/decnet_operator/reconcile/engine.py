"""Workers, the sweep and the upkeep: everything that runs beside kopf's watches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from decnet_operator import metrics
from decnet_operator.domain.pki import PkiError
from decnet_operator.kube.client import LEASE
from decnet_operator.kube.errors import KubeError
from decnet_operator.reconcile.audit import audit
from decnet_operator.reconcile.authority import ensure_secrets
from decnet_operator.reconcile.decky import DeckyReconciler
from decnet_operator.reconcile.networks import Networks
from decnet_operator.reconcile.node import NodeReconciler
from decnet_operator.reconcile.queue import Key, Work
from decnet_operator.reconcile.request import RequestReconciler
from decnet_operator.reconcile.state import Body, State, decky_key
from decnet_operator.reconcile.swarmhost import SwarmHostReconciler

log = logging.getLogger(__name__)

NETWORKS = Key("networks", "tidy")
_LEASE_PREFIX = "swarmhost-"
_SOON = 1.0
_SOON_AGAIN = 3.0
_FIRST_TIDY_SECONDS = 10.0
_STUCK_SECONDS = 120.0
_HOST_GONE_SECONDS = 5.0


class Engine:
    """Owns the tasks."""

    def __init__(self, state: State) -> None:
        self.state = state
        networks = Networks(state)
        hosts = SwarmHostReconciler(state)
        self._networks = networks
        self._work: dict[str, Work] = {
            "decky": DeckyReconciler(state, networks),
            "host": hosts,
            "node": NodeReconciler(state),
            "request": RequestReconciler(state, hosts),
            NETWORKS.kind: lambda _key: networks.tidy(),
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._upkeep_problem = "starting"

    async def start(self) -> None:
        """Returns at once; what needs the API server happens in tasks that try again."""
        settings = self.state.settings
        self._tasks = [
            asyncio.create_task(self._repeat(self._upkeep, settings.upkeep_seconds), name="upkeep"),
            asyncio.create_task(self._repeat(self._sweep, settings.sweep_seconds), name="sweep"),
            asyncio.create_task(self._begin(), name="workers"),
        ]

    async def stop(self) -> None:
        """Ends all tasks; what was under way is done again after the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _begin(self) -> None:
        """Workers start when caches, secrets and the first look at the Leases are there."""
        await self.state.prepared.wait()
        self.state.queue.add_after(NETWORKS, _FIRST_TIDY_SECONDS)
        async with asyncio.TaskGroup() as group:
            for number in range(self.state.settings.workers):
                group.create_task(self.state.queue.work(self._dispatch), name=f"worker {number}")

    async def _dispatch(self, key: Key) -> None:
        await self._work[key.kind](key)

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            pause = seconds
            try:
                await step()
            except (KubeError, PkiError) as error:
                log.warning("%s: %s", step.__name__.strip("_"), error)
                pause = min(seconds, _SOON_AGAIN)
            except Exception:
                log.exception("%s", step.__name__.strip("_"))
                pause = min(seconds, _SOON_AGAIN)
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load

    async def _sweep(self) -> None:
        """One look at all Leases: who is alive, and what changed on its LAN."""
        state = self.state
        found = await state.kube.items(LEASE, state.settings.namespace)
        state.leases = {
            it["metadata"]["name"].removeprefix(_LEASE_PREFIX): it
            for it in found
            if it["metadata"]["name"].startswith(_LEASE_PREFIX)
        }
        state.swept_at = time.monotonic()
        state.check_prepared()
        for host in state.caches.hosts.all():
            state.queue.add(Key("host", host["metadata"]["name"]))
        self._count()

    async def _upkeep(self) -> None:
        self._upkeep_problem = "the installation's secrets were not looked at yet"
        try:
            await ensure_secrets(self.state)
        except (KubeError, PkiError) as error:
            self._upkeep_problem = str(error)
            raise
        self._upkeep_problem = ""
        self.state.check_prepared()
        if self.state.caches.bound:
            await audit(self.state.kube, self.state.caches, self._gone)
            self.state.queue.add(NETWORKS)

    def _gone(self, plural: str, body: Body) -> None:
        if plural == "deckies":
            self.saw_decky(body, gone=True)
        elif plural == "pods":
            self.saw_pod(body, gone=True)
        elif plural == "swarmhosts":
            self.saw_host(body, gone=True)
        else:
            self.saw_node(body)

    def _count(self) -> None:
        for gauge, cache in (
            (metrics.DECKIES, self.state.caches.deckies),
            (metrics.SWARM_HOSTS, self.state.caches.hosts),
        ):
            states = Counter(_state_of(body) for body in cache.all())
            for name in ("ready", "reconciling", "stalled", "other"):
                gauge.labels(name).set(states[name])
        metrics.WRITES.set(self.state.kube.writes)

    def saw_decky(self, body: Body, *, gone: bool) -> None:
        """A Decky was made, changed, or is gone."""
        key, uid = decky_key(body), body["metadata"]["uid"]
        if gone:
            held = self.state.ledger.get(uid)
            self.state.forget(uid)
            self.state.waiting.discard(key)
            self.state.wake_waiting()
            self.state.queue.add_after(NETWORKS, _SOON)
            if held is not None:
                self.state.queue.add(Key("host", held.host))
        self.state.queue.add(key)

    def saw_pod(self, body: Body, *, gone: bool) -> None:
        """A decky's pod changed, or is gone, and with it perhaps an address is free."""
        self.state.queue.add(decky_key(body))
        if gone:
            self.state.wake_waiting()
            self.state.queue.add_after(NETWORKS, _SOON)

    def saw_host(self, body: Body, *, gone: bool) -> None:
        """A SwarmHost was made, changed, or is gone: certificates and deckies may wait for it."""
        name = body["metadata"]["name"]
        if gone:
            self.state.forget(body["metadata"]["uid"])
            self.state.queue.add(Key("node", name))
            # Not at once: a node that is enrolled again keeps its deckies; only those of one that left move.
            for decky in self.state.caches.deckies.all():
                self.state.queue.add_after(decky_key(decky), _HOST_GONE_SECONDS)
        else:
            for request in self.state.caches.requests.all():
                self.state.queue.add(Key("request", request["metadata"]["name"]))
        self.state.queue.add(Key("host", name))

    def saw_node(self, body: Body) -> None:
        """A node was made, changed, or is gone."""
        self.state.queue.add(Key("node", body["metadata"]["name"]))

    def saw_request(self, body: Body) -> None:
        """A certificate request was made or changed."""
        self.state.queue.add(Key("request", body["metadata"]["name"]))

    def not_ready(self) -> list[str]:
        """Why the operator cannot work now."""
        reasons = [] if self.state.caches.bound else ["the cluster's objects were not listed yet"]
        return reasons + ([self._upkeep_problem] if self._upkeep_problem else [])

    def not_alive(self) -> list[str]:
        """Why the operator should be started anew."""
        if ended := [task.get_name() for task in self._tasks if task.done()]:
            return [f"{', '.join(ended)} ended"]
        stuck = time.monotonic() - self.state.queue.worked_at
        if len(self.state.queue) and stuck > _STUCK_SECONDS and self.state.authority:
            return [f"nothing was worked on for {stuck:.0f} s although something waits"]
        return []


def _state_of(body: Body) -> str:
    found = {it["type"]: it["status"] for it in (body.get("status") or {}).get("conditions") or []}
    for kind in ("Ready", "Stalled", "Reconciling"):
        if found.get(kind) == "True":
            return kind.lower()
    return "other"
