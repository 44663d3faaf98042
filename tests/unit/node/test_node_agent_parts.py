"""The node agent's pure parts."""

from __future__ import annotations

import datetime
import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from decnet_node.agent import certificate
from decnet_node.agent.certificate import UnfitCertificateError
from decnet_node.agent.cni import install_plugins
from decnet_node.agent.filter_rules import removal, ruleset
from decnet_node.agent.lan import NoLanError, choose_lan
from decnet_node.agent.tls_files import TlsFiles


def _link(
    name: str, *addresses: str, link_type: str = "ether", mac: str = "02:00:00:00:00:AA"
) -> dict[str, Any]:
    return {
        "ifname": name,
        "link_type": link_type,
        "address": mac,
        "addr_info": [
            {
                "family": "inet6" if ":" in address else "inet",
                "local": address.split("/")[0],
                "prefixlen": int(address.split("/")[1]),
            }
            for address in addresses
        ],
    }


_LINKS = [
    _link("lo", "127.0.0.1/8", "::1/128", link_type="loopback"),
    _link("eth0", "172.18.0.3/16", "172.18.9.9/32", "10.9.0.3/24", "fc00::3/64", "fe80::3/64"),
    _link("eth1", "192.168.7.3/24"),
    _link("ppp0", "10.1.1.1/24", link_type="ppp"),
    _link("bare"),
]
_ROUTES = [
    {"dst": "default", "gateway": "192.168.7.1", "dev": "eth1", "metric": 600},
    {"dst": "default", "gateway": "172.18.0.1", "dev": "eth0", "metric": 100},
]


def test_the_default_route_with_the_lowest_metric_is_the_lan() -> None:
    lan = choose_lan(_ROUTES, _LINKS)
    assert json.loads(lan.annotation(["macvlan"])) == {
        "interface": "eth0",
        "subnet": "172.18.0.0/16",
        "gateway": "172.18.0.1",
        "address": "172.18.0.3",
        "mac": "02:00:00:00:00:aa",
        "drivers": ["macvlan"],
    }
    assert lan.prefixes == (IPv4Network("172.18.0.0/16"), IPv4Network("10.9.0.0/24"))
    assert lan.own == (IPv4Address("10.9.0.3"), IPv4Address("172.18.0.3"), IPv4Address("172.18.9.9"))


def test_an_interface_may_be_named() -> None:
    lan = choose_lan([], _LINKS, "eth1")
    assert (lan.interface, lan.gateway) == ("eth1", None)
    assert json.loads(lan.annotation([]))["gateway"] is None
    assert choose_lan(_ROUTES, _LINKS, "eth1").gateway == IPv4Address("192.168.7.1")


@pytest.mark.parametrize(
    ("routes", "interface", "reason"),
    [
        ([], "", "no default route"),
        (_ROUTES, "eth9", "does not exist"),
        (_ROUTES, "ppp0", "not Ethernet"),
        (_ROUTES, "bare", "no IPv4 address"),
    ],
)
def test_no_lan(routes: list[dict[str, Any]], interface: str, reason: str) -> None:
    with pytest.raises(NoLanError, match=reason):
        choose_lan(routes, _LINKS, interface)


def test_the_ruleset_replaces_only_our_table_in_one_transaction() -> None:
    lines = ruleset(choose_lan(_ROUTES, _LINKS)).splitlines()
    assert (
        lines[:2] == removal().splitlines() == ["table netdev decnet_lan", "delete table netdev decnet_lan"]
    )
    assert sum("table netdev" in line for line in lines) == 3
    text = "\n".join(lines)
    assert "@ll,48,48 != 0x0200000000aa jump guarded" in text
    assert 'hook egress device "eth0"' in text
    assert "@nh,96,32 & 0xffff0000 == 0xac120000" in text
    assert "ether " not in text.replace("other ", ""), "nft's ether never matches at egress"


def test_overlapping_networks_make_no_overlapping_sets() -> None:
    lan = choose_lan([], [_link("eth0", "10.0.0.5/8", "10.1.0.5/16")], "eth0")
    assert "ip saddr != { 10.0.0.0/8 } counter" in ruleset(lan)


class _Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        self.pem = self._sign(self.name, self.key.public_key(), 0, 100)

    def _sign(self, name: x509.Name, key: Any, start: int, end: int) -> bytes:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_day(start))
            .not_valid_after(_day(end))
            .sign(self.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    def answer(self, request_pem: bytes, start: int = 0, end: int = 30) -> bytes:
        request = x509.load_pem_x509_csr(request_pem)
        assert request.is_signature_valid
        return self._sign(request.subject, request.public_key(), start, end)


def _day(number: int) -> datetime.datetime:
    return datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=number)


def test_a_certificate_is_renewed_after_two_thirds() -> None:
    authority, key = _Authority(), certificate.new_key()
    issued = authority.answer(certificate.signing_request(key, "node-1"))
    both = _Authority().pem + authority.pem
    assert certificate.check(issued, key, both, "node-1", _day(1)) == _day(20)
    assert len(certificate.fingerprint(issued)) == 64
    assert certificate.key_id(key) == certificate.key_id(key) != certificate.key_id(certificate.new_key())


@pytest.mark.parametrize("wrong", ["key", "node", "early", "late", "authority", "garbage", "nothing"])
def test_unfit_certificates(wrong: str) -> None:
    authority, key = _Authority(), certificate.new_key()
    issued = authority.answer(certificate.signing_request(key, "node-2" if wrong == "node" else "node-1"))
    if wrong in ("garbage", "nothing"):
        issued = b"" if wrong == "nothing" else issued[:100]
    trusted = _Authority().pem if wrong == "authority" else authority.pem
    held = certificate.new_key() if wrong == "key" else key
    when = {"early": _day(-1), "late": _day(31)}.get(wrong, _day(1))
    with pytest.raises(UnfitCertificateError):
        certificate.check(issued, held, trusted, "node-1", when)


def test_files_are_private_and_written_only_when_they_change(tmp_path: Path) -> None:
    files = TlsFiles(tmp_path / "tls")
    assert files.read("tls.key") == b""
    files.write("tls.key", b"one")
    path = tmp_path / "tls" / "tls.key"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    files.write("tls.key", b"one")
    assert path.stat().st_ino == before
    path.chmod(0o644)
    files.write("tls.key", b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    files.write("tls.key", b"two")
    assert files.read("tls.key") == b"two"
    files.remove("tls.key")
    files.remove("tls.key")
    assert list((tmp_path / "tls").iterdir()) == []


def test_only_missing_plugins_are_installed(tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to" / "bin"
    source.mkdir()
    target.mkdir(parents=True)
    for name in ("macvlan", "ipvlan", "static", "tuning", "bridge"):
        (source / name).write_text(f"new {name}")
    (target / "static").write_text("the node's own")
    assert install_plugins(source, target) == ["macvlan", "ipvlan", "tuning"]
    assert install_plugins(source, target) == []
    assert (target / "static").read_text() == "the node's own"
    assert sorted(path.name for path in target.iterdir()) == ["ipvlan", "macvlan", "static", "tuning"]
    assert (target / "macvlan").stat().st_mode & 0o777 == 0o755


def test_a_missing_source_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        install_plugins(tmp_path, tmp_path / "bin")
    assert list((tmp_path / "bin").iterdir()) == []
