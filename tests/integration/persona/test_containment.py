"""What leaves the machine: answers, and nothing else."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from machine import Background, Lan, Machine, nft, python, wait_for

from integration.service_image import docker

SERVE = """
import socket, threading
def tcp():
    s = socket.create_server(("", 8080))
    while True:
        c, _ = s.accept()
        while data := c.recv(65536): c.sendall(data)
        c.close()
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 5000))
    while True:
        data, who = s.recvfrom(2048)
        s.sendto(data, who)
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"from elsewhere", who)  # as TFTP answers
threading.Thread(target=tcp).start(); print("serving", flush=True); udp()
"""
PING = """
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(1)
body = struct.pack("!BBHHH", {type}, {code}, 0, 77, 1) + bytes({size})
total = sum(struct.unpack(f"!{{len(body) // 2}}H", body)); total = (total >> 16) + (total & 0xffff)
body = body[:2] + struct.pack("!H", ~total & 0xffff) + body[4:]
s.sendto(body, ({address!r}, 0))
while (got := s.recv(2048)[20:])[0] != {answer} or got[4:6] != b"\\0\\x4d": pass
print("answered")
"""
CONNECT = "import socket; socket.create_connection(({0!r}, {1}), {2}); print('reached')"
LIST = ["-s", "-t", "list", "table", "inet", "filter"]
LISTEN = "import socket; s = socket.create_server(('', 7777)); s.accept(); print('reached', flush=True)"


def test_answers_pass(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    Background(machine.host, SERVE).wait_for("serving", 5)
    big = f"""
import socket, threading
c = socket.create_connection(({machine.address!r}, 8080), 3)
threading.Thread(target=lambda: (c.sendall(b"x" * 5_000_000), c.shutdown(1))).start()
size = 0
while data := c.recv(65536): size += len(data)
print(size)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(2)
u.sendto(b"hello", ({machine.address!r}, 5000)); print(sorted(u.recv(99) for _ in "ab"))
"""
    assert python(lan.peer, big).splitlines() == ["5000000", "[b'from elsewhere', b'hello']"]
    assert "refused" in python(lan.peer, CONNECT.format(machine.address, 81, 2)), "a reset for a closed port"
    closed = f"""
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(2)
u.connect(({machine.address!r}, 5001)); u.send(b"x"); u.recv(9)
"""
    assert "refused" in python(lan.peer, closed), "an ICMP error for a closed UDP port"
    echo = PING.format(type=8, code=0, answer=0, size=56, address=machine.address)
    assert python(lan.peer, echo) == "answered"
    odd = PING.format(type=8, code=9, answer=0, size=120, address=machine.address)
    assert python(lan.peer, odd) == "answered", "as nmap asks"
    stamp = PING.format(type=13, code=0, answer=14, size=12, address=machine.address)
    assert python(lan.peer, stamp) == "answered"
    assert machine.events("egress_refused") == []


def test_nothing_new_leaves_and_it_is_told_once_a_minute(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    reached = Background(lan.peer, LISTEN)
    targets = [(lan.peer_address, 53)] * 3 + [
        ("192.0.2.1", 53),
        (f"{lan.prefix}.255", 9),
        ("224.0.0.251", 5353),
    ]
    sends = f"""
import socket, errno
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
u.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: as the resolver and ping ask to be told of failures
for to in {targets}:
    assert u.sendto(b"x", to) == 1
u.settimeout(0.2)
try: u.recv(9)
except TimeoutError: print("silence")
"""
    started = time.monotonic()
    assert "timed out" in python(machine.host, CONNECT.format(lan.peer_address, 7777, 2))
    assert "timed out" in python(machine.host, CONNECT.format("192.0.2.1", 443, 2))
    assert python(machine.host, sends) == "silence"
    assert reached.output() == ""
    assert lan.peer_address not in docker("exec", machine.host, "cat", "/proc/net/arp"), (
        "not even an ARP request"
    )

    def udp() -> dict[str, int]:
        return dict(machine.refused("udp"))

    wait_for("the first reports", lambda: len(udp()) == 4 and len(machine.refused("tcp")) == 2, 5)
    assert udp() == {
        f"{lan.peer_address}:53": 3, "192.0.2.1:53": 1, f"{lan.prefix}.255:9": 1, "224.0.0.251:5353": 1,
    }  # fmt: skip
    first = machine.refused("tcp")
    assert {where for where, _ in first} == {f"{lan.peer_address}:7777", "192.0.2.1:443"}
    for _ in range(2):
        assert python(machine.host, sends) == "silence"
    while time.monotonic() - started < 50:
        assert len(udp()) == len(machine.refused("udp")), "a second report within the minute"
        time.sleep(5)
    wait_for("the second reports", lambda: len(machine.refused("udp")) == 8, 25)
    assert machine.refused("udp").count((f"{lan.peer_address}:53", 6)) == 1


def test_nothing_new_leaves_when_it_is_a_ping(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    ping = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP); s.settimeout(1)
s.setsockopt(socket.IPPROTO_IP, 11, 1)
for _ in range(4): s.sendto(bytes.fromhex("0800000000000001") + bytes(56), ({lan.peer_address!r}, 0))
try: s.recv(99)
except TimeoutError: print("silence")
"""
    docker("exec", machine.persona, "sh", "-c", "echo 0 0 > /proc/sys/net/ipv4/ping_group_range", check=False)
    assert python(machine.host, ping) == "silence"
    wait_for("the report", lambda: machine.refused("icmp") == [(f"{lan.peer_address}:0", 4)], 5)


