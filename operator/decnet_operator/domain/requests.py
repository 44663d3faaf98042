"""Whether a node's certificate request is to be signed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any

from decnet_operator.domain.pki import PkiError, requested_name
from decnet_operator.domain.problem import Problem

SIGNER = "decnet.io/swarmhost"
NODE_NAME_EXTRA = "authentication.kubernetes.io/node-name"
_USAGES = {"client auth", "digital signature"}


def is_open(request: Mapping[str, Any]) -> bool:
    """Ours, and neither answered nor refused."""
    status = request.get("status", {})
    refused = any(it.get("type") in ("Denied", "Failed") for it in status.get("conditions") or [])
    return request["spec"].get("signerName") == SIGNER and not status.get("certificate") and not refused


def is_approved(request: Mapping[str, Any]) -> bool:
    """Whether somebody approved it already."""
    return any(it.get("type") == "Approved" for it in request.get("status", {}).get("conditions") or [])


def request_pem(request: Mapping[str, Any]) -> bytes:
    """The request itself. Raises PkiError."""
    try:
        return base64.b64decode(request["spec"]["request"], validate=True)
    except (KeyError, binascii.Error) as error:
        raise PkiError("the request cannot be read") from error


def node_of(request: Mapping[str, Any]) -> str:
    """The node that the requester's token names; empty when it names none."""
    values = (request["spec"].get("extra") or {}).get(NODE_NAME_EXTRA) or [""]
    return str(values[0]) if len(values) == 1 else ""


def why_deny(request: Mapping[str, Any], namespace: str) -> Problem | None:
    """Why the request must be denied for good; None when it is what the node agent of that very node asks for."""
    spec = request["spec"]
    agent = f"system:serviceaccount:{namespace}:decnet-node"
    if spec.get("username") != agent:
        return Problem("WrongRequester", f"asked for by {spec.get('username')}, not by {agent}")
    if set(spec.get("usages") or []) - _USAGES:
        return Problem("WrongUsages", f"usages may be {', '.join(sorted(_USAGES))} only")
    try:
        name = requested_name(request_pem(request))
    except PkiError as error:
        return Problem("BadRequest", str(error))
    if name != node_of(request):
        where = node_of(request) or "none"
        return Problem("WrongNode", f"asks to be {name}, but the requester's token is of node {where}")
    return None


def may_sign(request: Mapping[str, Any], swarm_hosts: Collection[str]) -> bool:
    """Whether the node is a SwarmHost yet; if not, the request waits."""
    return node_of(request) in swarm_hosts
