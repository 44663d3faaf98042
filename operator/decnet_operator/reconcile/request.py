"""When a node agent asks for a certificate."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime
from typing import Any, Literal

from decnet_operator import metrics
from decnet_operator.api.swarmhost import CertificateStatus
from decnet_operator.domain import requests
from decnet_operator.domain.pki import sign_node
from decnet_operator.domain.problem import Problem
from decnet_operator.kube.client import REQUEST
from decnet_operator.reconcile.queue import Key
from decnet_operator.reconcile.state import Body, State, now_text
from decnet_operator.reconcile.swarmhost import SwarmHostReconciler

log = logging.getLogger(__name__)


class RequestReconciler:
    """Denies what is not a node asking for itself; approves, signs and pins the rest."""

    def __init__(self, state: State, hosts: SwarmHostReconciler) -> None:
        self._state = state
        self._hosts = hosts
        self._answered: set[str] = set()

    async def __call__(self, key: Key) -> None:
        """Raises KubeError; then it is called again. A node that is no SwarmHost yet waits."""
        request = self._state.caches.requests.get(key.name)
        authority = self._state.authority
        if request is None or authority is None or not requests.is_open(request):
            return
        uid = request["metadata"]["uid"]
        if uid in self._answered:
            return  # the watch is behind
        if (problem := requests.why_deny(request, self._state.settings.namespace)) is not None:
            await self._decide(request, "Denied", problem)
            self._answered.add(uid)
            return
        node = requests.node_of(request)
        host = self._state.caches.hosts.get(node)
        if host is None:
            log.info("request %s waits until %s is a SwarmHost", key.name, node)
            return
        if not requests.is_approved(request):
            await self._decide(
                request, "Approved", Problem("SwarmHost", f"{node} asks for itself and is a SwarmHost")
            )
        seconds = request["spec"].get("expirationSeconds")
        issued = sign_node(authority, requests.request_pem(request), seconds, datetime.now(UTC))
        # Pinned before anybody has it: a certificate in use is never unknown to the listener for long.
        self._state.pins[host["metadata"]["uid"]] = CertificateStatus(
            sha256=issued.sha256, not_after=issued.not_after, serial=issued.serial
        )
        await self._hosts(Key("host", node))
        certificate = base64.b64encode(issued.pem).decode()
        await self._state.kube.merge(REQUEST, key.name, {"status": {"certificate": certificate}}, "status")
        self._answered.add(uid)
        metrics.CERTIFICATES.labels("signed").inc()
        log.info("request %s: signed for %s until %s", key.name, node, issued.not_after)
        text = f"serial {issued.serial}, until {issued.not_after}"
        self._state.events.record(host, "Normal", "CertificateIssued", text)

    async def _decide(self, request: Body, kind: Literal["Approved", "Denied"], why: Problem) -> None:
        name = request["metadata"]["name"]
        before = [dict(it) for it in (request.get("status") or {}).get("conditions") or []]
        condition: dict[str, Any] = {
            "type": kind, "status": "True", "reason": why.reason, "message": why.message, "lastUpdateTime": now_text(),
        }  # fmt: skip
        await self._state.kube.merge(
            REQUEST, name, {"status": {"conditions": [*before, condition]}}, "approval"
        )
        if kind == "Denied":
            metrics.CERTIFICATES.labels("denied").inc()
            log.warning("request %s denied: %s", name, why.message)
