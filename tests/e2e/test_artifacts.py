"""What an intruder leaves behind reaches the intel plane, and a flood of it hurts nobody else."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from typing import Any

import httpx
import pytest

from lab.attacker import SSH_OPTIONS, Attacker
from lab.cluster import events, get, last_event_id, run, sql, wait_for
from lab.deckies import HTTP, SSH, deckies, manifest

LAG = 5  # seconds that the lines of others may be late
NODE_QUOTA_MIB = 1024


def test_an_uploaded_file_is_what_is_downloaded(
    attacker: Attacker, decky: dict[str, Any], api: httpx.Client
) -> None:
    attacker.do("sh", "-c", "head -c 3000000 /dev/urandom > /tmp/dropper")
    sha256 = attacker.do("sha256sum", "/tmp/dropper").split()[0]
    attacker.do("sshpass", "-p", "toor", "scp", *SSH_OPTIONS, "/tmp/dropper", f"root@{decky['ip']}:/tmp/.x")
    path = f"/artifacts/{sha256}"
    found = wait_for("the file", lambda: (a := api.get(path)).status_code == 200 and a.json(), timeout=30)
    assert found["captures"][0]["decky"] == decky["name"]
    content = api.get(f"{path}/content")
    assert hashlib.sha256(content.content).hexdigest() == sha256
    assert content.headers["content-disposition"].startswith("attachment")
    captured = f"event_id = 'file_captured' and fields->>'sha256' = '{sha256}'"
    [event] = wait_for("its event", lambda: events(decky["name"], captured))
    assert event["fields"]["path"] == "/tmp/.x"
    assert event["src_ip"] == attacker.address


def test_a_session_is_recorded(attacker: Attacker, decky: dict[str, Any], api: httpx.Client) -> None:
    attacker.shell(decky["ip"], "root", "toor", "echo fingers-$((40+2))")

    def recordings() -> bool:
        answer = api.get("/artifacts", params={"decky": decky["name"], "kind": "session"})
        shas = [item["sha256"] for item in answer.raise_for_status().json()["items"]]
        return any(b"fingers-42" in api.get(f"/artifacts/{sha}/content").content for sha in shas)

    wait_for("the recording", recordings, timeout=30)


@pytest.mark.parametrize("name", ["../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a" * 64, "A" * 64])
def test_only_known_hashes_are_found(api: httpx.Client, name: str) -> None:
    assert api.get(f"/artifacts/{name}/content").status_code == httpx.codes.NOT_FOUND


def test_two_gigabytes_of_output_hurt_nobody_else(attacker: Attacker) -> None:
    loud, quiet = manifest("loud", services=[SSH]), manifest("quiet", services=[HTTP])
    with deckies(loud, quiet) as [flooded, calm]:
        since = last_event_id()
        flood = threading.Thread(
            target=lambda: attacker.do(
                "sh", "-c",
                f"sshpass -p toor ssh {' '.join(SSH_OPTIONS)} root@{flooded['ip']}"
                " 'yes 0123456789abcdef | head -c 2147483648' | tail -c 10 > /tmp/last",
                timeout=540,
            )
        )  # fmt: skip
        flood.start()
        requests = 0
        used = []
        while flood.is_alive():
            attacker.do("curl", "-s", "-o", "/dev/null", f"http://{calm['ip']}/calm-{requests}")
            requests += 1
            used.append(_waiting_mib(flooded["node"]))
            time.sleep(2)
        assert attacker.do("wc", "-c", "/tmp/last").split()[0] == "10"
        assert max(used) <= NODE_QUOTA_MIB
        wait_for(
            "the report of what was cut",
            lambda: events("loud", "event_id in ('recording_dropped', 'artifact_lost')", since),
            timeout=60,
        )
        late = sql(
            "select coalesce(max(extract(epoch from received_at - occurred_at)), 0) as seconds, count(*) as lines"
            " from events where decky = 'quiet' and event_id = 'http_request'"
        )[0]
        assert late["lines"] == requests
        assert float(late["seconds"]) < LAG
        status = get("pod/loud")["status"]["containerStatuses"][0]
        assert status["restartCount"] == 0, status


def _waiting_mib(node: str) -> float:
    """What waits on the node's disk to be sent."""
    text = run("docker", "exec", node, "du", "-sm", "/var/lib/decnet/artifacts", check=False)
    found = re.match(r"\d+", text)
    return float(found[0]) if found else 0
