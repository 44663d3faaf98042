"""Pods and network attachments against golden files; DECNET_GOLDEN=write writes them anew."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_lab import DEPLOYMENT, HERE, lan, machine, place

from decnet_operator.domain.data import families
from decnet_operator.domain.observed import PERSONA
from decnet_operator.reconcile.pods import drifted
from decnet_operator.specs.names import CHECKSUM, network_name
from decnet_operator.specs.network import network_attachment
from decnet_operator.specs.pod import decky_pod

CUSTOM = {
    "name": "own",
    "image": "registry.example.com/own:1",
    "command": ["/usr/bin/own"],
    "args": ["--port", "443"],
    "ports": [{"port": 443}],
    "env": {"B": "2", "A": "1"},
}
PODS: dict[str, dict[str, Any]] = {
    "pod-alpha": {"services": [{"name": "alpha", "persona": {"users": {"root": "toor"}}}]},
    "pod-full": {
        "archetype": "windows-server",
        "services": [{"name": "alpha"}, {"name": "beta", "persona": {"mode": "fancy"}}],
        "customServices": [CUSTOM],
        "runtimeClassName": "gvisor",
        "resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "99Mi"}},
    },
}
TELLTALE = ("honeypot", "decoy", "deception", "kube-", "trap")


def same_as_golden(name: str, value: Any) -> None:
    path = Path(HERE, "golden", f"{name}.yaml")
    text = yaml.safe_dump(value, sort_keys=True, width=110)
    if os.environ.get("DECNET_GOLDEN") == "write":
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("name", PODS)
def test_pod(name: str) -> None:
    same_as_golden(name, decky_pod(machine(**PODS[name]), place(), DEPLOYMENT))


def test_pod_on_ipvlan_without_gateway_with_other_pull_settings() -> None:
    deployment = dataclasses.replace(DEPLOYMENT, pull_policy="Never", pull_secrets=("login",), egress="off")
    where = place(driver="ipvlan", lan=lan(gateway=None))
    same_as_golden("pod-ipvlan", decky_pod(machine(), where, deployment))


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
@pytest.mark.parametrize("family", families())
def test_network_attachment(family: str, driver: str) -> None:
    made = network_attachment("decnet", lan(), families()[family], driver)
    config = json.loads(made["spec"]["config"])
    same_as_golden(f"network-{family}-{driver}", {**made, "spec": {"config": config}})


@pytest.mark.parametrize("name", PODS)
def test_least_privilege(name: str) -> None:
    spec = decky_pod(machine(**PODS[name]), place(), DEPLOYMENT)["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        context = container["securityContext"]
        assert context["capabilities"]["drop"] == ["ALL"]
        assert context["privileged"] is False
        powers = set(context["capabilities"].get("add", ()))
        assert ("NET_ADMIN" in powers) == (container["name"] == PERSONA)
        assert ("NET_RAW" in powers) == (container["name"] == PERSONA)
        assert "ephemeral-storage" in container["resources"]["limits"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["dnsPolicy"] == "None"
    assert not any(spec.get(it) for it in ("hostNetwork", "hostPID", "hostIPC", "serviceAccountName"))


@pytest.mark.parametrize("name", PODS)
def test_nothing_inside_names_the_trade(name: str) -> None:
    pod = decky_pod(
        machine(**PODS[name]),
        place(),
        dataclasses.replace(DEPLOYMENT, images=dict.fromkeys(DEPLOYMENT.images, "x")),
    )
    seen = json.dumps([pod["metadata"]["labels"], pod["metadata"]["annotations"]["hosts"]])
    for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
        seen += json.dumps([container.get("env"), container["volumeMounts"], container["name"]])
        if container["name"] != PERSONA:
            assert container["terminationMessagePath"] != "/dev/termination-log"
    assert "decnet" not in seen.lower()
    assert not [word for word in TELLTALE if word in seen.lower()]


def test_settings_of_a_service_are_compact_and_complete() -> None:
    pod = decky_pod(machine(**PODS["pod-full"]), place(), DEPLOYMENT)
    beta = next(it for it in pod["spec"]["containers"] if it["name"] == "beta")
    [variable] = beta["env"]
    settings = json.loads(variable["value"])
    assert variable["name"] == "SETTINGS"
    assert ": " not in variable["value"].replace("http: ", "")
    assert settings["persona"] == {"mode": "fancy", "code": 200}
    assert (settings["hostname"], settings["os"], settings["distro"], settings["address"]) == (
        "web01", "windows", "", "192.168.7.241",
    )  # fmt: skip
    own = next(it for it in pod["spec"]["containers"] if it["name"] == "own")
    assert "SETTINGS" not in {it["name"] for it in own["env"]}


def test_the_checksum_changes_with_anything() -> None:
    def checksum(**changes: Any) -> str:
        return str(decky_pod(machine(), place(**changes), DEPLOYMENT)["metadata"]["annotations"][CHECKSUM])

    base = checksum()
    assert base == checksum()
    assert base != checksum(mac="00:0c:29:01:02:04")
    assert base != checksum(hostname="web02")


def test_what_somebody_changed_is_seen() -> None:
    wanted = decky_pod(machine(), place(), DEPLOYMENT)

    def live(change: Any) -> dict[str, Any]:
        pod: dict[str, Any] = json.loads(json.dumps(wanted))
        change(pod)
        return pod

    assert not drifted(wanted, live(lambda pod: pod["metadata"]["annotations"].update({"k8s.v1.cni": "[]"})))
    assert drifted(
        wanted, live(lambda pod: pod["metadata"]["labels"].update({"app.kubernetes.io/instance": "x"}))
    )
    assert drifted(wanted, live(lambda pod: pod["metadata"]["annotations"].pop("hosts")))
    assert drifted(wanted, live(lambda pod: pod["spec"]["containers"][0].update(image="evil")))
    assert drifted(wanted, live(lambda pod: pod["spec"]["initContainers"][0].update(image="evil")))


def test_names_of_network_attachments() -> None:
    assert network_name("node-a", "linux", "macvlan") == "node-a-linux"
    assert network_name("node-a", "linux", "ipvlan") == "node-a-linux-ipvlan"
    dotted, dashed = network_name("a.b", "linux", "macvlan"), network_name("a-b", "linux", "macvlan")
    assert dotted != dashed
    long = network_name("n" * 200, "embedded", "ipvlan")
    assert len(long) <= 63
    assert network_name("n" * 201, "embedded", "ipvlan") != long
