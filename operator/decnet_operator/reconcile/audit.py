"""Finds objects whose deletion no watch has told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from decnet_operator.kube.client import DECKY, NODE, POD, SWARM_HOST, Kind, Kube
from decnet_operator.reconcile.state import Body, Cache, Caches
from decnet_operator.specs.names import POD_SELECTOR

log = logging.getLogger(__name__)

Gone = Callable[[str, Body], None]


async def audit(kube: Kube, caches: Caches, gone: Gone) -> None:
    """Call `gone` with plural and object for each one that is cached but not in the cluster. Raises KubeError."""
    for kind, cache, selector in (
        (DECKY, caches.deckies, ""),
        (POD, caches.pods, POD_SELECTOR),
        (SWARM_HOST, caches.hosts, ""),
        (NODE, caches.nodes, ""),
    ):
        await _audit_kind(kube, kind, cache, selector, gone)


async def _audit_kind(kube: Kube, kind: Kind, cache: Cache, selector: str, gone: Gone) -> None:
    # In this order: what is in the cache before we ask and not in the answer was deleted; the reverse may be new.
    known = {body["metadata"]["uid"]: body for body in cache.all()}
    live = await kube.uids(kind, selector)
    for uid, body in known.items():
        if uid not in live:
            cache.hide(uid)
            log.info("%s %s is gone without a word", kind.plural, body["metadata"]["name"])
            gone(kind.plural, body)
