"""How a SwarmHost does, from its Lease, its node and what people say of its LAN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from decnet_operator.api.swarmhost import AgentStatus, LanOverride
from decnet_operator.domain.conditions import Verdict
from decnet_operator.domain.lan import Lan, detected, effective_lan
from decnet_operator.domain.problem import ProblemError

LAN_ANNOTATION = "decnet.io/lan"
AGENT_ANNOTATION = "decnet.io/agent"
_DEFAULT_DURATION = 40


@dataclass(frozen=True, slots=True)
class HostHealth:
    """The LAN in force (None: unknown), what the agent says, and the verdict."""

    verdict: Verdict
    lan: Lan | None
    agent: AgentStatus | None


def is_fresh(lease: Mapping[str, Any], now: datetime) -> bool:
    """Whether the Lease was renewed within its duration."""
    spec = lease.get("spec", {})
    try:
        renewed = datetime.fromisoformat(spec["renewTime"])
    except (KeyError, TypeError, ValueError):
        return False
    return now - renewed <= timedelta(seconds=spec.get("leaseDurationSeconds") or _DEFAULT_DURATION)


def agent_status(lease: Mapping[str, Any]) -> AgentStatus | None:
    """What the agent says of itself."""
    try:
        said = json.loads(_annotations(lease).get(AGENT_ANNOTATION, ""))
        return AgentStatus(
            version=str(said["version"]) if said.get("version") else None,
            filter=str(said["filter"]) if said.get("filter") else None,
            problem=str(said["problem"]) if said.get("problem") else None,
        )
    except (ValueError, AttributeError):
        return None


def _annotations(lease: Mapping[str, Any]) -> Mapping[str, str]:
    return lease.get("metadata", {}).get("annotations") or {}


def judge(
    name: str, *, node_exists: bool, lease: Mapping[str, Any] | None, override: LanOverride | None,
    wanted_range: str, now: datetime,
) -> HostHealth:  # fmt: skip
    """The whole decision about one SwarmHost."""
    agent = agent_status(lease) if lease else None
    found = detected(_annotations(lease or {}).get(LAN_ANNOTATION))
    problem: Verdict | None = None
    lan: Lan | None = None
    try:
        lan = effective_lan(name, found, override, wanted_range)
    except ProblemError as error:
        problem = Verdict(error.problem.reason, error.problem.message, stalled=True)
    if not node_exists:
        verdict = Verdict(
            "NoSuchNode",
            f"there is no node {name}: give the SwarmHost the name of a node, or delete it",
            stalled=True,
        )
    elif lease is None:
        verdict = Verdict(
            "AgentMissing",
            "the node agent was never heard from: kubectl get pods -o wide shows whether decnet-node-agent runs there",
        )
    elif not is_fresh(lease, now):
        verdict = Verdict(
            "Unreachable",
            "the node agent is silent: look at the node and at its decnet-node-agent pod",
            waits=True,
        )
    elif problem is not None:
        said = f" (the agent says: {agent.problem})" if agent and agent.problem else ""
        verdict = Verdict(problem.reason, problem.message + said, stalled=True)
    else:
        verdict = Verdict("Ready", f"its deckies get addresses of {lan.range}" if lan else "", ready=True)
    return HostHealth(verdict, lan, agent)
