"""What a pod says of its decky, and the conditions made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from operator_lab import machine

from decnet_operator.domain import observed
from decnet_operator.domain.conditions import Verdict, conditions

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def pod(*, ready: bool = False, persona: Any = None, **services: Any) -> dict[str, Any]:
    status: dict[str, Any] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "initContainerStatuses": [
            {"name": "persona", "image": "p", **(persona or {"state": {"running": {}}})}
        ],
        "containerStatuses": [{"name": name, "image": "i", **it} for name, it in services.items()],
    }
    return {"metadata": {"name": "web"}, "spec": {}, "status": status}


def ended(reason: str, message: str, state: str = "lastState") -> dict[str, Any]:
    said = {"terminated": {"exitCode": 3, "message": json.dumps({"reason": reason, "message": message})}}
    return {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, state: said}


def waiting(reason: str, message: str = "m") -> dict[str, Any]:
    return {"ready": False, "state": {"waiting": {"reason": reason, "message": message}}}


CRASHED = {**waiting("CrashLoopBackOff"), "lastState": {"terminated": {"exitCode": 7}}}


@pytest.mark.parametrize(
    ("seen", "reason", "stalled"),
    [
        (None, "Creating", False),
        ({"metadata": {"deletionTimestamp": NOW}, "status": pod(ready=True)["status"]}, "Replacing", False),
        (pod(ready=True), "Ready", False),
        (pod(), "Starting", False),
        (pod(persona=ended("AddressConflict", "aa:bb answers")), "AddressConflict", True),
        (pod(persona=ended("DisguiseFailed", "ttl is 64", "state")), "DisguiseFailed", True),
        (pod(ready=True, persona=ended("AddressConflict", "old") | {"state": {"running": {}}}), "Ready", False),
        (pod(alpha=waiting("ErrImagePull")), "ImagePullFailed", True),
        (pod(alpha=waiting("ImagePullBackOff")), "ImagePullFailed", True),
        (pod(alpha=waiting("CreateContainerConfigError")), "ContainerNotPossible", True),
        (pod(alpha=CRASHED), "ServiceFailing", False),
        (pod(alpha=waiting("PodInitializing")), "Starting", False),
    ],
)  # fmt: skip
def test_verdicts(seen: dict[str, Any] | None, reason: str, stalled: bool) -> None:
    verdict = observed.verdict(seen)
    assert (verdict.reason, verdict.stalled, verdict.ready) == (reason, stalled, reason == "Ready")


def test_pods_that_no_node_takes_or_that_ended() -> None:
    lost = pod()
    lost["status"]["conditions"].append(
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no cpu"}
    )
    assert observed.verdict(lost).reason == "Unschedulable"
    assert "no cpu" in observed.verdict(lost).message
    evicted = pod()
    evicted["status"].update(phase="Failed", message="disk pressure")
    assert "disk pressure" in observed.verdict(evicted).message


@pytest.mark.parametrize("text", [None, "", "killed", "[]", '{"reason": "X"}'])
def test_last_words_that_are_none(text: str | None) -> None:
    seen = pod(persona={"state": {"waiting": {}}, "lastState": {"terminated": {"message": text}}})
    assert observed.gave_up(seen) is None


def test_services_as_their_containers_do() -> None:
    made = machine(
        services=[{"name": "alpha"}, {"name": "beta"}],
        customServices=[{"name": "own", "image": "x", "ports": [{"port": 53, "protocol": "UDP"}]}],
    )
    alpha, beta, own = observed.service_statuses(made, pod(alpha={"ready": True}, beta=CRASHED))
    assert (alpha.name, alpha.ready, alpha.ports, alpha.message) == ("alpha", True, ("22/TCP",), None)
    assert (beta.ready, beta.ports, beta.message) == (
        False, ("80/TCP", "8080/TCP"), "CrashLoopBackOff (exit status 7)",
    )  # fmt: skip
    assert (own.ready, own.ports) == (False, ("53/UDP",))


def states(made: list[dict[str, Any]]) -> dict[str, str]:
    return {it["type"]: it["status"] for it in made}


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [
        (Verdict("Ready", "fine", ready=True), ("True", "False", "False")),
        (Verdict("Starting", "soon"), ("False", "True", "False")),
        (Verdict("NoLan", "do this", stalled=True), ("False", "False", "True")),
        (Verdict("Unreachable", "away", waits=True), ("False", "False", "False")),
    ],
)
def test_conditions(verdict: Verdict, wanted: tuple[str, str, str]) -> None:
    made = conditions(verdict, 4, [], NOW)
    assert tuple(states(made)[kind] for kind in ("Ready", "Reconciling", "Stalled")) == wanted
    assert all(it["observedGeneration"] == 4 and it["lastTransitionTime"] == NOW for it in made)
    again = conditions(verdict, 4, made, LATER)
    assert again == made, "an equal verdict changes nothing, so nothing is written"


def test_a_transition_has_its_time() -> None:
    before = conditions(Verdict("Starting", "soon"), 1, [], NOW)
    after = conditions(Verdict("Ready", "fine", ready=True), 1, before, LATER)
    times = {it["type"]: it["lastTransitionTime"] for it in after}
    assert times == {"Ready": LATER, "Reconciling": LATER, "Stalled": NOW}
