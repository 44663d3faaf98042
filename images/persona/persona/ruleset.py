"""What may leave the machine, as nftables text. Pure: text in, text out.

Only answers leave: TCP segments that do not open a connection, ICMP echo and timestamp replies and errors,
and UDP to a peer and port that spoke to us within UDP_PEER_MEMORY. Nothing here needs connection tracking,
so a flood fills no table that other machines of the node share, and established traffic is not slowed.

What is refused must look as if a firewall further out had lost it. A drop in the output hook makes the
kernel tell the sender (sendto: EPERM), and a drop at the device tells resolvers and ping (ENOBUFS). So a
refused packet is turned to the loopback device, where it is dropped on arrival: the sender sees success and
then silence, and no ARP request goes out.
"""

from __future__ import annotations

TABLE = "filter"
"""Of family inet and, while the address is being checked, arp. Nobody else has rules in this namespace."""

PORT_SET = "ports"
PLAIN_SET = "protocols"
PORT6_SET = "ports6"
OVERFLOW_COUNTER = "more"
"""Counts refused packets to destinations for which the sets had no room."""

SET_SIZE = 1024
"""Destinations remembered a set; 1024 elements are some 200 KiB of kernel memory at worst."""
REFUSED_MEMORY = "5m"
"""How long a refused destination is remembered: well over the minute between two reports."""
UDP_PEERS = 16384
UDP_PEER_MEMORY = "1m"

_LOST_MARK = "0x1f2e"  # means nothing outside this table; setting a mark needs CAP_NET_ADMIN
_PORT_PROTOCOLS = "{ tcp, udp, udplite, sctp, dccp }"
_ANSWERS = "{ echo-reply, timestamp-reply, destination-unreachable, time-exceeded, parameter-problem }"
# What a kernel says by itself when it has IPv6; this machine is to look as if it had none.
_IPV6_NOISE = (
    "{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert,"
    " mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report }"
)

QUIET = f"""\
add table arp {TABLE}
delete table arp {TABLE}
table arp {TABLE} {{
	chain input {{ type filter hook input priority filter; policy drop; }}
	chain output {{ type filter hook output priority filter; policy drop; }}
}}
"""
"""Keeps the kernel from asking for and answering for any address."""

AUDIBLE = f"""\
add table arp {TABLE}
delete table arp {TABLE}
"""

UNCONTAINED = f"""\
add table inet {TABLE}
delete table inet {TABLE}
"""


def compile_containment(address: str) -> str:
    """The whole table for the machine at `address`; loading it replaces an older one without a gap."""
    return f"""\
add table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
	set udp_peers {{
		type ipv4_addr . inet_service
		size {UDP_PEERS}
		flags dynamic,timeout
		timeout {UDP_PEER_MEMORY}
	}}
	{_refused_set(PORT_SET, "ipv4_addr . inet_proto . inet_service")}
	{_refused_set(PLAIN_SET, "ipv4_addr . inet_proto")}
	{_refused_set(PORT6_SET, "ipv6_addr . inet_proto . inet_service")}
	counter {OVERFLOW_COUNTER} {{ }}

	chain prerouting {{
		type filter hook prerouting priority raw; policy accept;
		meta mark {_LOST_MARK} drop
		iifname != "lo" ip daddr {address} meta l4proto udp update @udp_peers {{ ip saddr . udp sport }}
	}}
	chain output {{
		type route hook output priority filter; policy drop;
		oifname "lo" accept
		meta nfproto ipv6 goto output6
		tcp flags & (syn | ack) == syn goto refuse
		meta l4proto tcp accept
		icmp type {_ANSWERS} accept
		ip daddr . udp dport @udp_peers accept
		goto refuse
	}}
	chain refuse {{
		meta l4proto {_PORT_PROTOCOLS} update @{PORT_SET} \\
			{{ ip daddr . meta l4proto . th dport counter }} goto lose
		update @{PLAIN_SET} {{ ip daddr . meta l4proto counter }} goto lose
		counter name {OVERFLOW_COUNTER} goto lose
	}}
	chain lose {{
		meta mark set {_LOST_MARK} ip daddr set 127.0.0.1 accept
	}}
	chain output6 {{
		icmpv6 type {_IPV6_NOISE} drop
		meta l4proto {_PORT_PROTOCOLS} update @{PORT6_SET} \\
			{{ ip6 daddr . meta l4proto . th dport counter }} drop
		counter name {OVERFLOW_COUNTER} drop
	}}
	chain postrouting {{
		type filter hook postrouting priority filter; policy accept;
		meta mark {_LOST_MARK} oifname != "lo" drop
	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
	}}
}}
"""  # noqa: S608  # an nftables "update"


def _refused_set(name: str, key: str) -> str:
    return f"set {name} {{ type {key}; size {SET_SIZE}; flags dynamic,timeout; timeout {REFUSED_MEMORY}; }}"
