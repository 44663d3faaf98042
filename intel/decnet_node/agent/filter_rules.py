"""The node's filter as an nftables ruleset. Pure: a LAN in, text out.

It is the second of two layers: a decky contains its own egress, and this holds when that is gone because
someone is root in it. On the LAN's parent interface it lets out what answers and nothing that asks.

Who is meant: frames whose source MAC is not the parent's (macvlan children have their own), and frames
with the parent's MAC and a source address that is on the LAN but not the node's (ipvlan children share
the MAC; a macvlan child with raw sockets may borrow it). The node's own traffic and that of ordinary
pods, whose addresses are not of the LAN, are let through untouched.

What holds for them:
- IPv4 from an address of the LAN that is neither the node's nor the gateway's; ARP likewise; no IPv6, no
  VLAN tags, nothing else.
- TCP: only segments with ACK or RST, so no connection can be opened (and no FIN, NULL or Xmas probe sent).
  Stateless: a table of connections could be filled by a flood of SYNs, and then decoys would fall silent.
- UDP: only to an address and port that asked this address, or everybody, within ANSWER_SECONDS. The port of
  the answer is free because TFTP answers from another one than it was asked at.
- ICMP: replies and errors, to an address that was heard from within ANSWER_SECONDS.
- Fragments: none of TCP (what follows a first one cannot be judged, and what pads it can lie about its
  flags); of UDP and ICMP only to such an address.

What it cannot see: macvlan in bridge mode hands frames from child to child of one parent directly,
past the parent's hooks. There only the decky's own layer holds, unless the children are made with
`mode private`: then such frames leave by the parent, meet this filter, and do not come back from the wire.

Why raw payload expressions (`@ll`, `@nh`): nft puts a check of the *input* interface's type before
`ether`, and at egress there is no input interface, so the rule would never match. And whoever writes
frames through a packet socket chooses the protocol that the kernel believes (`meta protocol`) apart from
the one in the frame: both are checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses

from decnet_node.agent.lan import Lan

TABLE = "decnet_lan"
ANSWER_SECONDS = 60
_PEERS = 65536

REFUSALS = ("tcp", "udp", "icmp", "ipv6", "spoofed", "other")
"""What refused frames are counted as."""

_RULES = """\
table netdev {table} {{
{counters}
  set asked {{
    type ipv4_addr . inet_service . ipv4_addr
    size {peers}
    flags dynamic,timeout
    timeout {seconds}s
  }}
  set asked_all {{
    type ipv4_addr . inet_service
    size {peers}
    flags dynamic,timeout
    timeout {seconds}s
  }}
  set heard {{
    type ipv4_addr
    size {peers}
    flags dynamic,timeout
    timeout {seconds}s
  }}
  chain ask {{
    update @heard {{ ip saddr }}
    @ll,0,8 & 1 == 1 meta l4proto udp update @asked_all {{ ip saddr . udp sport }}
    meta l4proto udp update @asked {{ ip saddr . udp sport . ip daddr }}
  }}
  chain ingress {{
    type filter hook ingress device "{interface}" priority 0; policy accept;
    meta l4proto {{ udp, icmp }} ip daddr {asked} ip daddr != {own} jump ask
  }}
  chain arp_out {{
    arp saddr ip {reserved} counter name refused_spoofed drop
    accept
  }}
  chain udp_out {{
    ip daddr . udp dport . ip saddr @asked accept
    ip daddr . udp dport @asked_all accept
    counter name refused_udp drop
  }}
  chain icmp_out {{
    icmp type {{ {icmp} }} ip daddr @heard accept
    counter name refused_icmp drop
  }}
  chain fragment_out {{
    ip protocol {{ udp, icmp }} ip daddr @heard accept
    counter name refused_other drop
  }}
  chain guarded {{
    @ll,96,16 0x0806 meta protocol arp jump arp_out
    @ll,96,16 0x86dd counter name refused_ipv6 drop
    @ll,96,16 != 0x0800 counter name refused_other drop
    meta protocol != ip counter name refused_other drop
    ip saddr != {prefixes} counter name refused_spoofed drop
    ip saddr {reserved} counter name refused_spoofed drop
    ip protocol tcp ip frag-off & 0x3fff != 0 counter name refused_tcp drop
    ip frag-off & 0x1fff != 0 jump fragment_out
    meta l4proto udp jump udp_out
    meta l4proto icmp jump icmp_out
    meta l4proto != tcp counter name refused_other drop
    tcp flags & (ack | rst) != 0 accept
    counter name refused_tcp drop
  }}
  chain egress {{
    type filter hook egress device "{interface}" priority 0; policy accept;
    @ll,48,48 != {mac} jump guarded
{borrowed}
  }}
}}
"""

_ICMP = ", ".join(
    (
        *("echo-reply", "timestamp-reply", "address-mask-reply"),
        *("destination-unreachable", "time-exceeded", "parameter-problem"),
    )
)


_TO_EVERYBODY = (IPv4Network("224.0.0.0/4"), IPv4Address("255.255.255.255"))


def ruleset(lan: Lan) -> str:
    """The whole table for `lan`, to be loaded in one transaction that replaces the one before."""
    reserved = {*lan.own, *([lan.gateway] if lan.gateway else [])}
    prefixes = tuple(collapse_addresses(lan.prefixes))
    body = _RULES.format(
        table=TABLE,
        counters="\n".join(f"  counter refused_{kind} {{ }}" for kind in REFUSALS),
        peers=_PEERS,
        seconds=ANSWER_SECONDS,
        interface=lan.interface,
        own=_set(lan.own),
        reserved=_set(sorted(reserved)),
        icmp=_ICMP,
        prefixes=_set(prefixes),
        asked=_set((*prefixes, *_TO_EVERYBODY)),
        mac="0x" + lan.mac.replace(":", ""),
        borrowed="\n".join(_borrowed(lan)),
    )
    # "add, then delete" because deleting what is not there would fail the transaction.
    return f"table netdev {TABLE}\ndelete table netdev {TABLE}\n{body}"


def removal() -> str:
    """Takes the table away, whether it is there or not."""
    return f"table netdev {TABLE}\ndelete table netdev {TABLE}\n"


def _borrowed(lan: Lan) -> Iterable[str]:
    """Rules for frames with the parent's MAC and an address of the LAN that is not the node's."""
    own = ", ".join(hex(int(address)) for address in lan.own)
    for prefix in lan.prefixes:
        source = _source("@nh,96,32", prefix)
        yield f"    @ll,96,16 0x0800 {source} @nh,96,32 != {{ {own} }} jump guarded"
    own6 = ", ".join(hex(int(address)) for address in lan.own6)
    not_own = f" @nh,64,128 != {{ {own6} }}" if own6 else ""
    for prefix6 in lan.prefixes6:
        source = _source("@nh,64,128", prefix6)
        yield f"    @ll,96,16 0x86dd {source}{not_own} counter name refused_ipv6 drop"


def _source(field: str, prefix: IPv4Network | IPv6Network) -> str:
    return f"{field} & {hex(int(prefix.netmask))} == {hex(int(prefix.network_address))}"


def _set(members: Iterable[IPv4Address | IPv6Address | IPv4Network]) -> str:
    return "{ " + ", ".join(str(member) for member in members) + " }"
