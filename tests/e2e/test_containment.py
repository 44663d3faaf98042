"""A rooted decky finds nothing of ours and reaches nobody, with either containment layer alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.attacker import Attacker
from lab.cluster import PRODUCT_NAMESPACE, ROOT, events, get, last_event_id, run, wait_for
from lab.deckies import SSH, deckies, manifest

LISTEN = "while :; do nc -l -p 4444 -q 0 < /dev/null; done"


def try_connect(attacker: Attacker, source: str, target: str, port: int) -> str:
    """`reached`, or why not, of a TCP connection from a root shell on `source`."""
    probe = f"timeout 4 bash -c '</dev/tcp/{target}/{port}' && echo reached || echo stopped"
    return attacker.shell(source, "root", "toor", probe)


def test_root_finds_no_token(attacker: Attacker, decky: dict[str, Any]) -> None:
    found = attacker.shell(
        decky["ip"], "root", "toor",
        "ls -d /var/run/secrets /run/secrets; env; cat /proc/1/environ; cat /etc/hosts /etc/resolv.conf",
    )  # fmt: skip
    assert "serviceaccount" not in found
    for word in ("KUBERNETES", "kube", "cluster.local", "decnet", "SETTINGS", "honeypot", "decoy"):
        assert word not in found, found


def test_root_has_no_way_into_the_cluster(attacker: Attacker, decky: dict[str, Any]) -> None:
    node = get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    service = get("service/kubernetes")["spec"]["clusterIP"]
    dns = get("service/kube-dns", "-n", "kube-system")["spec"]["clusterIP"]
    postgres = get("pod/decnet-postgres-0", "-n", PRODUCT_NAMESPACE)["status"]["podIP"]
    targets = [(service, 443), (node, 6443), (node, 10250), (dns, 53), (postgres, 5432)]
    for target, port in targets:
        assert "stopped" in try_connect(attacker, decky["ip"], target, port), (target, port)


def test_root_cannot_touch_the_rules(attacker: Attacker, decky: dict[str, Any]) -> None:
    caps = attacker.shell(decky["ip"], "root", "toor", "grep CapBnd /proc/self/status")
    bounding = int(caps.split()[1], 16)
    assert not bounding & (1 << 12), "CAP_NET_ADMIN"
    assert not bounding & (1 << 13), "CAP_NET_RAW"
    assert not bounding & (1 << 21), "CAP_SYS_ADMIN"


@contextmanager
def layers(pod: str, node: str) -> Iterator[None]:
    """The release with its two containment layers `on` or `off`, and both on again afterwards."""
    try:
        _set_layers(pod, node)
        yield
    finally:
        _set_layers("on", "on")


def _set_layers(pod: str, node: str) -> None:
    run(
        "helm", "upgrade", "decnet", str(ROOT / "charts" / "decnet"), "-n", PRODUCT_NAMESPACE,
        "--reuse-values",
        "--set", f"containment.pod={pod},containment.node={node}", "--wait", "--timeout", "3m", timeout=240,
    )  # fmt: skip


@pytest.mark.parametrize(("pod", "node"), [("on", "on"), ("on", "off"), ("off", "on")])
def test_a_new_connection_is_stopped(attacker: Attacker, pod: str, node: str) -> None:
    attacker.start("sh", "-c", LISTEN)
    name = f"caged-{pod}-{node}"
    with layers(pod, node), deckies(manifest(name, services=[SSH])) as [status]:
        since = last_event_id()
        assert "stopped" in try_connect(attacker, status["ip"], attacker.address, 4444)
        assert "stopped" in try_connect(attacker, status["ip"], "192.0.2.1", 443)
        if pod == "on":
            rows = wait_for(
                "the report", lambda: events(name, "event_id = 'egress_refused'", since), timeout=75
            )
            assert {row["fields"]["dst_ip"] for row in rows} <= {attacker.address, "192.0.2.1"}
            for _ in range(3):
                try_connect(attacker, status["ip"], attacker.address, 4444)
            to_attacker = f"event_id = 'egress_refused' and fields->>'dst_ip' = '{attacker.address}'"
            assert len(events(name, to_attacker, since)) == 1, "one report a minute"


def test_the_probe_itself_can_connect(attacker: Attacker) -> None:
    """With both layers off the same probe succeeds: the tests above can fail."""
    attacker.start("sh", "-c", LISTEN)
    with layers("off", "off"), deckies(manifest("uncaged", services=[SSH])) as [status]:
        assert "reached" in try_connect(attacker, status["ip"], attacker.address, 4444)
