"""Wrong specs: refused by the API server, or Stalled, with the field and the remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.cluster import kubectl, wait_for
from lab.deckies import apply, condition, manifest

REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown service": ({"services": [{"name": "sssh"}]}, ["spec.services[0].name", "ssh", "http"]),
    "unknown persona key": (
        {"services": [{"name": "ssh", "persona": {"userz": "a:b"}}]},
        ["userz", "users"],
    ),
    "wrong type of a persona key": (
        {"services": [{"name": "http", "persona": {"response_code": "teapot"}}]},
        ["response_code", "integer"],
    ),
    "wrong value of a persona key": (
        {"services": [{"name": "http", "persona": {"fake_app": "wordpres"}}]},
        ["fake_app", "wordpress"],
    ),
    "neither services nor archetype": ({"os": "linux"}, ["services", "archetype"]),
    "an archetype this release cannot serve": ({"archetype": "windows-server"}, ["windows-server", "rdp"]),
    "an address that is none": (
        {"archetype": "deaddeck", "network": {"ip": "10.0.0.300"}},
        ["spec.network", "IPv4"],
    ),
    "a MAC that is none": (
        {"archetype": "deaddeck", "network": {"mac": "zz:15:5d:00:00:01"}},
        ["spec.network.mac"],
    ),
    "unknown archetype": ({"archetype": "mainframe"}, ["spec.archetype", "linux-server"]),
    "unknown OS": ({"archetype": "deaddeck", "os": "beos"}, ["spec.os", "windows"]),
    "one service twice": ({"services": [{"name": "ssh"}, {"name": "ssh"}]}, ["spec.services"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_field_and_remedy(case: str) -> None:
    spec, words = REFUSED[case]
    wrong = manifest("wrong", archetype="deaddeck")
    wrong["spec"] = spec
    answer = kubectl("apply", "-f", "-", stdin=json.dumps(wrong), check=False)
    try:
        assert "created" not in answer
        assert not [word for word in words if word not in answer], answer
    finally:
        kubectl("delete", "decky", "wrong", "--ignore-not-found", "--wait=false")


STALLED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "address outside the LAN": ({"ip": "203.0.113.9"}, ["203.0.113.9", "spec.network.ip"]),
    "no such host": ({"swarmHost": "no-such-node"}, ["no-such-node", "kubectl get swarmhosts"]),
}


@pytest.mark.parametrize("case", STALLED)
def test_what_only_another_object_can_tell_is_stalled(case: str) -> None:
    network, words = STALLED[case]
    try:
        apply(manifest("stalled", archetype="deaddeck", network=network))
        stalled = wait_for(
            "Stalled",
            lambda: (c := condition("stalled", "Stalled")).get("status") == "True" and c,
        )
        assert stalled
        assert not [word for word in words if word not in stalled["message"]], stalled
        assert condition("stalled", "Ready")["status"] == "False"
    finally:
        kubectl("delete", "decky", "stalled", "--ignore-not-found", "--timeout=30s")
