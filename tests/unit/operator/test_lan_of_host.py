"""The LAN in force, its range, and how a SwarmHost does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from decnet_operator.api.swarmhost import LanOverride
from decnet_operator.domain.hosthealth import judge
from decnet_operator.domain.lan import Lan, default_range, effective_lan
from decnet_operator.domain.problem import ProblemError

FOUND = {
    "interface": "eth0",
    "subnet": "172.18.0.0/16",
    "gateway": "172.18.0.1",
    "address": "172.18.0.3",
    "mac": "02:42:ac:12:00:03",
    "drivers": ["macvlan"],
}
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subnet", "wanted"),
    [
        ("10.0.0.0/8", "10.255.255.0/24"),
        ("172.18.0.0/16", "172.18.255.0/24"),
        ("192.168.0.0/22", "192.168.3.0/24"),
        ("192.168.0.0/23", "192.168.1.128/25"),
        ("192.168.1.0/24", "192.168.1.192/26"),
        ("192.168.1.16/28", "192.168.1.28/30"),
        ("192.168.1.8/29", "192.168.1.14/31"),
    ],
)
def test_default_range_is_the_last_quarter(subnet: str, wanted: str) -> None:
    assert default_range(IPv4Network(subnet)) == IPv4Network(wanted)


def test_what_is_detected_is_used() -> None:
    lan = effective_lan("n", FOUND, None, "")
    assert (lan.interface, str(lan.subnet), str(lan.gateway)) == ("eth0", "172.18.0.0/16", "172.18.0.1")
    assert (lan.driver, lan.drivers, str(lan.range)) == ("macvlan", ("macvlan",), "172.18.255.0/24")
    assert Lan.from_status("n", lan.status()) == lan


@pytest.mark.parametrize(
    ("override", "general", "wanted"),
    [
        (None, "172.18.200.0/24", "172.18.200.0/24"),
        ({"range": "172.18.100.0/25"}, "172.18.200.0/24", "172.18.100.0/25"),
        ({"range": "172.18.100.0/25"}, "", "172.18.100.0/25"),
    ],
)
def test_ranges_in_order(override: dict[str, str] | None, general: str, wanted: str) -> None:
    said = LanOverride.model_validate(override) if override else None
    assert str(effective_lan("n", FOUND, said, general).range) == wanted


@pytest.mark.parametrize(
    ("found", "override", "general", "reason", "word"),
    [
        ({}, None, "", "NoLan", "spec.lan"),
        ({}, {"interface": "eth1"}, "", "NoLan", "eth1"),
        (
            FOUND,
            {"interface": "eth1", "subnet": "10.0.0.0/24"},
            "",
            "InterfaceNotGuarded",
            "nodeAgent.interface",
        ),
        (FOUND, {"range": "10.0.0.0/24"}, "", "LanInvalid", "spec.lan.range"),
        (FOUND, None, "10.0.0.0/24", "LanInvalid", "swarmHosts.range"),
        (FOUND, None, "nonsense", "LanInvalid", "nonsense"),
        (FOUND, {"subnet": "10.1.0.0/24"}, "", "LanInvalid", "gateway"),
    ],
)
def test_what_cannot_be(
    found: dict[str, Any], override: dict[str, str] | None, general: str, reason: str, word: str
) -> None:
    said = LanOverride.model_validate(override) if override else None
    with pytest.raises(ProblemError, match=word) as caught:
        effective_lan("n", found, said, general)
    assert caught.value.problem.reason == reason


def test_all_by_hand_needs_no_detection() -> None:
    said = LanOverride(interface="eth1", subnet="10.1.0.0/24", gateway="10.1.0.1", driver="ipvlan")
    lan = effective_lan("n", {}, said, "")
    assert (lan.interface, lan.driver, lan.gateway) == ("eth1", "ipvlan", IPv4Address("10.1.0.1"))


def test_a_kernel_without_macvlan_gives_its_own_default() -> None:
    assert effective_lan("n", {**FOUND, "drivers": ["ipvlan"]}, None, "").driver == "ipvlan"


def lease(age: float, **changes: Any) -> dict[str, Any]:
    annotations = {
        "decnet.io/lan": json.dumps({**FOUND, **changes}),
        "decnet.io/agent": json.dumps({"version": "1", "filter": "on", "refused": 0, "problem": ""}),
    }
    renewed = (NOW - timedelta(seconds=age)).isoformat()
    return {
        "metadata": {"annotations": annotations},
        "spec": {"renewTime": renewed, "leaseDurationSeconds": 40},
    }


@pytest.mark.parametrize(
    ("beat", "node", "reason", "ready"),
    [
        (lease(39), True, "Ready", True),
        (lease(41), True, "Unreachable", False),
        (None, True, "AgentMissing", False),
        (lease(1), False, "NoSuchNode", False),
        (lease(1, subnet=None), True, "NoLan", False),
        ({"metadata": {}, "spec": {"renewTime": "soon"}}, True, "Unreachable", False),
    ],
)
def test_how_a_host_does(beat: dict[str, Any] | None, node: bool, reason: str, ready: bool) -> None:
    health = judge("n", node_exists=node, lease=beat, override=None, wanted_range="", now=NOW)
    assert (health.verdict.reason, health.verdict.ready) == (reason, ready)


def test_what_the_agent_says_is_passed_on() -> None:
    health = judge("n", node_exists=True, lease=lease(1), override=None, wanted_range="", now=NOW)
    assert health.agent is not None
    assert (health.agent.version, health.agent.filter, health.agent.problem) == ("1", "on", None)
