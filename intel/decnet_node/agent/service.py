"""The agent as a whole: three loops that do not wait for each other."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import NoReturn

from prometheus_client import CollectorRegistry, Counter, Gauge

from decnet_node.agent.enrolment import Enrolment
from decnet_node.agent.filter_rules import REFUSALS
from decnet_node.agent.kube import ApiError, Kube
from decnet_node.agent.lan import Lan, NoLanError, detect_lan, offered_drivers
from decnet_node.agent.node_filter import NodeFilter
from decnet_node.agent.settings import AgentSettings
from decnet_node.http import StatusServer

log = logging.getLogger(__name__)

_STALLED_SECONDS = 120.0


class Agent:
    """One node agent. `run` returns after `stop` was set."""

    def __init__(self, settings: AgentSettings, kube: Kube) -> None:
        self._settings = settings
        self._kube = kube
        self._filter = NodeFilter(wanted=settings.filter == "on")
        self._enrolment = Enrolment(settings, kube)
        self._lan: Lan | None = None
        self._drivers: list[str] = []
        self._problem = "LAN not looked at yet"
        self._beat_at: float | None = None
        self._swept_at = time.monotonic()
        self._changed = asyncio.Event()
        self._metrics = _Metrics(self._filter, self._enrolment)

    async def run(self, stop: asyncio.Event) -> None:
        """Guard, beat and enrol until `stop`. The packet filter stays in place."""
        server = StatusServer(self._metrics.registry, self._not_alive, self._not_ready)
        async with server.serving(self._settings.http_host, self._settings.http_port) as port:
            log.info("node %s, status on port %d", self._settings.node, port)
            loops = [
                asyncio.create_task(it) for it in (self._sweep_loop(), self._beat_loop(), self._enrol_loop())
            ]
            ended = asyncio.create_task(stop.wait())
            await asyncio.wait([ended, *loops], return_when=asyncio.FIRST_COMPLETED)
            for task in (ended, *loops):
                task.cancel()
            for result in await asyncio.gather(*loops, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result

    async def _sweep_loop(self) -> NoReturn:
        self._drivers = await offered_drivers()
        while True:
            await self.sweep()
            await asyncio.sleep(self._settings.sweep_seconds)

    async def sweep(self) -> None:
        """Look at the LAN and at the packet filter; a change is told at once."""
        before = (self._lan, self._filter.state, self._problem)
        try:
            self._lan = await detect_lan(self._settings.interface)
            self._problem = ""
        except NoLanError as error:
            self._lan = None
            self._problem = f"LAN: {error}"
        await self._filter.sweep(self._lan)
        self._swept_at = time.monotonic()
        self._metrics.take_refusals()
        if (self._lan, self._filter.state, self._problem) != before:
            log.info(
                "LAN %s, filter %s", self._lan.interface if self._lan else self._problem, self._filter.state
            )
            self._changed.set()

    async def _beat_loop(self) -> NoReturn:
        await self._changed.wait()
        while True:
            self._changed.clear()
            try:
                await self._kube.apply_lease(
                    self._settings.node, self._settings.lease_seconds, self._annotations()
                )
                self._beat_at = time.monotonic()
                self._metrics.beats.inc()
            except ApiError as error:
                log.warning("heartbeat: %s", error)
            pause = self._settings.heartbeat_seconds * random.uniform(0.9, 1.0)  # noqa: S311 - spreads load
            try:
                await asyncio.wait_for(self._changed.wait(), pause)
            except TimeoutError:
                continue

    def _annotations(self) -> dict[str, str]:
        state = {
            "version": version("decnet"),
            "filter": self._filter.state,
            "refused": self._filter.refused.total(),
            "problem": self._problem or self._enrolment.problem,
        }
        annotations = {"decnet.io/agent": json.dumps(state)}
        if self._lan is not None:
            annotations["decnet.io/lan"] = self._lan.annotation(self._drivers)
        return annotations

    async def _enrol_loop(self) -> NoReturn:
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = await self._enrolment.step()

    def _not_alive(self) -> list[str]:
        still = time.monotonic() - self._swept_at
        return [f"no sweep for {still:.0f} s"] if still > _STALLED_SECONDS else []

    def _not_ready(self) -> list[str]:
        wrong = [self._problem] if self._problem else []
        if not self._filter.as_wanted:
            wrong.append(f"filter: {self._filter.state}")
        if self._beat_at is None or time.monotonic() - self._beat_at > self._settings.lease_seconds:
            wrong.append("no heartbeat")
        if self._enrolment.problem:
            wrong.append(f"certificate: {self._enrolment.problem}")
        return wrong


class _Metrics:
    """What the agent tells Prometheus."""

    def __init__(self, node_filter: NodeFilter, enrolment: Enrolment) -> None:
        self.registry = CollectorRegistry()
        self._node_filter = node_filter
        self.beats = Counter("decnet_agent_heartbeats", "Renewals of the Lease.", registry=self.registry)
        self._refused = Gauge(
            "decnet_agent_refused_packets_total",
            "Frames of deckies that the node's filter stopped.",
            ["kind"],
            registry=self.registry,
        )
        self._gauge("filter_on", "1 while the filter is in force.", lambda: node_filter.state == "on")
        self._gauge("filter_repairs", "Times others had changed the filter.", lambda: node_filter.repairs)
        self._gauge("certificate_good", "1 while there is a good certificate.", lambda: not enrolment.problem)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(f"decnet_agent_{name}", text, registry=self.registry).set_function(value)

    def take_refusals(self) -> None:
        """Copy what the filter has counted."""
        for kind in REFUSALS:
            self._refused.labels(kind).set(self._node_filter.refused[kind])