def test_a_scan_from_inside_is_bounded(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    scan = f"""
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(1, 6001): u.sendto(b"x", ({lan.peer_address!r}, port))
"""
    assert python(machine.host, scan) == ""
    # Once the set of ports is full, the rest is counted for the host and protocol as a whole.
    rest = f"{lan.peer_address}:0"
    wait_for("the reports", lambda: rest in dict(machine.refused("udp")), 5)
    time.sleep(2.5)
    ports = [where for where, _ in machine.refused("udp")]
    assert len(ports) == len(set(ports)) <= 1025
    docker("stop", machine.persona)
    assert sum(attempts for _, attempts in machine.refused("udp")) == 6000, "the end reports the rest"


def test_rules_that_are_removed_come_back(machine: Machine) -> None:
    machine.start_ready()
    before = nft(machine.persona, *LIST)
    tampering = [
        ("removed", ["delete", "table", "inet", "filter"]),
        ("removed", ["flush", "ruleset"]),
        ("changed", ["flush", "chain", "inet", "filter", "output"]),
        ("changed", ["insert", "rule", "inet", "filter", "output", "accept"]),
        ("changed", ["add", "chain", "inet", "filter", "output", "{ policy accept; }"]),
    ]
    for number, (_, words) in enumerate(tampering):
        assert nft(machine.persona, *words) == ""
        took = wait_for("the rules", lambda: nft(machine.persona, *LIST) == before, 5)
        wait_for("the report", lambda n=number: len(machine.events("containment_restored")) > n, 5)
        print(f"nft {' '.join(words)}: back after {took:.2f} s at most")
    assert [event["reason"] for event in machine.events("containment_restored")] == [
        how for how, _ in tampering
    ]
    assert "timed out" in python(machine.host, CONNECT.format("192.0.2.1", 80, 1))


def test_root_in_another_container_cannot_undo_it(lan: Lan, machine: Machine) -> None:
    machine.start_ready()
    for words in (["flush", "ruleset"], ["list", "ruleset"], ["delete", "table", "inet", "filter"]):
        assert "Operation not permitted" in nft(machine.host, *words)
    for code in (
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x300)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)",
        "import socket; socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x1f2e)",
        "import socket; socket.socket().setsockopt(socket.SOL_IP, 19, 1)",  # IP_TRANSPARENT
    ):
        assert "Operation not permitted" in python(machine.host, code), code
    assert "Read-only" in python(machine.host, "open('/proc/sys/net/ipv4/ip_default_ttl', 'w').write('1')")
    # A user namespace has rights in a network namespace of its own only; where allowed, it helps nobody.
    inside = "unshare -Urn nft list ruleset && unshare -Ur nft flush ruleset"
    docker("exec", machine.host, "sh", "-c", inside, check=False)
    bound = """
import socket
s = socket.socket(); s.settimeout(2); s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.bind(("", 8081)); s.connect(({0!r}, 80))
"""
    assert "timed out" in python(machine.host, bound.format(lan.peer_address))
    assert "policy drop" in nft(machine.persona, "list", "ruleset")


def test_a_peer_cannot_prime_a_connection(lan: Lan, machine: Machine) -> None:
    """Segments from outside that belong to nothing do not open the way for a SYN from inside."""
    machine.start_ready()
    prime = f"""
import random, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def send(flags):
    tcp = struct.pack("!HHIIBBHHH", 7070, 8081, 1, 1, 80, flags, 1024, 0, 0)
    addresses = socket.inet_aton({lan.peer_address!r}) + socket.inet_aton({machine.address!r})
    pseudo = addresses + struct.pack("!HH", 6, 20)
    total = sum(struct.unpack("!16H", pseudo + tcp)); total = (total >> 16) + (total & 0xffff)
    tcp = tcp[:16] + struct.pack("!H", ~total & 0xffff) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 69, 0, 40, 1, 0, 64, 6, 0) + pseudo[:8]
    s.sendto(ip + tcp, ({machine.address!r}, 0))
for flags in (16, 24, 2, 18): send(flags)
"""
    assert python(lan.peer, prime) == ""
    bound = (
        "import socket; s = socket.socket(); s.settimeout(2); s.bind(('', 8081)); s.connect(({0!r}, 7070))"
    )
    assert "timed out" in python(machine.host, bound.format(lan.peer_address))


def test_ipv6_is_silent(lan: Lan, tmp_path: Path) -> None:
    machine = Machine(lan, tmp_path, last=99)
    try:
        machine.start_ready()
        pid = docker("inspect", "-f", "{{.State.Pid}}", machine.host).strip()
        switch = ["sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0", "net.ipv6.conf.eth0.accept_dad=0"]
        subprocess.run(["nsenter", "-t", pid, "-n", *switch], check=True)
        addresses = [
            "nsenter",
            "-t",
            pid,
            "-n",
            "ip",
            "-6",
            "-o",
            "address",
            "show",
            "dev",
            "eth0",
            "-tentative",
        ]
        wait_for(
            "a link-local address", lambda: "fe80::" in subprocess.check_output(addresses, text=True), 10
        )
        connect = """
import socket
s = socket.socket(socket.AF_INET6); s.settimeout(1)
s.connect(("fe80::1", 443, 0, socket.if_nametoindex("eth0")))
"""
        answer = python(machine.host, connect)
        assert "timed out" in answer or "Operation not permitted" in answer, answer
        wait_for("the report", lambda: "fe80::1:443" in dict(machine.refused("tcp")), 5)
    finally:
        machine.close()


def test_nothing_readable_names_the_trade(machine: Machine) -> None:
    words = "honeypot|decoy|decnet|kube"
    found = docker("exec", machine.host, "grep", "-rialE", words, "/usr/lib/persona", check=False)
    assert found == ""
