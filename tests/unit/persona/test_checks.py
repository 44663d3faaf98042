"""Sysctls and the interface against what the settings say."""

from __future__ import annotations

from pathlib import Path

from persona.checks import check_interface, check_sysctls
from persona.settings import Settings


def test_each_difference_is_named(tmp_path: Path) -> None:
    ipv4 = tmp_path / "net" / "ipv4"
    (ipv4 / "conf" / "eth0.5").mkdir(parents=True)
    (ipv4 / "ip_default_ttl").write_text("64\n")
    (ipv4 / "tcp_rmem").write_text("4096\t131072\t6291456\n")
    (ipv4 / "conf" / "eth0.5" / "rp_filter").write_text("0\n")
    wanted = {
        "net.ipv4.ip_default_ttl": "128",
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
        "net/ipv4/conf/eth0.5/rp_filter": "0",
        "net.ipv4.no_such": "1",
    }
    assert check_sysctls(wanted, str(tmp_path)) == [
        "sysctl net.ipv4.ip_default_ttl is '64', not '128'",
        "sysctl net.ipv4.no_such cannot be read: No such file or directory",
    ]


def settings(interface: str, mac: str = "00:00:00:00:00:00", address: str = "127.0.0.1") -> Settings:
    return Settings("web01", address, 8, mac, interface, {}, "deny")


def test_the_interface_as_it_is() -> None:
    assert check_interface(settings("lo")) == []


def test_another_address_and_mac() -> None:
    assert check_interface(settings("lo", "02:00:00:00:00:01", "127.0.0.2")) == [
        "interface lo has MAC address 00:00:00:00:00:00, not 02:00:00:00:00:01",
        "interface lo has address 127.0.0.1/8, not 127.0.0.2/8",
    ]


def test_no_such_interface() -> None:
    assert check_interface(settings("nosuch0")) == ["interface nosuch0: No such device"]
