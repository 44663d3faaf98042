"""A decky comes, stays what it is, and goes without a trace."""

from __future__ import annotations

import json
import time
from typing import Any

from lab.attacker import Attacker
from lab.cluster import PRODUCT_NAMESPACE, ROOT, events, get, kubectl, last_event_id, wait_for
from lab.deckies import HTTP, SSH, apply, condition, deckies, manifest, wait_ready

BACK_WITHIN = 15  # seconds


def test_the_example_is_ready_within_a_minute() -> None:
    kubectl("delete", "decky", "decky-01", "--ignore-not-found", "--timeout=60s")
    kubectl("apply", "-f", str(ROOT / "examples" / "decky.yaml"))
    kubectl("wait", "--for=condition=Ready", "decky/decky-01", "--timeout=60s")
    header, row = kubectl("get", "deckies", "decky-01").splitlines()
    assert header.split() == ["NAME", "READY", "IP", "OS", "SERVICES", "HOST", "AGE"]
    assert "True" in row
    wide = kubectl("get", "deckies", "decky-01", "-o", "wide").splitlines()[0].split()
    assert {"MAC", "HOSTNAME", "DISTRO"} <= set(wide)


def test_the_manual_is_kubectl_explain() -> None:
    text = kubectl("explain", "decky.spec")
    assert "<no description>" not in kubectl("explain", "decky.spec", "--recursive=false")
    for field in (
        "archetype",
        "services",
        "os",
        "distro",
        "hostname",
        "network",
        "customServices",
        "resources",
    ):
        assert field in text
    assert "users" in kubectl("explain", "decky.spec.services.persona")


def test_a_deleted_pod_comes_back_the_same(attacker: Attacker) -> None:
    with deckies(manifest("phoenix", services=[SSH, HTTP])) as [before]:
        keys = attacker.host_keys(before["ip"])
        uid = get("pod/phoenix")["metadata"]["uid"]
        started = time.monotonic()
        kubectl("delete", "pod", "phoenix", "--wait=false")
        wait_for("another pod", lambda: _uid("phoenix") not in ("", uid), timeout=BACK_WITHIN)
        wait_for("an answer", lambda: "open" in _probe(attacker, before["ip"]), timeout=BACK_WITHIN)
        assert time.monotonic() - started < BACK_WITHIN
        [after] = wait_ready("phoenix")
        assert (after["ip"], after["mac"]) == (before["ip"], before["mac"])
        assert attacker.host_keys(after["ip"]) == keys


def test_an_edited_pod_is_put_right() -> None:
    with deckies(manifest("edited", services=[SSH])):
        label = {"metadata": {"labels": {"app.kubernetes.io/instance": "someone-else"}}}
        kubectl("patch", "pod", "edited", "-p", json.dumps(label))
        wait_for(
            "the label restored",
            lambda: get("pod/edited")["metadata"]["labels"]["app.kubernetes.io/instance"] == "edited",
        )


def test_restarting_the_operator_writes_nothing(decky: dict[str, Any]) -> None:
    def versions() -> dict[str, str]:
        kinds = "pods,deckies,swarmhosts,secrets,configmaps,network-attachment-definitions"
        names = {
            f"{item['kind']}/{item['metadata'].get('namespace')}/{item['metadata']['name']}": item[
                "metadata"
            ]["resourceVersion"]
            for item in get(kinds, "-A")["items"]
            if not _changes_by_itself(item)
        }
        assert f"Decky/default/{decky['name']}" in names
        return names

    time.sleep(3)
    before = versions()
    kubectl("-n", PRODUCT_NAMESPACE, "rollout", "restart", "deployment/decnet-operator")
    kubectl("-n", PRODUCT_NAMESPACE, "rollout", "status", "deployment/decnet-operator", "--timeout=90s")
    time.sleep(10)
    assert versions() == before


def test_nothing_is_left_of_a_deleted_decky() -> None:
    with deckies(manifest("ghost", services=[SSH], hostname="ghost-host")):
        assert get("pod/ghost")
    kinds = "pods,configmaps,secrets,network-attachment-definitions,deckies"
    wait_for(
        "nothing left",
        lambda: not [i for i in get(kinds, "-A")["items"] if "ghost" in i["metadata"]["name"]],
    )


def test_the_second_to_ask_for_an_address_is_told() -> None:
    lan = get("swarmhosts")["items"][0]["status"]["lan"]
    taken = lan["range"].split("/")[0].rsplit(".", 1)[0] + ".77"
    first = manifest("first", services=[SSH], network={"ip": taken})
    second = manifest("second", services=[SSH], network={"ip": taken})
    with deckies(first):
        try:
            apply(second)
            stalled = wait_for(
                "Stalled", lambda: (c := condition("second", "Stalled")).get("status") == "True" and c
            )
            assert stalled
            assert stalled["reason"] == "AddressInUse"
            assert taken in stalled["message"]
            assert "first" in stalled["message"]
        finally:
            kubectl("delete", "decky", "second", "--ignore-not-found", "--timeout=30s")


def test_a_foreign_machine_with_the_address_is_noticed(attacker: Attacker) -> None:
    lan = get("swarmhosts")["items"][0]["status"]["lan"]
    taken = lan["range"].split("/")[0].rsplit(".", 1)[0] + ".88"
    attacker.do("ip", "addr", "add", f"{taken}/16", "dev", "eth0")
    since = last_event_id()
    try:
        apply(manifest("squatter", services=[SSH], network={"ip": taken}))
        wait_for(
            "the conflict in the condition",
            lambda: "AddressConflict" in json.dumps(get("decky/squatter").get("status", {})),
        )
        assert wait_for(
            "the conflict in the database", lambda: events("squatter", "event_id = 'address_conflict'", since)
        )
        attacker.do("ip", "addr", "del", f"{taken}/16", "dev", "eth0")
        wait_ready("squatter")
    finally:
        attacker.do("ip", "addr", "del", f"{taken}/16", "dev", "eth0", check=False)
        kubectl("delete", "decky", "squatter", "--ignore-not-found", "--timeout=60s")


def _changes_by_itself(item: dict[str, Any]) -> bool:
    """Whether others than the operator write to it: the product's own pods and Helm's records."""
    meta = item["metadata"]
    own_pod = item["kind"] == "Pod" and meta["namespace"] in (PRODUCT_NAMESPACE, "kube-system")
    return own_pod or meta["name"].startswith("sh.helm.")


def _uid(pod: str) -> str:
    return kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}", "--ignore-not-found")


def _probe(attacker: Attacker, address: str) -> str:
    return attacker.do("nmap", "-n", "-Pn", "-p", "22", "--max-retries", "1", address, check=False)
