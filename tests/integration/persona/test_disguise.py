"""What must hold before the machine may be heard, and what happens when it does not."""

from __future__ import annotations

import json
import time

from machine import Background, Lan, Machine, kill, nft, python, top, wait_for

from integration.service_image import docker, image

ALIAS = """
import fcntl, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def put(request, address):
    packed = struct.pack("16sHH4s8x", b"eth0:1", socket.AF_INET, 0, socket.inet_aton(address))
    fcntl.ioctl(s, request, packed)
"""
ANSWER = ALIAS + "put(0x8916, {address!r})"  # SIOCSIFADDR: the peer's kernel answers for it from now on
CEASE = ALIAS + "put(0x8916, '0.0.0.0')"
REACH = "import socket; socket.create_connection(({address!r}, 80), 2)"


def test_ready_in_time_and_small(machine: Machine) -> None:
    machine.start()
    took = wait_for("ready", (machine.run / "ready").exists, 5)
    assert [line.msg_id for line in machine.lines()] == ["disguise_on"]
    assert machine.events("disguise_on") == [{"address": machine.address, "egress": "deny"}]
    time.sleep(3)  # several looks at the sets
    memory = top(machine.persona)
    print(f"ready {took:.2f} s after docker run; {memory['VmRSS']} KiB resident, {memory['RssAnon']} own")
    assert took < 1.5
    assert memory["VmRSS"] < 16 * 1024
    assert memory["RssAnon"] < 8 * 1024


def test_a_signal_ends_it_at_once(machine: Machine) -> None:
    machine.start_ready()
    started = time.monotonic()
    docker("stop", machine.persona)
    assert time.monotonic() - started < 2
    assert machine.exit_code() == 0
    assert "policy drop" in nft_after_death(machine), "the rules outlive the container"


def nft_after_death(machine: Machine) -> str:
    """The rules of the namespace, seen from a container that may look."""
    return docker(
        "run", "--rm", "--network", f"container:{machine.host}", "--cap-add", "NET_ADMIN",
        "--entrypoint", "nft", image("persona"), "list", "ruleset",
    )  # fmt: skip


def test_another_machine_has_the_address(lan: Lan, machine: Machine) -> None:
    assert python(lan.peer, ANSWER.format(address=machine.address)) == ""
    machine.start()
    assert machine.exit_code() == 3
    mac = docker(
        "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}", lan.peer
    ).strip()
    assert machine.events("address_conflict") == [{"address": machine.address, "mac": mac}]
    assert machine.failure() == {
        "reason": "AddressConflict",
        "message": f"{mac} answers for {machine.address}",
    }
    assert not (machine.run / "ready").exists()
    assert python(lan.peer, CEASE) == ""
    # The loser keeps quiet: nobody answers for the address now.
    assert "timed out" in python(lan.peer, REACH.format(address=machine.address)) or "No route" in python(
        lan.peer, REACH.format(address=machine.address)
    )
    docker("start", machine.persona)
    wait_for("ready once the other is gone", (machine.run / "ready").exists, 5)
    assert "refused" in python(lan.peer, REACH.format(address=machine.address))


def test_an_address_taken_later_is_reported_once(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    claim = f"""
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0x0806))
mac, ip = bytes.fromhex("020000000099"), socket.inet_aton({machine.address!r})
arp = bytes.fromhex("0001080006040001") + mac + ip + bytes(6) + ip
for _ in range(2000):
    s.send(b"\\xff" * 6 + mac + bytes.fromhex("0806") + arp + bytes(18))
"""
    before = top(machine.persona)["VmRSS"]
    for _ in range(3):
        assert python(lan.peer, claim) == ""
        time.sleep(1)
    assert machine.events("address_conflict") == [{"address": machine.address, "mac": "02:00:00:00:00:99"}]
    assert top(machine.persona)["VmRSS"] < before + 512


def test_a_sysctl_that_does_not_hold(machine: Machine) -> None:
    machine.start(sysctls={"net.ipv4.ip_default_ttl": "128", "net.ipv4.tcp_timestamps": "1"})
    assert machine.exit_code() == 4
    sentence = "sysctl net.ipv4.ip_default_ttl is '64', not '128'"
    assert machine.failure() == {"reason": "DisguiseFailed", "message": sentence}
    assert machine.events("disguise_failed") == [{"reason": sentence}]


def test_another_mac_than_claimed(machine: Machine) -> None:
    machine.start(mac="00:15:5d:01:02:03")
    assert machine.exit_code() == 4
    assert "MAC address" in machine.failure()["message"]


def test_settings_that_are_none(machine: Machine) -> None:
    machine.start(address="example.org")
    assert machine.exit_code() == 4
    assert machine.failure()["message"] == "SETTINGS address is 'example.org', not an IPv4 address"


def test_a_left_over_ready_file_is_not_believed(machine: Machine) -> None:
    (machine.run / "ready").touch()
    machine.start(mac="00:15:5d:01:02:03")
    assert machine.exit_code() == 4
    assert not (machine.run / "ready").exists()


def test_without_the_right_to_filter(machine: Machine) -> None:
    docker(
        "run", "-d", "--name", machine.persona, "--network", f"container:{machine.host}", "--cap-drop", "ALL",
        "-e", f"SETTINGS={json.dumps(machine.settings)}",
        image("persona"),
    )  # fmt: skip
    assert machine.exit_code() == 4
    assert "Operation not permitted" in machine.events("disguise_failed")[0]["reason"]


def test_the_probe_as_the_lan_sees_it(lan: Lan, machine: Machine) -> None:
    """Three probes, then the announcement; no answer for the address before the probe is over."""
    listen = """
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0806))
s.settimeout(0.2); end = time.monotonic() + 6; print("listening", flush=True)
while time.monotonic() < end:
    try: data = s.recv(64)
    except TimeoutError: continue
    print(data[7], socket.inet_ntoa(data[14:18]), socket.inet_ntoa(data[24:28]), flush=True)
"""
    listener = Background(lan.peer, listen)
    listener.wait_for("listening", 5)
    machine.start_ready()
    time.sleep(0.3)
    seen = [line for line in listener.output().splitlines() if machine.address in line]
    assert seen[:4] == [f"1 0.0.0.0 {machine.address}"] * 3 + [f"1 {machine.address} {machine.address}"], seen


def test_a_killed_container_comes_back_without_a_gap(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    Background(machine.host, SERVE).wait_for("serving", 5)
    hold = f"""
import socket, time
c = socket.create_connection(({machine.address!r}, 8080), 3)
print("holding", flush=True)
for _ in range(40):
    c.send(b"x"); assert c.recv(1) == b"x"; time.sleep(0.1)
print("held")
"""
    held = Background(lan.peer, hold)
    held.wait_for("holding", 5)
    kill(machine.persona)
    assert "timed out" in python(
        machine.host, f"import socket; socket.create_connection(({lan.peer_address!r}, 9), 1)"
    )
    docker("start", machine.persona)
    wait_for("ready", (machine.run / "ready").exists, 5)
    held.wait_for("held", 10)


SERVE = """
import socket
s = socket.create_server(("", 8080)); print("serving", flush=True)
c, _ = s.accept()
while data := c.recv(65536): c.sendall(data)
"""


def test_switched_off_for_a_test(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    machine.start_ready(egress="off")
    assert machine.events("disguise_on") == [{"address": machine.address, "egress": "off"}]
    assert "No such file" in nft(machine.persona, "list", "table", "inet", "filter")
    assert "refused" in python(
        machine.host, f"import socket; socket.create_connection(({lan.peer_address!r}, 9), 1)"
    )
