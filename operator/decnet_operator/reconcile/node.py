"""When a node changes: nodes that match become SwarmHosts by themselves."""

from __future__ import annotations

import logging

from decnet_operator.domain.selector import Selector
from decnet_operator.kube.client import SWARM_HOST
from decnet_operator.reconcile.queue import Key
from decnet_operator.reconcile.state import Body, State
from decnet_operator.specs.names import OPT_OUT_LABEL
from decnet_operator.specs.swarmhost import enrolled_host

log = logging.getLogger(__name__)


class NodeReconciler:
    """Enrols. What is enrolled stays, also when the node is cordoned or its labels change: deckies live there."""

    def __init__(self, state: State) -> None:
        self._state = state
        text = state.settings.node_selector
        self._selector = Selector(text) if text else None

    async def __call__(self, key: Key) -> None:
        """Raises KubeError; then it is called again."""
        node = self._state.caches.nodes.get(key.name)
        self._state.queue.add(Key("host", key.name))
        if node is None or self._state.caches.hosts.get(key.name) is not None or not self._wanted(node):
            return
        made = await self._state.kube.apply(SWARM_HOST, enrolled_host(node))
        log.info("node %s is enrolled as a SwarmHost", key.name)
        self._state.events.record(made, "Normal", "Enrolled", "the node matches the selector")

    def _wanted(self, node: Body) -> bool:
        labels = node["metadata"].get("labels") or {}
        return (
            self._selector is not None
            and self._selector.matches(labels)
            and labels.get(OPT_OUT_LABEL) != "false"
            and not node.get("spec", {}).get("unschedulable")
            and not node["metadata"].get("deletionTimestamp")
        )
