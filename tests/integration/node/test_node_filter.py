"""The node's packet filter in network namespaces of its own, with real nft and real frames.

    decky  --macvlan--+
    sibling --macvlan-+-- lan0 [node] ====veth==== lan1 [peer: LAN host and gateway]
    pod ---routed-----+

Whatever is refused with the filter on is first shown to arrive with the filter off.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_HELPER = Path(__file__).with_name("netns_helper.py")
_NODE, _PEER, _GATEWAY, _DECKY, _SIBLING = "10.77.0.2", "10.77.0.9", "10.77.0.1", "10.77.0.110", "10.77.0.111"
_DECKY_MAC, _SIBLING_MAC, _NODE_MAC, _PEER_MAC = (
    "00:15:5d:00:00:6e",
    "00:15:5d:00:00:6f",
    "02:00:00:00:00:02",
    "02:00:00:00:00:09",
)
_MARKERS = itertools.count(1000)


class Space:
    """A network namespace with a helper process in it."""

    def __init__(self, name: str) -> None:
        self.name = f"dn{os.getpid()}{name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self._helper: subprocess.Popen[str] | None = None
        self.ip("link", "set", "lo", "up")

    def run(self, *command: str) -> str:
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command], check=True, capture_output=True, text=True
        ).stdout

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", "-n", self.name, *arguments], check=True)

    def call(self, *command: object) -> Any:
        """Have the helper do something here."""
        if self._helper is None:
            self._helper = subprocess.Popen(
                ["ip", "netns", "exec", self.name, sys.executable, str(_HELPER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.write(json.dumps(command) + "\n")
        self._helper.stdin.flush()
        return json.loads(self._helper.stdout.readline())

    def close(self) -> None:
        if self._helper is not None:
            assert self._helper.stdin is not None
            assert self._helper.stdout is not None
            self._helper.kill()
            self._helper.wait()
            with contextlib.suppress(BrokenPipeError):
                self._helper.stdin.close()
            self._helper.stdout.close()
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class Net:
    """The machines, and the agent's filter on the node."""

    def __init__(self, undo: contextlib.ExitStack) -> None:
        self.node, self.peer, self.decky, self.sibling, self.pod = (
            undo.enter_context(contextlib.closing(Space(name))) for name in "nedsp"
        )
        self._filter: subprocess.Popen[str] | None = None
        self._state = ""
        undo.callback(self.stop_filter)
        self.node.ip(
            *("link", "add", "lan0", "address", _NODE_MAC, "type", "veth"),
            *("peer", "name", "lan1", "address", _PEER_MAC, "netns", self.peer.name),
        )
        for space, interface, addresses in (
            (self.node, "lan0", (f"{_NODE}/24", "fd77::2/64")),
            (self.peer, "lan1", (f"{_PEER}/24", f"{_GATEWAY}/24", "fd77::9/64")),
        ):
            self._configure(space, interface, *addresses)
        self.node.ip("route", "add", "default", "via", _GATEWAY)
        self.macvlan(self.decky, "bridge", _DECKY_MAC, f"{_DECKY}/24", "fd77::110/64")
        self.macvlan(self.sibling, "bridge", _SIBLING_MAC, f"{_SIBLING}/24")
        self.node.ip("link", "add", "pod0", "type", "veth", "peer", "name", "eth0", "netns", self.pod.name)
        self._configure(self.node, "pod0", "10.244.0.1/24")
        self._configure(self.pod, "eth0", "10.244.0.5/24")
        self.pod.ip("route", "add", "default", "via", "10.244.0.1")
        self.node.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.peer.ip("route", "add", "10.244.0.0/24", "via", _NODE)
        for space, address in ((self.peer, _PEER), (self.decky, _DECKY), (self.sibling, _SIBLING)):
            space.call("serve", address)
        self.peer.call("capture", "lan1")

    def _configure(self, space: Space, interface: str, *addresses: str) -> None:
        for address in addresses:
            family = ("nodad",) if ":" in address else ()
            space.ip("address", "add", address, "dev", interface, *family)
        space.ip("link", "set", interface, "up")

    def macvlan(self, space: Space, mode: str, mac: str, *addresses: str) -> None:
        """Give `space` an eth0 on the node's LAN, in place of the one it has."""
        subprocess.run(["ip", "-n", space.name, "link", "del", "eth0"], check=False, capture_output=True)
        self.node.ip("link", "add", "mv0", "link", "lan0", "address", mac, "type", "macvlan", "mode", mode)
        self.node.ip("link", "set", "mv0", "netns", space.name, "name", "eth0")
        self._configure(space, "eth0", *addresses)

    def filter(self, state: str) -> dict[str, Any]:
        """Start the agent's filter (or have it removed); gives what it says first."""
        self.stop_filter()
        self._state = state
        environment = {**os.environ, "DECNET_AGENT_FILTER": state, "DECNET_AGENT_SWEEP_SECONDS": "0.3"}
        self._filter = subprocess.Popen(
            ["ip", "netns", "exec", self.node.name, sys.executable, "-m", "decnet_node.agent.main", "filter"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        return self.report()

    def ensure(self, state: str) -> None:
        """The same, unless it is so already."""
        if self._state != state:
            assert self.filter(state)["filter"] == state

    def report_with(self, key: str, value: int) -> None:
        """Read reports until one has `value`, or the test's time is over."""
        while (self.report()[key] if key == "repairs" else self.report()["refused"].get(key)) != value:
            pass

    def report(self) -> dict[str, Any]:
        """The next line of the running filter."""
        assert self._filter is not None
        assert self._filter.stdout is not None
        result: dict[str, Any] = json.loads(self._filter.stdout.readline())
        return result

    def refused(self) -> dict[str, int]:
        """What the table has refused so far."""
        listed = json.loads(self.node.run("nft", "-j", "list", "counters", "table", "netdev", "decnet_lan"))
        counters = [item["counter"] for item in listed["nftables"] if "counter" in item]
        return {counter["name"].removeprefix("refused_"): counter["packets"] for counter in counters}

    def stop_filter(self) -> None:
        """End the process; the table stays."""
        if self._filter is not None:
            assert self._filter.stdout is not None
            self._filter.terminate()
            assert self._filter.wait(10) == 0
            self._filter.stdout.close()
            self._filter = None


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    if os.geteuid() != 0:
        pytest.fail("these tests make network namespaces: run them as root")
    with contextlib.ExitStack() as undo:
        yield Net(undo)


@pytest.fixture
def guarded(net: Net) -> Net:
    """The net with the filter on."""
    assert net.filter("on")["filter"] == "on"
    return net


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _frame(payload: bytes, *, ethertype: int = 0x0800, source: str = _DECKY_MAC) -> bytes:
    return _mac(_PEER_MAC) + _mac(source) + struct.pack("!H", ethertype) + payload


def _ip(payload: bytes, protocol: int, *, source: str = _DECKY, fragment: int = 0) -> bytes:
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, fragment, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(_PEER),
    )  # fmt: skip
    words = struct.unpack("!10H", head)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack("!H", checksum) + head[12:] + payload


def _tcp(flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", 40000, 80, 1, 0, 0x50, flags, 1000, 0, 0)


def _udp(port: int = 9999) -> bytes:
    return struct.pack("!HHHH", 40000, port, 28, 0)


def _ip6(source: str) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "fd77::9")
    return struct.pack("!IHBB", 0x60000000, 40, 6, 64) + addresses + _tcp(2)


def _arp(sender: str) -> bytes:
    return (
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
        + _mac(_DECKY_MAC)
        + socket.inet_aton(sender)
        + _mac(_PEER_MAC)
        + socket.inet_aton(_PEER)
    )


_SYN, _ACK, _RST, _FIN = 2, 16, 4, 1
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD

_TAGGED_TWICE = b"\0\5\x81\0\0\6\x08\0"

# name: (frame, protocol told to the kernel, what it is counted as)
_REFUSED = {
    "TCP SYN": (_frame(_ip(_tcp(_SYN), 6)), _IPV4, "tcp"),
    "TCP FIN": (_frame(_ip(_tcp(_FIN), 6)), _IPV4, "tcp"),
    "TCP without flags": (_frame(_ip(_tcp(0), 6)), _IPV4, "tcp"),
    "TCP Xmas": (_frame(_ip(_tcp(0x29), 6)), _IPV4, "tcp"),
    "TCP fragment before the flags": (_frame(_ip(_tcp(_SYN)[:8], 6, fragment=0x2000)), _IPV4, "tcp"),
    "second fragment of TCP": (_frame(_ip(_tcp(_SYN)[8:], 6, fragment=1)), _IPV4, "tcp"),
    "UDP that nobody asked for": (_frame(_ip(_udp(), 17)), _IPV4, "udp"),
    "ICMP echo request": (_frame(_ip(struct.pack("!BBHHH", 8, 0, 0, 1, 1), 1)), _IPV4, "icmp"),
    "ICMP redirect": (_frame(_ip(struct.pack("!BBHHH", 5, 1, 0, 1, 1), 1)), _IPV4, "icmp"),
    "SYN+ACK from outside the LAN": (_frame(_ip(_tcp(_SYN | _ACK), 6, source="8.8.8.8")), _IPV4, "spoofed"),
    "ACK as the node": (_frame(_ip(_tcp(_ACK), 6, source=_NODE)), _IPV4, "spoofed"),
    "ACK as the gateway": (_frame(_ip(_tcp(_ACK), 6, source=_GATEWAY)), _IPV4, "spoofed"),
    "ARP as the gateway": (_frame(_arp(_GATEWAY), ethertype=_ARP), _ARP, "spoofed"),
    "ARP as the node": (_frame(_arp(_NODE), ethertype=_ARP), _ARP, "spoofed"),
    "GRE": (_frame(_ip(b"\0" * 8, 47)), _IPV4, "other"),
    "SCTP": (_frame(_ip(b"\0" * 16, 132)), _IPV4, "other"),
    "IPv6": (_frame(_ip6("fd77::110"), ethertype=_IPV6), _IPV6, "ipv6"),
    "VLAN-tagged SYN": (_frame(b"\0\x05\x08\0" + _ip(_tcp(_SYN), 6), ethertype=0x8100), _IPV4, "other"),
    "the same, told as VLAN": (_frame(b"\0\5\x08\0" + _ip(_tcp(_SYN), 6), ethertype=0x8100), 0x8100, "other"),
    "doubly tagged": (_frame(_TAGGED_TWICE + _ip(_tcp(_SYN), 6), ethertype=0x88A8), 0x88A8, "other"),
    "LLDP": (_frame(b"\0" * 40, ethertype=0x88CC), 0x88CC, "other"),
    "SYN told as ARP": (_frame(_ip(_tcp(_SYN), 6)), _ARP, "other"),
    "ARP told as IPv4": (_frame(_arp(_DECKY), ethertype=_ARP), _IPV4, "other"),
    "SYN with the node's MAC": (_frame(_ip(_tcp(_SYN), 6), source=_NODE_MAC), _IPV4, "tcp"),
    "SYN with the node's MAC, told as LLDP": (_frame(_ip(_tcp(_SYN), 6), source=_NODE_MAC), 0x88CC, "other"),
    "UDP with the node's MAC": (_frame(_ip(_udp(), 17), source=_NODE_MAC), _IPV4, "udp"),
    "IPv6 with the node's MAC": (_frame(_ip6("fd77::110"), ethertype=_IPV6, source=_NODE_MAC), _IPV6, "ipv6"),
    "IPv6 link-local with the node's MAC": (
        _frame(_ip6("fe80::1234"), ethertype=_IPV6, source=_NODE_MAC), _IPV6, "ipv6",
    ),
    "SYN from yet another MAC": (_frame(_ip(_tcp(_SYN), 6), source="02:99:99:99:99:99"), _IPV4, "tcp"),
}  # fmt: skip


def _arrives(net: Net, frame: bytes, protocol: int) -> bool:
    marker = f"<marker {next(_MARKERS)}>"
    net.decky.call("send", "eth0", (frame + marker.encode()).hex(), protocol)
    return bool(net.peer.call("seen", marker))


@pytest.mark.parametrize("name", _REFUSED)
def test_without_the_filter_it_arrives(net: Net, name: str) -> None:
    net.ensure("off")
    frame, protocol, _ = _REFUSED[name]
    assert _arrives(net, frame, protocol)


@pytest.mark.parametrize("name", _REFUSED)
def test_with_the_filter_it_is_refused_and_counted(net: Net, name: str) -> None:
    net.ensure("on")
    frame, protocol, counted = _REFUSED[name]
    before = net.refused()[counted]
    assert not _arrives(net, frame, protocol)
    fresh = net.refused()[counted] - before
    assert fresh == 1 or (counted == "ipv6" and fresh > 1), "the kernel itself speaks IPv6 now and then"


def test_what_deckies_are_for_still_works(guarded: Net) -> None:
    peer = guarded.peer
    peer.ip("neigh", "flush", "all")
    assert peer.call("ping", _DECKY)
    assert peer.call("ping", _DECKY, 4000), "fragmented echo reply"
    assert peer.call("tcp", _DECKY) == "echo"
    assert peer.call("tcp", _DECKY, 81) == "refused"
    assert peer.call("udp", _DECKY, 53) == "echo"
    assert peer.call("udp", _DECKY, 53, 4000) == "echo", "fragmented answer"
    assert peer.call("udp", _DECKY, 69) == "echo", "an answer from another port, as TFTP gives it"
    assert peer.call("udp", "10.77.0.255", 137) == "echo", "an answer to a question to everybody"
    assert peer.call("udp", _DECKY, 54, 100, True) == "refused", "port unreachable"
    assert _arrives(guarded, _frame(_arp(_DECKY), ethertype=_ARP), _ARP)
    assert _arrives(guarded, _frame(_ip(_tcp(_SYN | _ACK), 6)), _IPV4)
    assert _arrives(guarded, _frame(_ip(_tcp(_RST), 6)), _IPV4)


def test_a_decky_opens_nothing(guarded: Net) -> None:
    decky = guarded.decky
    assert decky.call("tcp", _PEER) == "nothing"
    assert decky.call("udp", _PEER, 53) == "nothing"
    assert not decky.call("ping", "fd77::9")
    guarded.filter("off")
    assert decky.call("tcp", _PEER) == "echo"
    assert decky.call("udp", _PEER, 53) == "echo"
    assert decky.call("ping", _PEER)
    assert any(decky.call("ping", "fd77::9") for _ in range(3)), "neighbour discovery has to try again"


def test_a_peer_that_asked_is_answered_there_only(guarded: Net) -> None:
    assert guarded.peer.call("udp", _DECKY, 53) == "echo"
    assert guarded.decky.call("udp", _PEER, 53) == "nothing", "it asked from another port"
    assert not guarded.decky.call("ping", _PEER)


def test_the_node_and_its_pods_are_untouched(guarded: Net) -> None:
    for space in (guarded.node, guarded.pod):
        assert space.call("tcp", _PEER) == "echo"
        assert space.call("tcp", _PEER, 81) == "refused"
        assert space.call("udp", _PEER, 53) == "echo"
        assert space.call("ping", _PEER)
    assert guarded.node.call("ping", "fd77::9")
    assert not any(guarded.refused().values())


def test_it_is_repaired_stays_after_the_process_and_goes_on_request(guarded: Net) -> None:
    node = guarded.node
    node.run("nft", "add", "table", "netdev", "somebody_else")
    for number, damage in enumerate(
        (
            ("delete", "table", "netdev", "decnet_lan"),
            ("flush", "chain", "netdev", "decnet_lan", "egress"),
            ("insert", "rule", "netdev", "decnet_lan", "guarded", "accept"),
        )
    ):
        node.run("nft", *damage)
        guarded.report_with("repairs", number + 1)
        assert guarded.decky.call("tcp", _PEER) == "nothing"
    guarded.stop_filter()
    assert guarded.decky.call("tcp", _PEER) == "nothing"
    guarded.filter("on")
    guarded.filter("off")
    assert "somebody_else" in node.run("nft", "list", "tables")
    assert "decnet_lan" not in node.run("nft", "list", "tables")


def test_counts_go_on_over_a_repair(guarded: Net) -> None:
    frame, protocol, _ = _REFUSED["TCP SYN"]
    _arrives(guarded, frame, protocol)
    guarded.report_with("tcp", 1)
    guarded.node.run("nft", "delete", "table", "netdev", "decnet_lan")
    guarded.report_with("repairs", 1)
    _arrives(guarded, frame, protocol)
    guarded.report_with("tcp", 2)


def test_a_new_address_of_the_node_is_taken_up(guarded: Net) -> None:
    guarded.node.ip("address", "add", "10.77.0.3/24", "dev", "lan0")
    reports = [guarded.report() for _ in range(4)]
    assert reports[-1]["repairs"] == 0
    assert not _arrives(guarded, _frame(_ip(_tcp(_ACK), 6, source="10.77.0.3")), _IPV4)
    guarded.node.ip("address", "del", "10.77.0.3/24", "dev", "lan0")


def test_siblings_on_one_parent(guarded: Net) -> None:
    """Bridge mode goes past the parent: only `private` puts the filter between siblings."""
    assert guarded.decky.call("tcp", _SIBLING) == "echo"
    guarded.macvlan(guarded.sibling, "private", _SIBLING_MAC, f"{_SIBLING}/24")
    guarded.macvlan(guarded.decky, "private", _DECKY_MAC, f"{_DECKY}/24")
    assert guarded.decky.call("tcp", _SIBLING) == "nothing"
    assert guarded.peer.call("ping", _SIBLING)
    assert guarded.peer.call("tcp", _DECKY) == "echo"


def test_without_nft_it_says_so(net: Net) -> None:
    environment = {"PATH": "/nowhere", "DECNET_AGENT_SWEEP_SECONDS": "0.1"}
    ran = subprocess.run(
        [
            "/usr/sbin/ip",
            "netns",
            "exec",
            net.node.name,
            sys.executable,
            "-m",
            "decnet_node.agent.main",
            "filter",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "ip: No such file" in ran.stderr


def test_the_lan_is_found(net: Net) -> None:
    found = json.loads(net.node.run(sys.executable, "-m", "decnet_node.agent.main", "lan"))
    assert found["interface"] == "lan0"
    assert found["subnet"] == "10.77.0.0/24"
    assert (found["gateway"], found["address"], found["mac"]) == (_GATEWAY, _NODE, _NODE_MAC)
    assert "macvlan" in found["drivers"]
