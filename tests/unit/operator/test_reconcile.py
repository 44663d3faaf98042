"""The reconcilers against an API server in memory: what is written, in which order, and what is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from fake_kube import FakeKube
from operator_lab import DEPLOYMENT, catalogue, lan

from decnet_operator.api.swarmhost import SwarmHostStatus
from decnet_operator.domain.conditions import Verdict, conditions
from decnet_operator.kube.client import Kube
from decnet_operator.kube.errors import KubeError
from decnet_operator.reconcile.audit import audit
from decnet_operator.reconcile.authority import ensure_secrets
from decnet_operator.reconcile.engine import Engine
from decnet_operator.reconcile.queue import Key, Queue
from decnet_operator.reconcile.state import Cache, State
from decnet_operator.settings import OperatorSettings

NOW = "2026-01-01T00:00:00Z"
SERVICE = {"services": [{"name": "alpha"}]}
Events = list[tuple[str, str]]


class Plane:
    """An engine whose caches are the objects of a FakeKube, worked by hand."""

    def __init__(self, kube: FakeKube | None = None) -> None:
        self.kube = kube or FakeKube()
        self.state = State(
            OperatorSettings(),
            DEPLOYMENT,
            catalogue(),
            cast("Kube", self.kube),
            Queue(),
            install_secret=b"secret",
        )
        self.events: Events = []
        self.state.events.record = lambda _body, kind, reason, _message: self.events.append((kind, reason))  # type: ignore[method-assign]
        self.engine = Engine(self.state)
        self.state.swept_at = 1.0
        caches = self.state.caches
        for cache, plural in (
            (caches.deckies, "deckies"), (caches.hosts, "swarmhosts"), (caches.pods, "pods"),
            (caches.nodes, "nodes"), (caches.requests, "certificatesigningrequests"),
        ):  # fmt: skip
            bind(cache, self.kube, plural)

    def add_host(self, name: str = "node-a", *, ready: bool = True, last: int = 10) -> None:
        status = SwarmHostStatus(lan=lan(name, last=last).status()).dump()
        status["conditions"] = conditions(
            Verdict("Ready" if ready else "Unreachable", "m", ready=ready), 1, [], NOW
        )
        self.put("swarmhosts", {"metadata": {"name": name}, "spec": {}, "status": status})
        self.put("nodes", {"metadata": {"name": name, "labels": {}}, "spec": {}})

    def add_decky(self, name: str = "web", **spec: Any) -> None:
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": spec or SERVICE}
        self.put("deckies", body)

    def put(self, plural: str, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        known = self.kube.objects.get(
            (plural, metadata.get("namespace", ""), metadata["name"]), {"metadata": {}}
        )
        defaults = {
            "uid": f"uid-{metadata['name']}",
            "creationTimestamp": NOW,
            "generation": 1,
            "resourceVersion": "1",
        }
        merged = {**defaults, **known["metadata"], **metadata}
        if known["metadata"]:
            merged["generation"] += 1
        self.kube.objects[plural, metadata.get("namespace", ""), metadata["name"]] = {
            **copy.deepcopy(known), **copy.deepcopy(body), "metadata": merged,
        }  # fmt: skip

    async def decky(self, name: str = "web") -> None:
        await self.engine._dispatch(Key("decky", name, "default"))

    def status(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.kube.objects["deckies", "default", name].get("status", {})
        return found

    def condition(self, kind: str = "Ready", name: str = "web") -> dict[str, Any]:
        return next(it for it in self.status(name)["conditions"] if it["type"] == kind)

    def pod(self, name: str = "web") -> dict[str, Any]:
        return self.kube.objects["pods", "default", name]

    def has_pod(self, name: str = "web") -> bool:
        return ("pods", "default", name) in self.kube.objects

    def make_ready(self, name: str = "web") -> None:
        self.pod(name)["status"] = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [{"name": "persona", "state": {"running": {}}}],
            "containerStatuses": [{"name": "alpha", "ready": True}],
        }


class _Live:
    """FakeKube's objects of one kind as kopf's index has them."""

    def __init__(self, kube: FakeKube, plural: str) -> None:
        self._kube, self._plural = kube, plural

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([key[1:] for key in self._kube.objects if key[0] == self._plural])

    def __contains__(self, key: object) -> bool:
        return key in list(self)

    def __getitem__(self, key: tuple[str, str]) -> list[dict[str, Any]]:
        return [{**self._kube.objects[self._plural, *key]}]


def bind(cache: Cache, kube: FakeKube, plural: str) -> None:
    cache.bind(_Live(kube, plural))


@pytest.fixture
def plane() -> Plane:
    made = Plane()
    made.add_host()
    made.add_decky()
    return made


async def test_address_first_then_network_then_pod(plane: Plane) -> None:
    await plane.decky()
    assert plane.kube.log == [
        "apply deckies/status web",
        "apply network-attachment-definitions node-a-linux",
        "apply pods web",
    ]
    status = plane.status()
    assert (status["ip"], status["node"], status["serviceNames"]) == ("192.168.7.240", "node-a", "alpha")
    assert "seed" not in json.dumps(status)
    assert plane.condition()["reason"] == "Creating"
    assert plane.condition("Reconciling")["status"] == "True"


async def test_ready_comes_from_the_pod_and_is_told_once(plane: Plane) -> None:
    await plane.decky()
    plane.make_ready()
    await plane.decky()
    await plane.decky()
    assert plane.condition()["status"] == "True"
    assert plane.status()["services"] == [{"name": "alpha", "ready": True, "ports": ["22/TCP"]}]
    assert plane.events == [("Normal", "Ready")]


async def test_another_operator_on_the_same_cluster_writes_nothing(plane: Plane) -> None:
    await plane.decky()
    plane.make_ready()
    await plane.decky()
    writes = plane.kube.writes
    restarted = Plane(plane.kube)
    await restarted.decky()
    await restarted.engine._dispatch(Key("networks", "tidy"))
    assert plane.kube.writes == writes
    assert restarted.events == []


async def test_what_was_edited_is_put_right(plane: Plane) -> None:
    await plane.decky()
    plane.make_ready()
    plane.pod()["spec"]["containers"][0]["image"] = "evil"
    plane.pod()["metadata"]["labels"]["app.kubernetes.io/instance"] = "else"
    await plane.decky()
    assert plane.pod()["spec"]["containers"][0]["image"] == "decnet/alpha:1"
    assert plane.pod()["metadata"]["labels"]["app.kubernetes.io/instance"] == "web"
    assert ("Normal", "PodRepaired") in plane.events


async def test_a_changed_spec_replaces_the_pod_and_keeps_the_identity(plane: Plane) -> None:
    await plane.decky()
    before = plane.status()
    plane.add_decky(services=[{"name": "alpha", "persona": {"banner": "hi"}}])
    await plane.decky()
    assert not plane.has_pod()
    assert plane.condition()["reason"] == "Replacing"
    await plane.decky()
    assert '"banner":"hi"' in plane.pod()["spec"]["containers"][0]["env"][0]["value"]
    after = plane.status()
    assert [after[key] for key in ("ip", "mac", "hostname")] == [
        before[key] for key in ("ip", "mac", "hostname")
    ]
    assert after["observedGeneration"] == 2


async def test_a_deleted_pod_comes_back_the_same(plane: Plane) -> None:
    await plane.decky()
    before = copy.deepcopy(plane.pod())
    del plane.kube.objects["pods", "default", "web"]
    await plane.decky()
    assert plane.pod()["spec"] == before["spec"]
    assert plane.pod()["metadata"]["annotations"] == before["metadata"]["annotations"]


def conflict(plane: Plane, name: str = "web") -> None:
    said = json.dumps({"reason": "AddressConflict", "message": "aa:bb:cc:dd:ee:ff answers for it"})
    persona = {"name": "persona", "state": {"waiting": {}}, "lastState": {"terminated": {"message": said}}}
    plane.pod(name)["status"] = {"phase": "Pending", "initContainerStatuses": [persona]}


async def test_a_chosen_address_that_a_stranger_has_is_changed(plane: Plane) -> None:
    await plane.decky()
    conflict(plane)
    await plane.decky()
    assert plane.status()["ip"] == "192.168.7.241"
    assert plane.events[0] == ("Warning", "AddressConflict")
    await plane.decky()
    assert "192.168.7.241/24" in json.dumps(plane.pod()["metadata"]["annotations"])


async def test_a_given_address_that_a_stranger_has_is_stalled(plane: Plane) -> None:
    plane.add_decky(**SERVICE, network={"ip": "192.168.7.99"})
    await plane.decky()
    conflict(plane)
    await plane.decky()
    stalled = plane.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "AddressConflict")
    assert "aa:bb:cc:dd:ee:ff" in stalled["message"]
    assert plane.status()["ip"] == "192.168.7.99"
    assert plane.has_pod()


async def test_the_second_to_ask_is_stalled_until_the_first_is_gone(plane: Plane) -> None:
    plane.add_decky("first", **SERVICE, network={"ip": "192.168.7.99"})
    plane.add_decky("second", **SERVICE, network={"ip": "192.168.7.99"})
    await plane.decky("first")
    await plane.decky("second")
    stalled = plane.condition("Stalled", "second")
    assert (stalled["status"], stalled["reason"]) == ("True", "AddressInUse")
    assert "default/first" in stalled["message"]
    assert not plane.has_pod("second")
    gone = plane.kube.objects.pop(("deckies", "default", "first"))
    plane.engine.saw_decky(gone, gone=True)
    assert not plane.state.queue.idle
    await plane.decky("second")
    assert "waiting for pod default/first" in plane.condition("Ready", "second")["message"]
    del plane.kube.objects["pods", "default", "first"]
    await plane.decky("second")
    assert plane.has_pod("second")


async def test_a_decky_that_comes_before_its_host() -> None:
    plane = Plane()
    plane.add_decky()
    await plane.decky()
    assert plane.condition("Stalled")["reason"] == "NoSwarmHost"
    assert plane.events == [("Warning", "NoSwarmHost")]
    assert Key("decky", "web", "default") in plane.state.waiting
    plane.add_host()
    await plane.decky()
    assert plane.has_pod()
    assert not plane.state.waiting


async def test_a_host_that_is_away_is_told_and_leaves_the_pod_alone(plane: Plane) -> None:
    await plane.decky()
    plane.make_ready()
    plane.add_host(ready=False)
    await plane.decky()
    assert plane.has_pod()
    assert plane.condition()["reason"] == "SwarmHostNotReady"
    assert plane.condition("Reconciling")["status"] == plane.condition("Stalled")["status"] == "False"


async def test_an_unknown_image_is_stalled() -> None:
    plane = Plane()
    plane.state.deployment.images.pop("beta", None)  # type: ignore[attr-defined]
    plane.add_host()
    plane.add_decky(services=[{"name": "beta"}])
    try:
        await plane.decky()
        assert plane.condition("Stalled")["reason"] == "ImageUnknown"
        assert "beta" in plane.condition("Stalled")["message"]
    finally:
        plane.state.deployment.images["beta"] = "decnet/beta:1"  # type: ignore[index]


async def test_a_pod_of_somebody_else_is_not_touched(plane: Plane) -> None:
    plane.kube.refuse = KubeError("pod updates may not change fields", 422)
    plane.kube.objects["pods", "default", "web"] = {
        "metadata": {"name": "web", "namespace": "default", "uid": "theirs", "labels": {}},
        "spec": {"containers": []},
    }
    await plane.decky()
    assert plane.condition("Stalled")["reason"] == "PodNameTaken"
    assert "delete pods web" not in plane.kube.log


async def test_a_quota_is_told(plane: Plane) -> None:
    plane.kube.refuse = KubeError("exceeded quota", 403)
    await plane.decky()
    assert plane.condition("Stalled")["reason"] == "PodRefused"
    assert "exceeded quota" in plane.condition("Stalled")["message"]


async def test_the_pod_of_an_earlier_decky_of_the_name_is_waited_for(plane: Plane) -> None:
    await plane.decky()
    plane.state.forget("uid-web")
    plane.kube.objects["deckies", "default", "web"]["metadata"]["uid"] = "uid-new"
    plane.kube.objects["deckies", "default", "web"].pop("status")
    await plane.decky()
    assert plane.condition()["reason"] == "PodEnding"
    assert plane.condition("Reconciling")["status"] == "True"


async def test_a_failed_pod_is_made_anew(plane: Plane) -> None:
    await plane.decky()
    plane.pod()["status"] = {"phase": "Failed", "reason": "Evicted"}
    await plane.decky()
    assert not plane.has_pod()
    assert ("Normal", "PodFailed") in plane.events


async def test_networks_go_with_their_last_decky(plane: Plane) -> None:
    await plane.decky()
    tidy = Key("networks", "tidy")
    await plane.engine._dispatch(tidy)
    assert ("network-attachment-definitions", "decnet", "node-a-linux") in plane.kube.objects
    gone = plane.kube.objects.pop(("deckies", "default", "web"))
    plane.engine.saw_decky(gone, gone=True)
    await plane.engine._dispatch(tidy)
    assert ("network-attachment-definitions", "decnet", "node-a-linux") in plane.kube.objects, (
        "its pod is there"
    )
    del plane.kube.objects["pods", "default", "web"]
    await plane.engine._dispatch(tidy)
    assert not [key for key in plane.kube.objects if key[0] == "network-attachment-definitions"]


async def test_an_edited_network_is_put_right(plane: Plane) -> None:
    await plane.decky()
    key = ("network-attachment-definitions", "decnet", "node-a-linux")
    plane.kube.objects[key]["spec"]["config"] = "{}"
    await plane.engine._dispatch(Key("networks", "tidy"))
    assert "macvlan" in plane.kube.objects[key]["spec"]["config"]


async def test_the_older_of_two_with_one_address_keeps_it_over_a_restart(plane: Plane) -> None:
    await plane.decky()
    status = copy.deepcopy(plane.status())
    younger = {"name": "copy", "namespace": "default", "creationTimestamp": "2026-05-01T00:00:00Z"}
    plane.put("deckies", {"metadata": younger, "spec": SERVICE, "status": status})
    restarted = Plane(plane.kube)
    await restarted.decky("copy")
    await restarted.decky("web")
    assert restarted.status("web")["ip"] == "192.168.7.240"
    assert restarted.status("copy")["ip"] == "192.168.7.241"


async def test_nodes_are_enrolled_unless_they_opt_out() -> None:
    plane = Plane()
    for name, labels, spec in (
        ("worker", {}, {}),
        ("control", {"node-role.kubernetes.io/control-plane": ""}, {}),
        ("cordoned", {}, {"unschedulable": True}),
        ("private", {"decnet.io/enrol": "false"}, {}),
    ):
        plane.put("nodes", {"metadata": {"name": name, "labels": labels}, "spec": spec})
        await plane.engine._dispatch(Key("node", name))
    hosts = [key[2] for key in plane.kube.objects if key[0] == "swarmhosts"]
    assert hosts == ["worker"]
    [owner] = plane.kube.objects["swarmhosts", "", "worker"]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Node", "worker")


async def test_a_lease_makes_a_host_ready_and_wakes_who_waits() -> None:
    plane = Plane()
    plane.put("nodes", {"metadata": {"name": "worker", "labels": {}}, "spec": {}})
    plane.put("swarmhosts", {"metadata": {"name": "worker"}, "spec": {}})
    plane.add_decky()
    await plane.decky()
    host = Key("host", "worker")
    await plane.engine._dispatch(host)
    found = plane.kube.objects["swarmhosts", "", "worker"]["status"]
    assert found["conditions"][0]["reason"] == "AgentMissing"
    seen = {
        "interface": "eth0",
        "subnet": "10.0.0.0/24",
        "gateway": "10.0.0.1",
        "address": "10.0.0.5",
        "drivers": ["macvlan"],
    }
    plane.state.leases["worker"] = {
        "metadata": {"annotations": {"decnet.io/lan": json.dumps(seen)}},
        "spec": {"renewTime": datetime.now(UTC).isoformat(), "leaseDurationSeconds": 40},
    }
    await plane.engine._dispatch(host)
    status = plane.kube.objects["swarmhosts", "", "worker"]["status"]
    assert status["conditions"][0]["status"] == "True"
    assert status["lan"]["range"] == "10.0.0.192/26"
    assert not plane.state.queue.idle, "the decky that waits is looked at again"
    writes = plane.kube.writes
    await plane.engine._dispatch(host)
    assert plane.kube.writes == writes, "a heartbeat alone is no write"
    await plane.decky()
    assert plane.status()["ip"] == "10.0.0.192"


async def test_secrets_are_made_once() -> None:
    plane = Plane()
    await ensure_secrets(plane.state)
    made = sorted(key[2] for key in plane.kube.objects if key[0] in ("secrets", "configmaps"))
    assert made == ["decnet-ca", "decnet-ca", "decnet-listener-tls", "decnet-seed"]
    secret, authority, writes = plane.state.install_secret, plane.state.authority, plane.kube.writes
    restarted = Plane(plane.kube)
    await ensure_secrets(restarted.state)
    assert plane.kube.writes == writes
    assert (restarted.state.install_secret, restarted.state.authority) == (secret, authority)
    assert len(secret) == 32


async def test_a_node_gets_its_certificate_and_the_pin_is_there_first() -> None:
    from test_pki import csr, request

    plane = Plane()
    await ensure_secrets(plane.state)
    plane.add_host()
    body = csr(request())
    plane.put("certificatesigningrequests", body)
    plane.kube.log.clear()
    await plane.engine._dispatch(Key("request", "r"))
    assert plane.kube.log == [
        "merge certificatesigningrequests/approval r",
        "apply swarmhosts/status node-a",
        "merge certificatesigningrequests/status r",
    ]
    pinned = plane.kube.objects["swarmhosts", "", "node-a"]["status"]["certificate"]
    assert len(pinned["sha256"]) == 64
    await plane.engine._dispatch(Key("request", "r"))
    assert len(plane.kube.log) == 3, "an answered request is answered once"


async def test_requests_of_nodes_that_are_no_hosts_wait_and_others_are_denied() -> None:
    from test_pki import csr, request

    plane = Plane()
    await ensure_secrets(plane.state)
    plane.put("certificatesigningrequests", csr(request()))
    plane.kube.log.clear()
    await plane.engine._dispatch(Key("request", "r"))
    assert plane.kube.log == []
    plane.put("certificatesigningrequests", {**csr(username="eve"), "metadata": {"name": "evil"}})
    await plane.engine._dispatch(Key("request", "evil"))
    assert plane.kube.log == ["merge certificatesigningrequests/approval evil"]
    [denied] = plane.kube.objects["certificatesigningrequests", "", "evil"]["status"]["conditions"]
    assert denied["type"] == "Denied"


class _Deaf:
    """An index that missed what happened since it was made."""

    def __init__(self, kube: FakeKube, plural: str) -> None:
        self._seen = {key[1:]: [copy.deepcopy(it)] for key, it in kube.objects.items() if key[0] == plural}

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._seen)

    def __contains__(self, key: object) -> bool:
        return key in self._seen

    def __getitem__(self, key: tuple[str, str]) -> list[dict[str, Any]]:
        return self._seen[key]


async def test_deletions_that_no_watch_told_are_found(plane: Plane) -> None:
    await plane.decky()
    plane.state.caches.deckies.bind(_Deaf(plane.kube, "deckies"))
    plane.state.caches.pods.bind(_Deaf(plane.kube, "pods"))
    for plural in ("deckies", "pods"):
        del plane.kube.objects[plural, "default", "web"]
    assert "uid-web" in plane.state.ledger
    await audit(plane.state.kube, plane.state.caches, plane.engine._gone)
    assert "uid-web" not in plane.state.ledger
    assert plane.state.caches.deckies.get("web", "default") is None
    assert list(plane.state.caches.pods.all()) == []
    plane.add_decky("next")
    bind(plane.state.caches.deckies, plane.kube, "deckies")
    await plane.decky("next")
    assert plane.status("next")["ip"] == "192.168.7.240", "the address is free again"


def test_of_two_of_one_name_the_newer_counts() -> None:
    old = {"metadata": {"uid": "old", "resourceVersion": "9"}}
    new = {"metadata": {"uid": "new", "resourceVersion": "10"}}
    cache = Cache()
    cache.bind({("default", "web"): [old, new]})
    assert cache.get("web", "default") is new
    cache.hide("new")
    assert cache.get("web", "default") is old
