"""Network attachments: made before the first pod that needs one, removed after the last."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from typing import Any

from decnet_operator.domain.data import Family
from decnet_operator.domain.lan import Lan
from decnet_operator.kube.client import NETWORK
from decnet_operator.reconcile.state import Body, State
from decnet_operator.specs.names import DEFAULT_NETWORK, MANAGED_BY_LABEL, MANAGER
from decnet_operator.specs.network import network_attachment

log = logging.getLogger(__name__)


class Networks:
    """What network attachments of ours there are, and which Decky (by uid) needs which."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = asyncio.Lock()
        self._known: dict[str, dict[str, Any]] | None = None
        self._wanted: dict[str, dict[str, Any]] = {}
        self._looked_at: set[str] = set()

    def looked_at(self, uid: str) -> None:
        """The Decky `uid` was looked at since the start: what it needs is known."""
        self._looked_at.add(uid)

    async def ensure(self, uid: str, lan: Lan, family: Family, driver: str) -> None:
        """The attachment for the Decky `uid` is there and right. Raises KubeError."""
        wanted = network_attachment(self._state.settings.namespace, lan, family, driver)
        self._wanted[uid] = wanted
        async with self._lock:
            await self._put(wanted)

    async def tidy(self) -> None:
        """Repair those that somebody changed, remove those that nothing needs. Raises KubeError."""
        async with self._lock:
            self._known = None
            known = await self._load()
            live = {body["metadata"]["uid"] for body in self._state.caches.deckies.all()}
            self._wanted = {uid: wanted for uid, wanted in self._wanted.items() if uid in live}
            needed = {wanted["metadata"]["name"]: wanted for wanted in self._wanted.values()}
            for wanted in needed.values():
                await self._put(wanted)
            self._looked_at &= live
            if live - self._looked_at:
                return  # just started: who needs what is not known yet
            in_pods = set(_attached(self._state.caches.pods.all()))
            for name in set(known) - set(needed) - in_pods:
                log.info("network attachment %s is needed no more", name)
                await self._state.kube.delete(NETWORK, self._state.settings.namespace, name)
                known.pop(name)

    async def _put(self, wanted: dict[str, Any]) -> None:
        known = await self._load()
        name = wanted["metadata"]["name"]
        if known.get(name) == wanted["spec"]:
            return
        await self._state.kube.apply(NETWORK, wanted)
        known[name] = wanted["spec"]
        log.info("network attachment %s made", name)

    async def _load(self) -> dict[str, dict[str, Any]]:
        if self._known is None:
            found = await self._state.kube.items(NETWORK, self._state.settings.namespace)
            self._known = {
                it["metadata"]["name"]: it.get("spec", {})
                for it in found
                if it["metadata"].get("labels", {}).get(MANAGED_BY_LABEL) == MANAGER
            }
        return self._known


def _attached(pods: Iterable[Body]) -> Iterable[str]:
    for pod in pods:
        try:
            text = pod["metadata"].get("annotations", {}).get(DEFAULT_NETWORK, "[]")
            yield from (str(network["name"]) for network in json.loads(text))
        except (ValueError, KeyError, TypeError):
            continue
